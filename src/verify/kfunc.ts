// Calls of kernel functions: arguments, results, and what only some of them do.
import { helperArgument, kfuncNotKnown, lockRule, notOwned, uninitialisedRegister } from '../base/messages/verify.ts';
import type { Btf } from '../btf/btf.ts';
import type { Insn } from '../isa/insn.ts';
import type { ArgKind, HelperRow } from '../spec/helper.ts';
import { describeValue } from './access.ts';
import { ARGUMENTS, type Call, isNull } from './arguments.ts';
import { cloneDynptr, dynptrOfPacket, dynptrSlice } from './dynptr.ts';
import * as graph from './graph.ts';
import { finish, release } from './after-call.ts';
import { destroyIterator, newIterator, nextOfIterator } from './iterator.ts';
import { type KfuncCall, resultOf, structNamed } from './kfunc-call.ts';
import { type KfuncAction, type KfuncArg, KFUNCS } from './kfuncs.ts';
import { newId } from './number/scalar.ts';
import { blur } from './stack.ts';
import type { State } from './state.ts';
import type { Next } from './step.ts';
import { type Pointer, pointer, type Value } from './value.ts';
import { anyNumber, placeAt, refuse, type Walk } from './walk.ts';

/** Gives r0, or all that follows the call. */
type Action = (call: KfuncCall) => Value | { readonly next: Next } | graph.KfuncCallback;

const ACTIONS: { readonly [A in KfuncAction]: Action } = {
  iteratorNew: newIterator,
  iteratorNext: nextOfIterator,
  iteratorDestroy: destroyIterator,
  take: ({ walk, state, row, name }) => {
    const what = row.holds ?? 'rcu';
    if (what === 'rcu' && state.references.some((ref) => ref.what === 'rcu'))
      refuse(walk, lockRule(placeAt(walk, state.slot), `${name} is called while an RCU read lock is held`));
    state.references = [...state.references, { id: newId(), what, at: state.slot }];
    return undefined;
  },
  giveBack: ({ walk, state, row, name }) => {
    const held = state.references.findLast((ref) => ref.what === row.holds);
    if (held === undefined)
      return refuse(walk, lockRule(placeAt(walk, state.slot), `${name} gives back what is not held`));
    if (held.what === 'rcu' && usesRcu(state))
      refuse(walk, lockRule(placeAt(walk, state.slot), `${name} is called while an iterator needs the RCU read lock`));
    state.references = state.references.filter((ref) => ref !== held);
    return undefined;
  },
  objectNew: graph.objectNew,
  objectDrop: graph.objectDrop,
  objectCopy: graph.objectCopy,
  treeAdd: graph.treeAdd,
  treeRemove: graph.treeRemove,
  treeFirst: graph.treeFirst,
  listPush: graph.listPush,
  listPop: graph.listPop,
  dynptrOfPacket,
  dynptrSlice,
  dynptrClone: cloneDynptr,
  // What it gives is the kernel's own structure, of which loads give numbers.
  castContext: ({ state, btf }) => pointer('kernel', state.slot, { target: structNamed(btf, 'sk_buff') }),
};

/** Kernel functions may be called with a spin lock held only where they work on what it protects. */
const WITH_LOCK: ReadonlySet<KfuncAction> = new Set<KfuncAction>([
  ...(['objectCopy', 'treeAdd', 'treeRemove', 'treeFirst', 'listPush', 'listPop', 'iteratorNext'] as const),
  ...(['iteratorNew', 'iteratorDestroy'] as const),
]);

/** Whether an iterator is under way whose elements the RCU read lock keeps. */
const usesRcu = (state: State): boolean =>
  state.frames.some(({ stack }) =>
    stack.some((slot) => slot?.kind === 'special' && KFUNCS[`${slot.type}_next`]?.rcu === true),
  );

/** Whether something is held that does not let the program sleep. */
const mayNotSleep = (state: State): boolean =>
  state.references.some(({ what }) => what === 'lock' || what === 'rcu' || what === 'preempt' || what === 'irq');

