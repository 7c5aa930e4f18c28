// Objects that programs allocate, and the lists and trees that hold them under a spin lock.
//
// Whoever owns an object has a reference to it that must be given back. A list or tree takes it over; what pointed to the object
// then points to it only as long as the lock is held: such pointers carry the lock as their reference.
import { badCallback, helperArgument, lockRule } from '../base/messages/verify.ts';
import { describeValue } from './access.ts';
import { release } from './after-call.ts';
import type { KfuncCall } from './kfunc-call.ts';
import { isConstant, newId, valueOf } from './number/scalar.ts';
import { type Contains, containedAt, fieldsOfObject } from './object-fields.ts';
import { type CallbackFrame, markPrecise, type Reference, type State } from './state.ts';
import { type Pointer, pointer, type Value } from './value.ts';
import { anyNumber, placeAt, refuse } from './walk.ts';

/** A function of the program that is called before what follows the call. */
export interface KfuncCallback {
  readonly callback: { readonly slot: number; readonly frame: CallbackFrame; readonly registers: readonly Value[] };
}

const TREE_ORDER = 'rbtree_add';
/** Whether the order of a tree is being asked for, which may change nothing. */
export const inTreeOrder = (state: State): boolean => state.frames.some((f) => f.callback?.helper === TREE_ORDER);

const wrong = ({ walk, state, name, args }: KfuncCall, index: number, wanted: string): never =>
  refuse(
    walk,
    helperArgument(placeAt(walk, state.slot), name, index + 1, wanted, describeValue(args[index])),
    index + 1,
    args[index],
  );

const isOwned = (state: State, p: Pointer): boolean =>
  state.references.some(({ id, what }) => id === p.reference && what === 'object');

/** The object that an argument points to. */
function objectAt(call: KfuncCall, index: number): Pointer {
  const p = call.args[index];
  if (p?.kind !== 'pointer' || p.region !== 'object' || p.nullable || p.variable !== undefined)
    return wrong(call, index, 'an allocated object');
  return p;
}

/** A new reference to an object, NULL or not. */
function owned(state: State, struct: number, size: number, offset: number, nullable: boolean): Pointer {
  const reference = newId();
  state.references = [...state.references, { id: reference, what: 'object', at: state.slot }];
  const fields = { target: struct, size, offset, nullable, reference };
  return pointer('object', state.slot, { ...fields, id: nullable ? reference : 0 });
}

/** bpf_obj_new(type id). */
export function objectNew(call: KfuncCall): Value {
  const { state, btf, args } = call;
  const [id] = args;
  if (id?.kind !== 'scalar' || !isConstant(id)) return wrong(call, 0, 'the constant id of a struct');
  markPrecise(id);
  const struct = valueOf(id);
  if (struct <= 0 || struct >= btf.count || btf.type(struct).kind !== 'struct')
    return wrong(call, 0, 'the constant id of a struct');
  return owned(state, struct, btf.sizeOf(struct), 0, true);
}

/** bpf_obj_drop(object). */
export function objectDrop(call: KfuncCall): Value {
  const { state } = call;
  const p = objectAt(call, 0);
  if (p.offset !== 0 || !isOwned(state, p)) return wrong(call, 0, 'an object of its own');
  release(state, p.reference);
  return undefined;
}

/** bpf_refcount_acquire(object): a second reference. Where a list or tree has the first, it may be gone. */
export function objectCopy(call: KfuncCall): Value {
  const { state, btf } = call;
  const p = objectAt(call, 0);
  if (p.offset !== 0 || !fieldsOfObject(btf, p.target).some(({ kind }) => kind === 'refcount'))
    return wrong(call, 0, 'an object with a bpf_refcount');
  return owned(state, p.target, p.size, 0, !isOwned(state, p));
}

