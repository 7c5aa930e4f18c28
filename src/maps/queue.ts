import type { MapTypeRow } from '../spec/map.ts';
import { checkQueueStack, QueueStackMap } from './queue-stack.ts';

/** BPF_MAP_TYPE_QUEUE. */
class QueueMap extends QueueStackMap {
  protected readonly oldestFirst = true;
}

export const queue: MapTypeRow = {
  type: 'queue',
  check: checkQueueStack,
  create: (spec, context) => new QueueMap(spec, context),
  shared: true,
  doc: 'complete; BPF_EXIST overwrites the oldest',
};
