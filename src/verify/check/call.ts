// Calls of helpers, after the prototypes of the platform's rows: arguments, result, and what else the call changes.
import type { ArgKind, HelperRow } from '../../spec/helper.ts';
import { GPL_COMPATIBLE } from '../../spec/licence.ts';
import { writableByPrograms } from '../../spec/map-types.ts';
import type { MapSpec } from '../../spec/object.ts';
import { mayChange, worksOn } from '../map-helpers.ts';
import { access, type Checked, forget, readable, no, stackSpan } from './memory.ts';
import { ANY, between, isConstant, isZero } from './number.ts';
import {
  bytesAt,
  type Callback,
  contentOf,
  newId,
  num,
  type Pointer,
  pointer,
  type Region,
  type State,
  type Value,
} from './state.ts';

interface Call {
  readonly c: Checked;
  readonly state: State;
  readonly row: HelperRow;
  map: MapSpec | undefined;
  /** Constant size of an allocation. */
  size: number;
  /** Bytes of the stack that the helper fills. */
  readonly fills: (readonly [frame: number, from: number, to: number])[];
}

const MEMORY: readonly Region[] = [
  'stack', 'packet', 'packetMeta', 'mapKey', 'mapValue', 'memory', 'ringRecord', 'kernel',
]; // biome-ignore format: a list
const SOCKETS: readonly Region[] = ['socket', 'sockCommon', 'tcpSocket', 'kernel'];

const ofSockets = ({ type }: MapSpec): boolean => type === 'sockmap' || type === 'sockhash';
const isNull = (value: Value): boolean => value?.kind === 'number' && isZero(value.facts);

/** A pointer into one of the regions that is not NULL. */
function valid(value: Value, register: number, regions: readonly Region[]): Pointer {
  if (value?.kind !== 'pointer' || value.nullable || !regions.includes(value.region)) {
    return no(`r${register} must point to ${regions.join(' or ')}`);
  }
  return value;
}

/** The start of something that is passed as a whole. */
function start(value: Value, register: number, region: Region): Pointer {
  const p = valid(value, register, [region]);
  return p.offset === 0 && p.variable === undefined ? p : no(`r${register} must point to the start of ${region}`);
}

function memory(
  { c, state, fills }: Call,
  value: Value,
  register: number,
  size: number,
  use: 'read' | 'write' | 'both',
) {
  const p = valid(value, register, MEMORY);
  if (size === 0) return;
  if (p.region !== 'stack') return access(c, p, 0, size, use === 'read' ? 'read' : 'write');
  const [from, to] = stackSpan(c, state, p, 0, size);
  if (use === 'write' && to - from === size) {
    fills.push([p.target, from, to]);
    return;
  }
  readable(c, state, p, from, to);
  if (use !== 'read') forget(state, p.target, from, to);
}

/** Memory of as many bytes as the next argument says. */
function sized(call: Call, value: Value, register: number, use: 'read' | 'write' | 'both', orNull: boolean): void {
  const size = call.state.frame.registers[register + 1];
  if (size?.kind !== 'number') return no(`r${register + 1} must be a number of bytes`);
  const orZero = call.row.args[register] === 'sizeOrZero';
  const { umin, umax, smin } = size.facts.full;
  if (orNull && isNull(value)) return umax > 0n ? no('bytes of NULL') : undefined;
  if (smin < 0n || (umin === 0n && !orZero) || umax > 1n << 29n) no(`r${register + 1} may be any number of bytes`);
  if (umax === 0n && value?.kind === 'pointer' && !value.nullable) return;
  // Of a size that varies, not all of the bytes are written.
  memory(call, value, register, Number(umax), use === 'write' && umin < umax ? 'both' : use);
}

/** A field of a map value that belongs to the kernel. */
function special(call: Call, value: Value, register: number, kind: string): void {
  const p = valid(value, register, ['mapValue']);
  const found = p.map?.special?.some((field) => field.kind === kind && field.offset === p.offset);
  if (p.variable !== undefined || found !== true) no(`r${register} must point to a ${kind}`);
  call.map ??= p.map;
}

