// Calls of helpers: arguments, what the call invalidates, and the result: one row a kind of return.
import {
  badCallback,
  helperArgument,
  helperLicence,
  helperMap,
  helperNotAllowed,
  lockRule,
  notOwned,
  tailCallInSubprogram,
  uninitialisedRegister,
} from '../base/messages/verify.ts';
import type { Insn } from '../isa/insn.ts';
import type { HelperRow, ReturnKind } from '../spec/helper.ts';
import { GPL_COMPATIBLE } from '../spec/licence.ts';
import { writableByPrograms } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';
import { ARGUMENTS, type Call } from './arguments.ts';
import { describeValue } from './access.ts';
import { finish, invalidatePackets, release } from './after-call.ts';
import { CALLBACKS } from './callbacks.ts';
import { dynptrAt, OF_PACKET } from './dynptr.ts';
import { inTreeOrder } from './graph.ts';
import { mayChange, worksOn } from './map-helpers.ts';
import { betweenSigned, newId } from './number/scalar.ts';
import { type CallbackFrame, slotIndex, type State } from './state.ts';
import { blur, constantAt, putSpecial } from './stack.ts';
import { type Pointer, pointer, type Value } from './value.ts';
import { anyNumber, number, placeAt, refuse, type Walk } from './walk.ts';

/** What a call leads to: the instruction after it, or a function of the program first. */
export type CallOutcome = {
  readonly callback?: { readonly slot: number; readonly frame: CallbackFrame; readonly registers: readonly Value[] };
  /** The function may end here, with any result: another program takes its place. */
  readonly leaves?: boolean;
};

const RETURNS: { readonly [K in ReturnKind]: (call: Call, state: State) => Value } = {
  integer: (call, state) => resultOf(call, state),
  void: () => undefined,
  mapValueOrNull: (call, state) => lookedUp(call, state, true),
  mapValue: (call, state) => lookedUp(call, state, false),
  socketOrNull: (_call, state) => pointer('socket', state.slot, { id: newId(), nullable: true }),
  sockCommonOrNull: (_call, state) => pointer('sockCommon', state.slot, { id: newId(), nullable: true }),
  tcpSocketOrNull: (_call, state) => pointer('tcpSocket', state.slot, { id: newId(), nullable: true }),
  ringRecordOrNull: (call, state) =>
    pointer('ringRecord', state.slot, { id: newId(), nullable: true, size: call.size }),
  memOrNull: (call, state) => pointer('memory', state.slot, { id: newId(), nullable: true, size: call.size }),
  btfPointer: (call, state) => pointer('kernel', state.slot, { target: structGiven(call) }),
  btfPointerOrNull: (_call, state) => pointer('kernel', state.slot, { id: newId(), nullable: true }),
  integerOrNoReturn: (_call, state) => anyNumber(state),
};

/** The struct of a kernel object that a helper gives, as the object's BTF has it. */
function structGiven({ row, walk }: Call): number {
  if (row.name !== 'get_current_task_btf') return 0;
  const { btf } = walk.object;
  return btf?.findByName('task_struct', 'struct') ?? btf?.findByName('task_struct', 'fwd') ?? 0;
}

/** Helpers that give a size of at most their size argument, or a negative error (do_refine_retval_range). */
const BOUNDED_BY_ARGUMENT: Readonly<Record<string, number>> = {
  get_stack: 3,
  get_task_stack: 3,
  probe_read_str: 2,
  probe_read_kernel_str: 2,
  probe_read_user_str: 2,
};

function resultOf(call: Call, state: State): Value {
  const register = BOUNDED_BY_ARGUMENT[call.row.name];
  const size = register === undefined ? undefined : call.state.register(register);
  if (size?.kind === 'scalar' && size.r64.umax < 2 ** 31) return number(state, betweenSigned(-4095, size.r64.umax));
  if (call.row.name === 'get_smp_processor_id') return number(state, betweenSigned(0, 8191));
  return anyNumber(state);
}

/** An element: a value, or of a map of maps the map. */
function lookedUp(call: Call, state: State, nullable: boolean): Value {
  const { map, row } = call;
  const id = newId();
  if (map === undefined) return pointer('memory', state.slot, { id, nullable });
  if (map.inner !== undefined) return pointer('map', state.slot, { id, nullable, map: map.inner });
  if (map.type === 'xskmap' || map.type === 'devmap' || map.type === 'devmap_hash') {
    return pointer('memory', state.slot, { id, nullable, size: map.valueSize, writable: false });
  }
  if (map.type === 'sockmap' || map.type === 'sockhash') return pointer('socket', state.slot, { id, nullable });
  // An element of an array below its size is always there.
  if (row.name === 'map_lookup_elem' && isWhole(call, map)) {
    const key = call.state.register(2);
    const index =
      key?.kind === 'pointer' && key.region === 'stack' ? constantAt(call.state, key, map.keySize) : undefined;
    if (index !== undefined && index < map.maxEntries) nullable = false;
  }
  return pointer('mapValue', state.slot, { id, nullable, map, writable: writableByPrograms(map) });
}

