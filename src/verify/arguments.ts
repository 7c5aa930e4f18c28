// Arguments of helpers: one row a kind of the prototypes (spec/helper.ts, ArgTypes).
import { helperArgument, maybeNull } from '../base/messages/verify.ts';
import type { ArgKind, HelperRow } from '../spec/helper.ts';
import type { MapSpec } from '../spec/object.ts';
import { check, describeValue } from './access.ts';
import { isExactly, LIMIT, type Scalar } from './number/scalar.ts';
import { MAX_STACK, markPrecise, slotIndex, type State } from './state.ts';
import { blur, readable } from './stack.ts';
import { describePointer, type Pointer, type RegionName, type Value } from './value.ts';
import { placeAt, refuse, type Walk } from './walk.ts';

/** A call under check. */
export interface Call {
  readonly walk: Walk;
  readonly state: State;
  readonly row: HelperRow;
  /** The map argument met so far, and all that the result depends on. */
  map: MapSpec | undefined;
  /** The constant size of an allocation. */
  size: number;
  /** Stack bytes that the helper fills, done after all arguments were checked. */
  readonly fills: { readonly p: Pointer; readonly size: number; readonly register: number }[];
}

type Check = (call: Call, value: Value, register: number) => void;

const wrong = (call: Call, register: number, wanted: string, value: Value): never =>
  refuse(
    call.walk,
    helperArgument(placeAt(call.walk, call.state.slot), call.row.name, register, wanted, describeValue(value)),
    register,
    value,
  );

/** The verdict rests on it where it is: without the number it would be another one. */
export function isNull(value: Value): boolean {
  if (value?.kind !== 'scalar' || !isExactly(value, 0)) return false;
  markPrecise(value);
  return true;
}

/** A pointer that is not NULL. */
function valid(call: Call, value: Value, register: number, wanted: string): Pointer {
  if (value?.kind !== 'pointer') return wrong(call, register, wanted, value);
  if (value.nullable)
    refuse(
      call.walk,
      maybeNull(placeAt(call.walk, call.state.slot), register, describePointer(value)),
      register,
      value,
    );
  return value;
}

/** Regions that helpers may be given memory of. */
const MEMORY: ReadonlySet<RegionName> = new Set([
  'stack',
  'packet',
  'packetMeta',
  'mapKey',
  'mapValue',
  'memory',
  'ringRecord',
  'kernel',
]);

/** Helpers that Linux lets be given bytes of the packet (pkt_access of struct bpf_func_proto). */
const TAKES_PACKET = /^(map_\w+_elem|csum_diff|fib_lookup|skc?_lookup_(tcp|udp)|tcp_(raw_)?(check|gen)_syncookie\w*)$/;

type Use = 'read' | 'write' | 'both';

/** Memory of so many bytes. What is only written need not be initialised. */
function memory(call: Call, value: Value, register: number, size: number, use: Use): void {
  const { walk, state } = call;
  const wanted = `${size} bytes of memory to ${use === 'read' ? 'read' : 'write'}`;
  const p = valid(call, value, register, wanted);
  if (!MEMORY.has(p.region)) wrong(call, register, wanted, value);
  const ofPacket = p.region === 'packet' || p.region === 'packetMeta';
  if (ofPacket && walk.spec.dialect === 'linux' && !TAKES_PACKET.test(call.row.name))
    wrong(call, register, 'memory other than the packet, which may move', value);
  if (size === 0) return;
  if (p.region !== 'stack') {
    check(walk, state, p, { register, off: 0, size, kind: use === 'read' ? 'read' : 'write' });
    return;
  }
  const v = p.variable;
  const from = p.offset + (v === undefined ? 0 : v.r64.smin);
  const length = size + (v === undefined ? 0 : v.r64.smax - v.r64.smin);
  markPrecise(v);
  if (use === 'write' && v === undefined) {
    blur(walk, state, p, from, 0, register, true);
    call.fills.push({ p, size, register });
    if (from < -MAX_STACK || from + size > 0) blur(walk, state, p, from, size, register, true);
    return;
  }
  if (from < -MAX_STACK || from + length > 0) blur(walk, state, p, from, length, register, false);
  readable(walk, state, p, from, length, register);
  if (use !== 'read') blur(walk, state, p, from, length, register, false);
}