function argument(call: Call, kind: ArgKind, value: Value, register: number): void {
  const { keySize = 0, valueSize = 0 } = call.map ?? {};
  switch (kind) {
    case 'map': call.map = start(value, register, 'map').map; return;
    case 'key': return memory(call, value, register, keySize, 'read');
    case 'value':
      // What such a map holds is given by its address.
      if (call.map !== undefined && ofSockets(call.map)) valid(value, register, SOCKETS);
      else memory(call, value, register, valueSize, 'read');
      return;
    case 'valueOrNull': return isNull(value) ? undefined : memory(call, value, register, valueSize, 'read');
    case 'valueOut': return memory(call, value, register, valueSize, 'write');
    case 'mem': return sized(call, value, register, 'read', false);
    case 'memOrNull': return sized(call, value, register, 'read', true);
    case 'memOut': return sized(call, value, register, 'write', false);
    case 'memOutOrNull': return sized(call, value, register, 'write', true);
    case 'memInOut': return sized(call, value, register, 'both', false);
    case 'out4': return memory(call, value, register, 4, 'write');
    case 'out8': return memory(call, value, register, 8, 'write');
    case 'inOut4': return memory(call, value, register, 4, 'both');
    case 'allocSize':
      if (value?.kind !== 'number' || !isConstant(value.facts)) return no(`r${register} must be a constant`);
      call.size = Number(value.facts.value);
      return;
    case 'ctx': start(value, register, 'ctx'); return;
    case 'ctxOrNull': if (!isNull(value)) start(value, register, 'ctx'); return;
    case 'constString': {
      const { map, offset, variable } = valid(value, register, ['mapValue']);
      const end = map?.frozen === true && variable === undefined ? map.data?.indexOf(0, offset) : undefined;
      if (offset < 0 || end === undefined || end < 0) no(`r${register} must point to a string that cannot change`);
      return;
    }
    case 'callback': valid(value, register, ['function']); return;
    case 'callbackContext': if (!isNull(value)) valid(value, register, ['stack']); return;
    case 'socket': valid(value, register, SOCKETS); return;
    case 'socketOrNull':
      if (!isNull(value)) valid(value?.kind === 'pointer' ? value.with({ nullable: false }) : value, register, SOCKETS);
      return;
    case 'ringRecord': start(value, register, 'ringRecord'); return;
    case 'spinLock': return special(call, value, register, 'spin_lock');
    case 'timer': return special(call, value, register, 'timer');
    case 'btfPointer': valid(value, register, [...SOCKETS, 'ctx']); return;
    case 'dynptr':
    case 'dynptrOut': no('dynptrs are not checked here'); return;
    case 'size': case 'sizeOrZero': case 'scalar': case 'u32': case 's32': case 'unsafePointer':
      if (call.row.name === 'get_local_storage' && register === 2 && !isNull(value)) no('r2 must be 0');
      return;
  } // biome-ignore format: a table
}

/** An element: a value, or of a map of maps the map. */
function lookedUp({ c, map, row, state }: Call, nullable: boolean): Pointer {
  const id = newId();
  if (map === undefined) return pointer('memory', { id, nullable });
  if (map.inner !== undefined) return pointer('map', { id, nullable, map: map.inner });
  if (map.type === 'xskmap' || map.type === 'devmap' || map.type === 'devmap_hash')
    return pointer('memory', { id, nullable, size: map.valueSize, writable: false });
  if (ofSockets(map)) return pointer('socket', { id, nullable });
  const key = state.frame.registers[2];
  // An element of an array below its size is always there; inner maps may be smaller than their template.
  const always =
    row.name === 'map_lookup_elem' &&
    c.object.maps.includes(map) &&
    (map.type === 'array' || map.type === 'percpu_array') &&
    key?.kind === 'pointer' &&
    key.region === 'stack' &&
    key.variable === undefined;
  const index = always ? contentOf(state.frames[key.target], key.offset, map.keySize) : undefined;
  const there = index?.kind === 'number' && isConstant(index.facts) && index.facts.value < BigInt(map.maxEntries);
  const writable = writableByPrograms(map);
  return pointer('mapValue', { id, nullable: nullable && !there, map, writable });
}