/** An array whose size is known: inner maps may be smaller than their template. */
const isWhole = (call: Call, map: MapSpec): boolean =>
  (map.type === 'array' || map.type === 'percpu_array') && call.walk.object.maps.includes(map);

/** Refuses the call, or makes the state that of after it. */
export function callHelper(walk: Walk, state: State, insn: Insn): CallOutcome {
  const { platform, spec } = walk;
  const place = placeAt(walk, state.slot);
  const row = platform.helper(insn.imm, spec.type);
  if (row === undefined) {
    return refuse(
      walk,
      helperNotAllowed(place, platform.helperName(insn.imm, spec.type) ?? `helper ${insn.imm}`, spec.type),
    );
  }
  return callRow(walk, state, row);
}

/** As callHelper, for a function that is called in another way but by number. */
export function callRow(walk: Walk, state: State, row: HelperRow): CallOutcome {
  const { spec } = walk;
  const place = placeAt(walk, state.slot);
  // Windows does not ask for licences.
  if (row.gplOnly === true && spec.dialect === 'linux' && !GPL_COMPATIBLE.has(spec.license))
    refuse(walk, helperLicence(place, row.name, spec.license));
  const locked = state.references.find((ref) => ref.what === 'lock');
  if (locked !== undefined && row.name !== 'spin_unlock' && !WITH_LOCK.has(row.name)) {
    refuse(walk, lockRule(place, `${row.name} may not be called while a spin lock is held`));
  }
  const awake = state.references.find(({ what }) => what === 'rcu' || what === 'preempt' || what === 'irq');
  if (awake !== undefined && row.sleepable === true)
    refuse(walk, lockRule(place, `${row.name} may sleep, which is not allowed while a ${awake.what} is held`));
  const call: Call = { walk, state, row, map: undefined, size: 0, fills: [] };
  const needed = row.args.length - (row.optional ?? 0);
  const args = row.args.map((kind, i) => {
    const register = i + 1;
    const value = state.register(register);
    if (value === undefined) {
      if (i >= needed) return value;
      refuse(walk, uninitialisedRegister(place, register), register);
    }
    ARGUMENTS[kind](call, value, register);
    return value;
  });
  const { map } = call;
  if (map !== undefined && row.args.includes('map')) {
    const works = worksOn(row.name, map.type) && mayChange(row.name, map, spec);
    if (!works) refuse(walk, helperMap(place, row.name, map.type, map.name));
  }
  const result = RETURNS[row.returns](call, state);
  const outcome: CallOutcome =
    row.name === 'tail_call' && state.depth > 0 ? { leaves: true } : callbackOf(walk, state, row, args);
  effects(call, args);
  finish(state, acquired(call, derived(call, args, result)));
  return outcome;
}

/** Helpers without effect on anything but their result. */
const WITH_LOCK: ReadonlySet<string> = new Set([]);

function acquired({ state, row, map }: Call, result: Value): Value {
  // A socket of a map is held as one that was looked up is.
  const what = map?.type === 'sockmap' || map?.type === 'sockhash' ? 'socket' : undefined;
  const acquires = row.acquires ?? (row.name === 'map_lookup_elem' ? what : undefined);
  if (acquires === undefined || result?.kind !== 'pointer') return result;
  const reference = newId();
  state.references = [...state.references, { id: reference, what: acquires, at: state.slot }];
  return result.with({ reference, ...(result.nullable ? { id: reference } : {}) });
}

/** Helpers that give another view of their first argument (is_ptr_cast_function of the kernel): it goes when that is given back. */
const VIEWS: ReadonlySet<string> = new Set([
  ...(['sk_fullsock', 'tcp_sock', 'skc_to_tcp_sock', 'skc_to_tcp6_sock', 'skc_to_tcp_timewait_sock'] as const),
  ...(['skc_to_tcp_request_sock', 'skc_to_udp6_sock', 'skc_to_unix_sock', 'skc_to_mptcp_sock'] as const),
]);

function derived({ row, state }: Call, args: readonly Value[], result: Value): Value {
  const [of] = args;
  if (row.name === 'dynptr_data' && result?.kind === 'pointer')
    return result.with({ reference: dynptrAt(state, of)?.id ?? 0 });
  if (!VIEWS.has(row.name) || of?.kind !== 'pointer' || result?.kind !== 'pointer') return result;
  return result.with({ reference: of.reference });
}

