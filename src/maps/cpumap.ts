import type { MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, E2BIG, EINVAL } from './attributes.ts';
import { ENODEV, EOVERFLOW, type Target } from './redirect-map.ts';
import { TargetArray } from './target-array.ts';

/** Largest queue of a CPU. */
const LONGEST_QUEUE = 16_384;
/** NR_CPUS of Linux's usual x86-64 configurations. */
const MOST_CPUS = 8192;

function check(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const valueFits = spec.valueSize === 4 || spec.valueSize === 8;
  if (spec.maxEntries === 0 || spec.keySize !== 4 || !valueFits) return EINVAL;
  if ((spec.flags & ~MAP_FLAGS.NUMA_NODE) !== 0) return EINVAL;
  return spec.maxEntries > MOST_CPUS ? E2BIG : 0;
}

/** BPF_MAP_TYPE_CPUMAP: CPUs that XDP packets may be sent to, each with the size of its queue. */
class Cpumap extends TargetArray {
  protected refuses(index: number, target: Target | Status): Status {
    if (typeof target !== 'number' && target.target > LONGEST_QUEUE) return EOVERFLOW;
    return index >= this.context.cpus ? ENODEV : 0;
  }
}

export const cpumap: MapTypeRow = {
  type: 'cpumap',
  check,
  create: (spec, context) => new Cpumap(spec, context),
  shared: true,
  doc: 'queue sizes and programs as Linux takes them; what a redirect does is for the host',
};