/** Helpers that give a size of at most their size argument, or a negative error. */
const BOUNDED_BY: Readonly<Record<string, number>> = {
  get_stack: 3, get_task_stack: 3, probe_read_str: 2, probe_read_kernel_str: 2, probe_read_user_str: 2,
}; // biome-ignore format: a row

function integer({ row, state }: Call): Value {
  const size = state.frame.registers[BOUNDED_BY[row.name] ?? -1];
  if (size?.kind === 'number' && size.facts.full.umax < 1n << 31n) return num(between(-4095n, size.facts.full.umax));
  return num(row.name === 'get_smp_processor_id' ? between(0n, 8191n) : ANY);
}

function result(call: Call): Value {
  const orNull = { id: newId(), nullable: true };
  switch (call.row.returns) {
    case 'integer': return integer(call);
    case 'integerOrNoReturn': return num(ANY);
    case 'void': return undefined;
    case 'mapValueOrNull': return lookedUp(call, true);
    case 'mapValue': return lookedUp(call, false);
    case 'socketOrNull': return pointer('socket', orNull);
    case 'sockCommonOrNull': return pointer('sockCommon', orNull);
    case 'tcpSocketOrNull': return pointer('tcpSocket', orNull);
    case 'ringRecordOrNull': return pointer('ringRecord', { ...orNull, size: call.size });
    case 'memOrNull': return pointer('memory', { ...orNull, size: call.size });
    case 'btfPointer': return pointer('kernel');
    case 'btfPointerOrNull': return pointer('kernel', orNull);
  } // biome-ignore format: a table
}

/** Callbacks: argument that names the function, argument that it gets last, what it gets before, and what it may return. */
interface CallbackRow {
  readonly callback: number;
  readonly context: number;
  readonly atMost: number;
  readonly once: boolean;
  readonly parameters: (args: readonly Value[]) => readonly Value[];
}
const element = (args: readonly Value[]): readonly Value[] => {
  const { map } = args[0] as Pointer;
  const writable = map === undefined || writableByPrograms(map);
  return [pointer('map', { map }), pointer('mapKey', { map }), pointer('mapValue', { map, writable, id: newId() })];
};
const CALLBACKS: Readonly<Record<string, CallbackRow>> = {
  loop: {
    callback: 2, context: 3, atMost: 1, once: false,
    parameters: ([rounds]) => {
      const most = rounds?.kind === 'number' ? rounds.facts.low.umax : 1n << 23n;
      return [num(between(0n, most === 0n ? 0n : (most < 1n << 23n ? most : 1n << 23n) - 1n))];
    },
  },
  for_each_map_elem: { callback: 2, context: 3, atMost: 1, once: false, parameters: element },
  timer_set_callback: { callback: 2, context: 0, atMost: 0, once: true, parameters: element },
  user_ringbuf_drain: { callback: 2, context: 3, atMost: 1, once: false, parameters: () => [num(ANY)] },
  find_vma: { callback: 3, context: 4, atMost: 1, once: true, parameters: () => [pointer('kernel'), pointer('kernel')] },
}; // biome-ignore format: a table

/** Leaves r1 to r5 without values, and the result in r0. */
export function finish(state: State, r0: Value): void {
  const { registers } = state.own();
  registers.fill(undefined, 1, 6);
  registers[0] = r0;
}

const forgetPointers = (state: State, which: (p: Pointer) => boolean): void => {
  state.replace((value) => (value.kind === 'pointer' && which(value) ? num(ANY) : value));
};

export const forgetPackets = (state: State): void =>
  forgetPointers(state, ({ region }) => region === 'packet' || region === 'packetMeta' || region === 'packetEnd');

