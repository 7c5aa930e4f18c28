import type { MapTypeRow, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import { checkHandleArray, EBADF, FdArray } from './handle-array.ts';

/** BPF_MAP_TYPE_PROG_ARRAY: the targets of bpf_tail_call. Its elements: handle-array.ts. */
class ProgArrayMap extends FdArray {
  protected resolve(id: number): number {
    const program = this.context.programById(id);
    if (program === undefined) return EBADF;
    const status = this.context.admitProgram?.(this, id) ?? 0;
    return status < 0 ? status : program.address;
  }

  protected read(key: Address): Uint8Array | Status {
    return this.readId(key);
  }
}

export const progArray: MapTypeRow = {
  type: 'prog_array',
  check: checkHandleArray,
  create: (spec, context) => new ProgArrayMap(spec, context),
  shared: true,
  doc: 'values are program ids; handleAt() gives the one to jump to; all programs are of the type and attach type of the first',
};
