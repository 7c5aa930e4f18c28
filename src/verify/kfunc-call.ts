// A call of a kernel function under check, and its result.
import type { Btf } from '../btf/btf.ts';
import type { KfuncRow } from './kfuncs.ts';
import { newId } from './number/scalar.ts';
import type { State } from './state.ts';
import { pointer, type Value } from './value.ts';
import { anyNumber, type Walk } from './walk.ts';

/** A call under check, for the actions. */
export interface KfuncCall {
  readonly walk: Walk;
  readonly state: State;
  readonly name: string;
  readonly row: KfuncRow;
  /** The object's own types. */
  readonly btf: Btf;
  /** By argument, from 0; none is undefined. */
  readonly args: readonly Value[];
}

/** A struct by its name in the object's BTF; 0 where the object does not know it. */
export const structNamed = (btf: Btf, name: string): number =>
  btf.findByName(name, 'struct') ?? btf.findByName(name, 'fwd') ?? 0;

/** By the row: a number, or an object of the kernel, or memory of one number. */
export function resultOf({ state, btf, row }: Pick<KfuncCall, 'state' | 'btf' | 'row'>): Value {
  const { returns, nullable = false } = row;
  if (returns === undefined) return anyNumber(state);
  if (returns === 'void') return undefined;
  const id = nullable ? newId() : 0;
  if (returns === 'int*') return pointer('memory', state.slot, { size: 4, nullable, id });
  return pointer('kernel', state.slot, { target: structNamed(btf, returns.slice('struct '.length)), nullable, id });
}
