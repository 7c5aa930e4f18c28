// A call of a kernel function under check, and what its prototype says.
import type { Btf } from '../btf/btf.ts';
import type { BtfType } from '../btf/format.ts';
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
  readonly btf: Btf;
  readonly proto: Proto;
  /** By argument, from 0. */
  readonly args: readonly Value[];
}

export type Proto = Extract<BtfType, { kind: 'func_proto' }>;

/** The struct that a pointer type points to, 0 where it is none. */
export function structOf(btf: Btf, id: number): number {
  const type = btf.resolved(id);
  if (type.kind !== 'ptr') return 0;
  const target = btf.resolve(type.type);
  const { kind } = btf.type(target);
  return kind === 'struct' || kind === 'union' || kind === 'fwd' ? target : 0;
}

/** By the prototype: a number, or an object of the kernel, or memory of one number. */
export function resultOf({ state, btf, proto, row }: Pick<KfuncCall, 'state' | 'btf' | 'proto' | 'row'>): Value {
  const type = btf.resolved(proto.type);
  if (type.kind === 'void') return undefined;
  if (type.kind !== 'ptr') return anyNumber(state);
  const nullable = row.nullable === true;
  const id = nullable ? newId() : 0;
  const target = structOf(btf, proto.type);
  if (target !== 0) return pointer('kernel', state.slot, { target, nullable, id });
  const size = btf.resolved(type.type).kind === 'void' ? 0 : btf.sizeOf(type.type);
  return pointer('memory', state.slot, { size, nullable, id });
}