const sizeOf = (call: Call, part: 'keySize' | 'valueSize'): number => call.map?.[part] ?? 0;

/** The number that follows a memory argument: how many bytes at least and at most. */
function sizeAfter(call: Call, register: number): Scalar {
  const value = call.state.register(register + 1);
  return value?.kind === 'scalar' ? value : wrong(call, register + 1, 'a number of bytes', value);
}

function sized(use: Use, orNull: boolean): Check {
  return (call, value, register) => {
    const size = sizeAfter(call, register);
    const orZero = call.row.args[register] === 'sizeOrZero';
    markPrecise(size);
    const { umin, umax, smin } = size.r64;
    if (orNull && isNull(value)) {
      if (umax > 0) wrong(call, register + 1, 'a size of 0 where the memory is NULL', size);
      return;
    }
    if (smin < 0) wrong(call, register + 1, 'a size that is not negative', size);
    if (umin === 0 && !orZero) wrong(call, register + 1, 'a size above 0', size);
    if (umax >= LIMIT || umax > 2 ** 29) wrong(call, register + 1, 'a size with a bound', size);
    // A zero-sized read may be given any pointer.
    if (umax === 0 && value?.kind === 'pointer' && !value.nullable) return;
    if (orNull && value?.kind === 'pointer' && value.nullable)
      wrong(call, register, 'memory that is known to be there, or NULL', value);
    // Of a size that varies, not all of the bytes are written.
    memory(call, value, register, umax, use === 'write' && umin < umax ? 'both' : use);
  };
}

/** Numbers that Linux wants to be 0: by helper, the argument. */
const ZERO: Readonly<Record<string, number>> = { get_local_storage: 2 };

const scalar: Check = (call, value, register) => {
  if (value === undefined) wrong(call, register, 'a number', value);
  // eBPF for Windows has no privileges that would let a program give away an address.
  if (value?.kind === 'pointer' && call.walk.spec.dialect === 'windows') wrong(call, register, 'a number', value);
  if (ZERO[call.row.name] !== register) return;
  if (value?.kind !== 'scalar' || !isExactly(value, 0)) return wrong(call, register, 'the number 0', value);
  markPrecise(value);
};

const region =
  (names: readonly RegionName[], wanted: string): Check =>
  (call, value, register) => {
    const p = valid(call, value, register, wanted);
    if (!names.includes(p.region)) wrong(call, register, wanted, value);
  };

const SOCKETS: readonly RegionName[] = ['socket', 'sockCommon', 'tcpSocket', 'kernel'];

const socket = region(SOCKETS, 'a socket');

const ctx: Check = (call, value, register) => {
  const p = valid(call, value, register, 'the context');
  if (p.region !== 'ctx' || p.offset !== 0) wrong(call, register, 'the context, not moved', value);
};

/** A field of a map value that belongs to the kernel. */
const special =
  (kind: string): Check =>
  (call, value, register) => {
    const wanted = `a ${kind} in a map value`;
    const p = valid(call, value, register, wanted);
    const found =
      p.region === 'mapValue' &&
      p.variable === undefined &&
      p.map?.special?.some((f) => f.kind === kind && f.offset === p.offset);
    if (found !== true) wrong(call, register, wanted, value);
    call.map ??= p.map;
  };

/** A dynptr on the stack. */
const dynptr: Check = (call, value, register) => {
  const p = valid(call, value, register, 'a dynptr on the stack');
  const slot =
    p.region === 'stack' && p.variable === undefined
      ? call.state.frames[p.target].stack[slotIndex(p.offset)]
      : undefined;
  if (slot?.kind !== 'special' || slot.name !== 'dynptr' || slot.part !== 0 || p.offset % 8 !== 0)
    wrong(call, register, 'a dynptr on the stack', value);
};