/** What the call does to the state besides its result. */
function effects(call: Call, args: readonly Value[]): void {
  const { walk, state, row } = call;
  const place = placeAt(walk, state.slot);
  for (const { p, size, register } of call.fills) blur(walk, state, p, p.offset, size, register, true);
  if (row.releases !== undefined) {
    const p = args[0] as Pointer;
    if (p.reference === 0 || !state.references.some((ref) => ref.id === p.reference)) {
      refuse(walk, notOwned(place, row.name, 1, describeValue(p)), 1, p);
    }
    release(state, p.reference);
  }
  const writesPacket = row.name === 'dynptr_write' && dynptrAt(state, args[0])?.type === OF_PACKET;
  if (row.changesPacket === true || writesPacket) invalidatePackets(state);
  if (row.name === 'spin_lock' || row.name === 'spin_unlock') lock(walk, state, row.name, args[0] as Pointer);
  row.args.forEach((kind, i) => {
    if (kind === 'dynptrOut') {
      const [data] = args;
      // Other memory may be gone before the dynptr is.
      if (row.name === 'dynptr_from_mem' && (data?.kind !== 'pointer' || data.region !== 'mapValue'))
        refuse(walk, helperArgument(place, row.name, 1, 'memory of a map value', describeValue(data)), 1, data);
      const id = newId();
      putSpecial(walk, state, args[i] as Pointer, 'dynptr', id, 2, i + 1, row.name);
      if (row.name.startsWith('ringbuf'))
        state.references = [...state.references, { id, what: 'dynptr', at: state.slot }];
    }
    if (kind === 'dynptr' && (row.name === 'ringbuf_submit_dynptr' || row.name === 'ringbuf_discard_dynptr'))
      releaseDynptr(walk, state, args[i] as Pointer, row.name);
  });
  if (row.name === 'tail_call') {
    if (state.frames.some(({ callback }) => callback !== undefined))
      refuse(walk, tailCallInSubprogram(place, 'a callback has to come back to the helper that called it'));
    if (state.references.length > 0)
      refuse(
        walk,
        tailCallInSubprogram(
          place,
          `a ${state.references[0].what} is still held: a tail call does not come back to release it`,
        ),
      );
  }
}

function releaseDynptr(walk: Walk, state: State, p: Pointer, name: string): void {
  const { stack } = state.frames[p.target];
  const slot = stack[slotIndex(p.offset)];
  if (slot?.kind !== 'special' || !state.references.some((ref) => ref.id === slot.id)) {
    return refuse(walk, notOwned(placeAt(walk, state.slot), name, 1, 'no dynptr of a ring buffer'), 1, p);
  }
  release(state, slot.id);
  const own = state.own(p.target);
  for (let i = 0; i < own.stack.length; i++) {
    const other = own.stack[i];
    if (other?.kind === 'special' && other.id === slot.id) own.stack[i] = undefined;
  }
}

function lock(walk: Walk, state: State, name: string, p: Pointer): void {
  const place = placeAt(walk, state.slot);
  const held = state.references.find((ref) => ref.what === 'lock');
  if (inTreeOrder(state)) refuse(walk, lockRule(place, `${name} is called while the order of a tree is asked for`));
  if (name === 'spin_lock') {
    if (held !== undefined) refuse(walk, lockRule(place, 'a second spin lock is taken while one is held'), 1, p);
    state.references = [...state.references, { id: newId(), what: 'lock', at: state.slot, owner: p.id }];
    return;
  }
  if (held === undefined || held.owner !== p.id)
    return refuse(walk, lockRule(place, 'a spin lock is given back that is not held'), 1, p);
  // With it go the pointers to what lists and trees hold.
  release(state, held.id);
}

function callbackOf(walk: Walk, state: State, row: HelperRow, args: readonly Value[]): CallOutcome {
  if (!row.args.includes('callback')) return {};
  const place = placeAt(walk, state.slot);
  const callback = CALLBACKS[row.name];
  if (callback === undefined) return refuse(walk, badCallback(place, `callbacks of ${row.name} are not followed`));
  const target = args[callback.callback - 1] as Pointer;
  const context = callback.context === 0 ? [] : [args[callback.context - 1]];
  const parameters = [...callback.parameters(state, args), ...context];
  const frame: CallbackFrame = {
    helper: row.name,
    slot: state.slot,
    args: parameters,
    returnsAtMost: callback.returnsAtMost,
    once: callback.once === true,
    held: state.references.map((ref) => ref.id),
  };
  return { callback: { slot: target.target, frame, registers: parameters } };
}
