// What devmap, devmap_hash and cpumap share: a value is a u32 and, where value_size is 8, the id of a program to run there.
import { ERRNO } from '../spec/errno.ts';
import type { MapContext, Status } from '../spec/map.ts';
import { EINVAL } from './attributes.ts';
import { u32At } from './handle-array.ts';

export interface Target {
  /** Interface index, or queue size of a CPU. */
  readonly target: number;
  /** Program id, 0 for none. */
  readonly program: number;
}

/** The value's two words; -EINVAL where the program does not exist. */
export function readTarget(context: MapContext, value: Uint8Array): Target | Status {
  const program = value.length === 8 ? u32At(value, 4) : 0;
  if (program !== 0 && context.programById(program) === undefined) return EINVAL;
  return { target: u32At(value), program };
}

export function targetBytes(target: number, program: number, valueSize: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, target, true);
  view.setUint32(4, program, true);
  return bytes.subarray(0, valueSize);
}

export const EOVERFLOW = -ERRNO.EOVERFLOW;
export const ENODEV = -ERRNO.ENODEV;
