import type { MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, E2BIG, EEXIST, EINVAL, ENOENT } from './attributes.ts';
import { existence } from './base-map.ts';
import { HandleArray } from './handle-array.ts';
import { ENODEV, EOVERFLOW, readTarget, targetBytes } from './redirect-map.ts';

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

/** BPF_MAP_TYPE_CPUMAP: CPUs that XDP packets may be sent to, each with the size of its queue. Elements: handle-array.ts. */
class Cpumap extends HandleArray {
  override handleAt(key: Address): number {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 0) : 0;
  }

  programAt(key: Address): number {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 1) : 0;
  }

  protected read(key: Address): Uint8Array | Status {
    const index = this.indexAt(key);
    if (index >= this.length || !this.filled(index)) return ENOENT;
    return targetBytes(this.word(index, 0), this.word(index, 1), this.spec.valueSize);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const index = this.indexAt(key);
    const wish = existence(flags, false);
    if (wish === undefined) return EINVAL;
    if (index >= this.length) return E2BIG;
    if (wish === UPDATE_FLAGS.NOEXIST) return EEXIST;
    const target = readTarget(this.context, value);
    const queue = typeof target === 'number' ? 0 : target.target;
    if (queue > LONGEST_QUEUE) return EOVERFLOW;
    if (index >= this.context.cpus) return ENODEV;
    if (typeof target === 'number') return target;
    if (queue === 0) this.setWords(index, 0, 0);
    else this.setWords(index, queue, target.program);
    return 0;
  }

  protected override remove(key: Address): Status {
    const index = this.indexAt(key);
    if (index >= this.length) return EINVAL;
    this.setWords(index, 0, 0);
    return 0;
  }
}

export const cpumap: MapTypeRow = {
  type: 'cpumap',
  check,
  create: (spec, context) => new Cpumap(spec, context),
  doc: 'queue sizes and programs as Linux takes them; what a redirect does is for the host',
};
