import type { MapTypeRow, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import { checkHandleArray, EBADF, FdArray } from './handle-array.ts';

/** BPF_MAP_TYPE_PROG_ARRAY: the targets of bpf_tail_call. Its elements: handle-array.ts. */
class ProgArrayMap extends FdArray {
  protected resolve(id: number): number {
    return this.context.programById(id)?.address ?? EBADF;
  }

  protected read(key: Address): Uint8Array | Status {
    return this.readId(key);
  }
}

export const progArray: MapTypeRow = {
  type: 'prog_array',
  check: checkHandleArray,
  create: (spec, context) => new ProgArrayMap(spec, context),
  doc: 'values are program ids; handleAt() gives the one to jump to; that all programs are of one type is for the loader to check',
};
