import type { MapTypeRow, Status } from '../spec/map.ts';
import { UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import { ArrayLike, checkArray, checkArrayUpdate } from './array-map.ts';
import { EINVAL, ENOENT } from './attributes.ts';
import { flagsNumber } from './base-map.ts';
import { loadCopies, perCpuSize, storeCopies } from './per-cpu.ts';

/** BPF_MAP_TYPE_PERCPU_ARRAY: an array with one copy of each value a CPU. */
class PerCpuArrayMap extends ArrayLike {
  override get userValueSize(): number {
    return perCpuSize(this.spec.valueSize, this.copies);
  }

  override lookupElem(key: Address): Address {
    return this.lookupPerCpuElem(key, this.context.currentCpu());
  }

  lookupPerCpuElem(key: Address, cpu: number): Address {
    const index = this.indexAt(key);
    return index < this.length && cpu < this.copies ? this.data + index * this.element + cpu * this.stride : 0;
  }

  override updateElem(key: Address, value: Address, flags: bigint): Status {
    const index = this.indexAt(key);
    // A program's update goes through the same checks as a plain array's: BPF_F_LOCK is looked at last.
    const refused = checkArrayUpdate(index, this.length, flagsNumber(flags), true);
    if (refused !== 0) return refused;
    if ((flags & BigInt(UPDATE_FLAGS.LOCK)) !== 0n) return EINVAL;
    this.copyValue(this.data + index * this.element + this.context.currentCpu() * this.stride, value);
    return 0;
  }

  protected read(key: Address): Uint8Array | Status {
    const index = this.indexAt(key);
    if (index >= this.length) return ENOENT;
    return loadCopies(this.memory, this.data + index * this.element, this.spec.valueSize, this.copies, this.stride);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const index = this.indexAt(key);
    const refused = checkArrayUpdate(index, this.length, flags, false);
    if (refused === 0) {
      storeCopies(this.memory, this.data + index * this.element, this.spec.valueSize, value, this.stride);
    }
    return refused;
  }
}

export const percpuArray: MapTypeRow = {
  type: 'percpu_array',
  check: checkArray,
  create: (spec, context) => new PerCpuArrayMap(spec, context, context.cpus),
  shared: true,
  doc: 'complete; applications see all copies',
};