/** The root in the first argument, and the lock that protects it and is held. */
function rootAt(
  call: KfuncCall,
  kind: 'rb_root' | 'list_head',
): { readonly holds: Contains; readonly lock: Reference } {
  const { walk, state, btf, args, name } = call;
  const place = placeAt(walk, state.slot);
  if (inTreeOrder(state))
    return refuse(walk, badCallback(place, `${name} is called while the order of a tree is asked for`));
  const [p] = args;
  const wanted = `a bpf_${kind} in a map value`;
  if (p?.kind !== 'pointer' || p.region !== 'mapValue' || p.nullable || p.variable !== undefined)
    return wrong(call, 0, wanted);
  const { map, offset } = p;
  const found = map?.special?.some((field) => field.kind === kind && field.offset === offset);
  const holds = map?.valueTypeId === undefined ? undefined : containedAt(btf, map.valueTypeId, offset);
  if (found !== true || holds === undefined) return wrong(call, 0, wanted);
  const lock = state.references.find((ref) => ref.what === 'lock');
  if (lock === undefined || lock.owner !== p.id)
    return refuse(walk, lockRule(place, `${name} needs the spin lock beside its ${kind}`), 1, p);
  return { holds, lock };
}

/** The node in the second argument. */
function nodeAt(call: KfuncCall, { struct, offset }: Contains): Pointer {
  const p = objectAt(call, 1);
  const { btf } = call;
  if (p.offset !== offset || btf.nameOf(p.target) !== btf.nameOf(struct))
    return wrong(call, 1, `the node of a struct ${btf.nameOf(struct)} that it holds`);
  return p;
}

/** The list or tree has the object from here on. */
function handOver(call: KfuncCall, p: Pointer, lock: Reference): void {
  const { state } = call;
  if (!isOwned(state, p)) wrong(call, 1, 'an object of its own');
  state.references = state.references.filter(({ id }) => id !== p.reference);
  state.replace((value) =>
    value.kind === 'pointer' && value.reference === p.reference ? value.with({ reference: lock.id, id: 0 }) : value,
  );
}

/** What a list or tree gives may be what pointers under the lock point to. */
function forgetUnderLock(state: State, lock: Reference): void {
  const nothing = anyNumber(state);
  state.replace((value) => (value.kind === 'pointer' && value.reference === lock.id ? nothing : value));
}

export function listPush(call: KfuncCall): Value {
  const { holds, lock } = rootAt(call, 'list_head');
  handOver(call, nodeAt(call, holds), lock);
  return anyNumber(call.state);
}

export function listPop(call: KfuncCall): Value {
  const { state, btf } = call;
  const { holds, lock } = rootAt(call, 'list_head');
  forgetUnderLock(state, lock);
  return owned(state, holds.struct, btf.sizeOf(holds.struct), holds.offset, true);
}

/** bpf_rbtree_add(root, node, less): `less` is called with nodes of the tree. */
export function treeAdd(call: KfuncCall): KfuncCallback {
  const { state, args, btf } = call;
  const { holds, lock } = rootAt(call, 'rb_root');
  handOver(call, nodeAt(call, holds), lock);
  const less = args[2];
  if (less?.kind !== 'pointer' || less.region !== 'function') return wrong(call, 2, 'a function of the program');
  const node = (): Pointer =>
    pointer('object', state.slot, {
      target: holds.struct,
      size: btf.sizeOf(holds.struct),
      offset: holds.offset,
      reference: lock.id,
    });
  const registers = [node(), node()];
  const held = state.references.map(({ id }) => id);
  const frame: CallbackFrame = {
    helper: TREE_ORDER,
    slot: state.slot,
    args: registers,
    returnsAtMost: 1,
    once: true,
    held,
  };
  return { callback: { slot: less.target, frame, registers } };
}

export function treeRemove(call: KfuncCall): Value {
  const { state, btf } = call;
  const { holds, lock } = rootAt(call, 'rb_root');
  const p = nodeAt(call, holds);
  if (p.reference !== lock.id) return wrong(call, 1, 'a node that the tree has');
  forgetUnderLock(state, lock);
  return owned(state, holds.struct, btf.sizeOf(holds.struct), holds.offset, true);
}

/** bpf_rbtree_first(root): a node that the tree keeps, or NULL. */
export function treeFirst(call: KfuncCall): Value {
  const { state, btf } = call;
  const { holds, lock } = rootAt(call, 'rb_root');
  const fields = { target: holds.struct, size: btf.sizeOf(holds.struct), offset: holds.offset };
  return pointer('object', state.slot, { ...fields, nullable: true, id: newId(), reference: lock.id });
}