export const ARGUMENTS: { readonly [K in ArgKind]: Check } = {
  map: (call, value, register) => {
    const p = valid(call, value, register, 'a map');
    if (p.region !== 'map' || p.offset !== 0) wrong(call, register, 'a map', value);
    call.map = p.map;
  },
  key: (call, value, register) => memory(call, value, register, sizeOf(call, 'keySize'), 'read'),
  value: (call, value, register) => {
    // What such a map holds is given by its address.
    if (call.map?.type === 'sockmap' || call.map?.type === 'sockhash') socket(call, value, register);
    else memory(call, value, register, sizeOf(call, 'valueSize'), 'read');
  },
  valueOrNull: (call, value, register) => {
    if (!isNull(value)) memory(call, value, register, sizeOf(call, 'valueSize'), 'read');
  },
  valueOut: (call, value, register) => memory(call, value, register, sizeOf(call, 'valueSize'), 'write'),
  mem: sized('read', false),
  memOrNull: sized('read', true),
  memOut: sized('write', false),
  memOutOrNull: sized('write', true),
  memInOut: sized('both', false),
  size: scalar,
  sizeOrZero: scalar,
  allocSize: (call, value, register) => {
    if (value?.kind !== 'scalar' || value.r64.umin !== value.r64.umax)
      return wrong(call, register, 'a constant number of bytes', value);
    markPrecise(value);
    call.size = value.r64.umax;
  },
  out4: (call, value, register) => memory(call, value, register, 4, 'write'),
  out8: (call, value, register) => memory(call, value, register, 8, 'write'),
  inOut4: (call, value, register) => memory(call, value, register, 4, 'both'),
  ctx,
  ctxOrNull: (call, value, register) => {
    if (!isNull(value)) ctx(call, value, register);
  },
  scalar,
  u32: scalar,
  s32: scalar,
  constString: (call, value, register) => {
    const p = valid(call, value, register, 'a string in a read-only map');
    const end =
      p.region === 'mapValue' && p.map?.frozen === true && p.variable === undefined
        ? p.map.data?.indexOf(0, p.offset)
        : undefined;
    if (end === undefined || end < 0) wrong(call, register, 'a NUL-terminated string in a read-only map', value);
  },
  callback: (call, value, register) => {
    if (value?.kind !== 'pointer' || value.region !== 'function')
      wrong(call, register, 'a function of the program', value);
  },
  callbackContext: (call, value, register) => {
    if (isNull(value)) return;
    // Other pointers may be gone in a later round.
    const p = valid(call, value, register, 'memory of the stack, or NULL');
    if (p.region !== 'stack') wrong(call, register, 'memory of the stack, or NULL', value);
  },
  socket,
  socketOrNull: (call, value, register) => {
    if (isNull(value)) return;
    if (value?.kind !== 'pointer' || !SOCKETS.includes(value.region)) wrong(call, register, 'a socket or NULL', value);
  },
  ringRecord: (call, value, register) => {
    const p = valid(call, value, register, 'a reserved record');
    if (p.region !== 'ringRecord' || p.offset !== 0 || p.variable !== undefined)
      wrong(call, register, 'the start of a reserved record', value);
  },
  spinLock: special('spin_lock'),
  timer: special('timer'),
  dynptrOut: (call, value, register) => {
    const p = valid(call, value, register, '16 bytes of the stack');
    if (
      p.region !== 'stack' ||
      p.variable !== undefined ||
      p.offset % 8 !== 0 ||
      p.offset < -MAX_STACK ||
      p.offset > -16
    )
      wrong(call, register, '16 bytes of the stack, 8-aligned', value);
  },
  dynptr,
  btfPointer: region(['kernel', 'socket', 'sockCommon', 'tcpSocket', 'ctx'], 'a kernel object'),
  unsafePointer: scalar,
};