/** Other views of their first argument (is_ptr_cast_function of the kernel): they go when that is given back. */
const VIEWS: readonly string[] = [
  'sk_fullsock', 'tcp_sock', 'skc_to_tcp_sock', 'skc_to_tcp6_sock', 'skc_to_tcp_timewait_sock', 'skc_to_tcp_request_sock',
  'skc_to_udp6_sock', 'skc_to_unix_sock', 'skc_to_mptcp_sock',
]; // biome-ignore format: a list

function locked(state: State, name: string, p: Pointer): void {
  const held = state.references.find(({ what }) => what === 'lock');
  if (name === 'spin_lock') {
    if (held !== undefined) no('a second lock is taken');
    state.references = [...state.references, { id: newId(), what: 'lock', owner: p.id }];
    return;
  }
  if (held === undefined || held.owner !== p.id) no('a lock is given back that is not held');
  state.references = state.references.filter((ref) => ref !== held);
}

/** Refuses the call, or makes the state that of after it; the callback that runs first, where there is one. */
export function call(
  c: Checked,
  state: State,
  number: number,
): { readonly target: number; readonly callback: Callback } | undefined {
  const { platform, spec } = c;
  const row = platform.helper(number, spec.type) ?? no(`helper ${number} may not be called`);
  if (row.gplOnly === true && spec.dialect === 'linux' && !GPL_COMPATIBLE.has(spec.license))
    no(`${row.name} is for GPL programs`);
  if (row.name !== 'spin_unlock' && state.references.some(({ what }) => what === 'lock')) no('call with a lock held');
  const made: Call = { c, state, row, map: undefined, size: 0, fills: [] };
  const args = row.args.map((kind, i) => {
    const value = state.frame.registers[i + 1];
    if (value !== undefined) argument(made, kind, value, i + 1);
    else if (i < row.args.length - (row.optional ?? 0)) no(`r${i + 1} holds nothing`);
    return value;
  });
  if (
    made.map !== undefined &&
    row.args.includes('map') &&
    !(worksOn(row.name, made.map.type) && mayChange(row.name, made.map, spec))
  )
    no(`${row.name} does not work on ${made.map.type}`);
  let r0 = result(made);
  let follows: ReturnType<typeof call>;
  if (row.args.includes('callback')) {
    const { callback, context, atMost, once, parameters } = CALLBACKS[row.name] ?? no(`callbacks of ${row.name}`);
    const handed = [...parameters(args), ...(context === 0 ? [] : [args[context - 1]])];
    const held = state.references.map(({ id }) => id);
    const { target } = args[callback - 1] as Pointer;
    follows = { target, callback: { slot: state.slot, args: handed, atMost, once, held } };
  }
  for (const [frame, from, to] of made.fills) {
    forget(state, frame, from, to);
    state.own(frame).init |= bytesAt(from, to - from);
  }
  if (row.releases !== undefined) {
    const { reference } = args[0] as Pointer;
    const kept = state.references.filter(({ id }) => id !== reference);
    if (reference === 0 || kept.length === state.references.length) no(`${row.name} of what is not held`);
    state.references = kept;
    forgetPointers(state, (p) => p.reference === reference);
  }
  if (row.changesPacket === true) forgetPackets(state);
  if (row.name === 'spin_lock' || row.name === 'spin_unlock') locked(state, row.name, args[0] as Pointer);
  if (
    row.name === 'tail_call' &&
    (state.references.length > 0 || state.frames.some((frame) => frame.callback !== undefined))
  )
    no('a tail call does not come back to release what is held, nor to a helper');
  // A socket of a map is held as one that was looked up is.
  const ofMap = row.name === 'map_lookup_elem' && made.map !== undefined && ofSockets(made.map);
  const acquires = row.acquires ?? (ofMap ? 'socket' : undefined);
  const [of] = args;
  if (VIEWS.includes(row.name) && of?.kind === 'pointer' && r0?.kind === 'pointer')
    r0 = r0.with({ reference: of.reference });
  if (acquires !== undefined && r0?.kind === 'pointer') {
    const id = newId();
    state.references = [...state.references, { id, what: acquires, owner: 0 }];
    r0 = r0.with({ reference: id, ...(r0.nullable ? { id } : {}) });
  }
  finish(state, r0);
  return follows;
}