/** Refuses the call, or makes the state that of after it. */
export function callKfunc(walk: Walk, state: State, insn: Insn): { readonly next: Next } | graph.KfuncCallback {
  const place = placeAt(walk, state.slot);
  const extern = walk.object.externs[insn.imm];
  const { btf } = walk.object;
  const name = extern?.name.replace(/___\w+$/, '') ?? `${insn.imm}`;
  const row = Object.hasOwn(KFUNCS, name) ? KFUNCS[name] : undefined;
  if (row === undefined || btf === undefined) return refuse(walk, kfuncNotKnown(place, name));
  if (row.types?.includes(walk.spec.type) === false)
    refuse(walk, lockRule(place, `${walk.spec.type} programs may not call ${name}`));
  if (row.sleepable === true && (!walk.spec.sleepable || mayNotSleep(state)))
    refuse(walk, lockRule(place, `${name} may sleep, which is not allowed here`));
  if (row.rcu === true && walk.spec.sleepable && !state.references.some(({ what }) => what === 'rcu'))
    refuse(walk, lockRule(place, `${name} needs the RCU read lock`));
  const locked = state.references.some(({ what }) => what === 'lock');
  if (locked && (row.does === undefined || !WITH_LOCK.has(row.does)))
    refuse(walk, lockRule(place, `${name} may not be called while a spin lock is held`));
  const args = row.args.map((_, i) => {
    const value = state.register(i + 1);
    return value ?? refuse(walk, uninitialisedRegister(place, i + 1), i + 1);
  });
  const call: KfuncCall = { walk, state, name, row, btf, args };
  checkArguments(call);
  if (row.releases !== undefined) giveBack(call, row.releases);
  const result = row.does === undefined ? resultOf(call) : ACTIONS[row.does](call);
  if (result !== undefined && 'next' in result) return result;
  if (result !== undefined && 'callback' in result) {
    finish(state, anyNumber(state));
    return result;
  }
  finish(state, acquired(call, result));
  state.slot += 1;
  return { next: 'on' };
}

const isHelperKind = (kind: KfuncArg): kind is ArgKind => Object.hasOwn(ARGUMENTS, kind);

function checkArguments(call: KfuncCall): void {
  const { walk, state, name, args, row } = call;
  const asHelper: HelperRow = {
    name,
    numbers: {},
    args: row.args.map((kind) => (isHelperKind(kind) ? kind : 'scalar')),
    returns: 'void',
    doc: '',
    body: () => 0,
  };
  const check: Call = { walk, state, row: asHelper, map: undefined, size: 0, fills: [] };
  row.args.forEach((kind, i) => {
    const value = args[i];
    if (isHelperKind(kind)) {
      if (kind !== 'memOutOrNull' || !isNull(value)) ARGUMENTS[kind](check, value, i + 1);
    } else if (kind !== 'own' && kind !== 'any') checkObject(call, i, kind);
  });
  // What is written needs no more room than was checked: unknown numbers afterwards.
  for (const { p, size, register } of check.fills) blur(walk, state, p, p.offset, size, register, true);
}

const wrong = ({ walk, state, name }: KfuncCall, index: number, wanted: string, value: Value): never =>
  refuse(
    walk,
    helperArgument(placeAt(walk, state.slot), name, index + 1, wanted, describeValue(value)),
    index + 1,
    value,
  );

/** An object of the kernel. What the struct of others is, is not known here. */
function checkObject(call: KfuncCall, index: number, kind: string): void {
  const { btf, args } = call;
  const value = args[index];
  if (kind.endsWith('?') && isNull(value)) return;
  const name = kind.slice('struct '.length).replace('?', '');
  const is =
    value?.kind === 'pointer' &&
    value.region === 'kernel' &&
    !value.nullable &&
    value.offset === 0 &&
    value.variable === undefined &&
    beginsWith(btf, value.target, name);
  if (!is) wrong(call, index, `a struct ${name} of the kernel`, value);
}

/** Whether a struct has this name, or one of it as its first member. */
function beginsWith(btf: Btf, struct: number, name: string, depth = 0): boolean {
  if (struct === 0 || depth > 8) return false;
  if (btf.nameOf(struct) === name) return true;
  const type = btf.type(struct);
  const first = type.kind === 'struct' ? type.members.at(0) : undefined;
  return first !== undefined && beginsWith(btf, btf.resolve(first.type), name, depth + 1);
}

/** Gives back what an argument stands for. */
function giveBack({ walk, state, name, args }: KfuncCall, argument: number): void {
  const p = args[argument - 1] as Pointer;
  if (p.reference === 0 || !state.references.some((ref) => ref.id === p.reference))
    refuse(walk, notOwned(placeAt(walk, state.slot), name, argument, describeValue(p)), argument, p);
  release(state, p.reference);
}

function acquired({ row, state }: KfuncCall, result: Value): Value {
  if (row.acquires !== true || result?.kind !== 'pointer') return result;
  const reference = newId();
  state.references = [...state.references, { id: reference, what: 'object', at: state.slot }];
  return result.with({ reference, ...(result.nullable ? { id: reference } : {}) });
}
