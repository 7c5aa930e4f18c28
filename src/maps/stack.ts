import type { MapTypeRow } from '../spec/map.ts';
import { checkQueueStack, QueueStackMap } from './queue-stack.ts';

/** BPF_MAP_TYPE_STACK. */
class StackMap extends QueueStackMap {
  protected readonly oldestFirst = false;
}

export const stack: MapTypeRow = {
  type: 'stack',
  check: checkQueueStack,
  create: (spec, context) => new StackMap(spec, context),
  shared: true,
  doc: 'complete; BPF_EXIST overwrites the oldest',
};
