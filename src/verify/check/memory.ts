// What loads and stores may do, region by region, after include/uapi/linux/bpf.h and the platform's tables.
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import { MAP_FLAGS } from '../../spec/map-types.ts';
import { PACKET_READERS } from '../../spec/program-types.ts';
import { BPF_SOCK, BPF_TCP_SOCK } from '../../spec/sockets.ts';
import type { ContextField, ContextLayout, ReturnRule } from '../../spec/program.ts';
import type { Insn } from '../../isa/insn.ts';
import { constant, type Facts, low32, ofWidth } from './number.ts';
import {
  bytesAt,
  contentOf,
  newId,
  Num,
  num,
  type Pointer,
  partOf,
  pointer,
  type Region,
  type State,
  type Value,
} from './state.ts';

/** What all steps of a check share. */
export interface Checked {
  readonly object: ObjectSpec;
  readonly spec: ProgramSpec;
  readonly platform: Platform;
  readonly insns: readonly (Insn | undefined)[];
  /** First slots of what may be called. */
  readonly functions: ReadonlySet<number>;
  readonly layout: ContextLayout | undefined;
  readonly returns: readonly ReturnRule[];
  /** Bytes of stack by function, and which function calls which. */
  readonly stackOf: Map<number, number>;
  readonly calls: Map<number, Set<number>>;
  /** Slots of accesses to kernel objects, of which nothing is proven. */
  readonly checkedAt: Set<number>;
  /** Whether stack is read to which nothing was written: only zeros may lie there. */
  readsUnwritten: boolean;
  /** Slot of the instruction under check. */
  at: number;
}

/** Why a program or its certificate is refused, at the instruction under check. */
export class Refusal extends Error {}
export const no = (why: string): never => {
  throw new Refusal(why);
};

export type Use = 'read' | 'write' | 'atomic';

const SIZES: { readonly [R in Region]?: number } = {
  socket: BPF_SOCK.size,
  sockCommon: BPF_SOCK.size,
  tcpSocket: BPF_TCP_SOCK.size,
  /** struct bpf_flow_keys. */
  flowKeys: 56,
};
/** bpf_sock_common_is_valid_access: what only whole sockets have. */
const WHOLE_SOCKETS = ['type', 'protocol', 'mark', 'priority'];
const WRITABLE: ReadonlySet<Region> = new Set(['mapValue', 'memory', 'ringRecord', 'flowKeys']);
const ATOMIC: ReadonlySet<Region> = new Set(['mapValue', 'memory', 'ringRecord', 'stack']);

/** Lowest and highest distance from the region's start. */
export const span = (p: Pointer, off: number): readonly [bigint, bigint] => {
  const at = BigInt(p.offset + off);
  return p.variable === undefined ? [at, at] : [at + p.variable.facts.full.smin, at + p.variable.facts.full.smax];
};

export function dereferenced(state: State, register: number): Pointer {
  const value = state.frame.registers[register];
  if (value?.kind !== 'pointer') return no(`r${register} is no pointer`);
  return value.nullable ? no(`r${register} may be NULL`) : value;
}

/** Refuses an access of `size` bytes that may leave its region. Not for the stack and the context. */
export function access(c: Checked, p: Pointer, off: number, size: number, use: Use): void {
  const [from, to] = span(p, off);
  if (p.region === 'packet' || p.region === 'packetMeta') {
    if (use === 'atomic') no('atomic operation on a packet');
    if (use === 'write' && PACKET_READERS.has(c.spec.type)) no('store to a packet that may only be read');
    if (from < 0n || p.offset + off + size > p.range) no('access behind what is proven of the packet');
    return;
  }
  if (use !== 'write' && p.region === 'mapValue' && ((p.map?.flags ?? 0) & MAP_FLAGS.WRONLY_PROG) !== 0)
    no('read of a map that programs only write');
  if (use !== 'read' && !(WRITABLE.has(p.region) && p.writable)) no(`store to ${p.region}`);
  if (use === 'atomic' && !ATOMIC.has(p.region)) no(`atomic operation on ${p.region}`);
  if (p.region === 'kernel') {
    c.checkedAt.add(c.at);
    return;
  }
  const limit =
    p.region === 'mapValue'
      ? p.map?.valueSize
      : p.region === 'mapKey'
        ? p.map?.keySize
        : p.region === 'memory' || p.region === 'ringRecord'
          ? p.size
          : SIZES[p.region];
  if (limit === undefined || from < 0n || to + BigInt(size) > BigInt(limit)) no(`access outside ${p.region}`);
  if (p.region === 'socket' || p.region === 'sockCommon') {
    if (p.variable !== undefined) no('a socket at a varying offset');
    const allowed = Object.entries(BPF_SOCK.fields).filter(
      ([name]) => p.region === 'socket' || !WHOLE_SOCKETS.includes(name),
    );
    fieldOf(
      c,
      allowed.map(([, row]) => row),
      p.offset + off,
      size,
      use,
    );
  }
  for (const { kind, offset, size: n } of p.region === 'mapValue' ? (p.map?.special ?? []) : []) {
    if (kind !== 'kptr' && from < BigInt(offset + n) && to + BigInt(size) > BigInt(offset)) no(`access to a ${kind}`);
  }
}

/** The bytes of the stack that an access may mean; refuses those outside the frame. */
export function stackSpan(c: Checked, state: State, p: Pointer, off: number, size: number): readonly [number, number] {
  const [from, to] = span(p, off);
  if (from < -512n || to + BigInt(size) > 0n) no('access outside the stack frame');
  const { entry } = state.frames[p.target];
  c.stackOf.set(entry, Math.max(c.stackOf.get(entry) ?? 0, Number(-from)));
  return [Number(from), Number(to) + size];
}

/** Refuses to read part of a pointer. Bytes that hold nothing are any number: that they are read is noted. */
export function readable(c: Checked, state: State, p: Pointer, from: number, to: number): void {
  const frame = state.frames[p.target];
  const wanted = bytesAt(from, to - from);
  if ((frame.init & wanted) !== wanted) c.readsUnwritten = true;
  for (const [at, { value }] of frame.cells) {
    if (value.kind === 'pointer' && at < to && from < at + 8 && (at < from || at + 8 > to))
      no('read of part of a pointer');
  }
}

/** Forgets what is known of the bytes; halves of numbers that are not touched stay. */
export function forget(state: State, index: number, from: number, to: number): void {
  const { cells } = state.own(index);
  const before = [...cells];
  for (const [at, { size, value }] of before) {
    if (at >= to || from >= at + size) continue;
    cells.delete(at);
    if (size !== 8 || value.kind === 'pointer') continue;
    for (const half of [0, 4]) {
      if (at + half < to && from < at + half + 4) continue;
      cells.set(at + half, { size: 4, value: num(partOf(value.facts, half, 4)) });
    }
  }
}

function loadStack(c: Checked, state: State, p: Pointer, off: number, size: number): Num | Pointer {
  const [from, to] = stackSpan(c, state, p, off, size);
  const frame = state.frames[p.target];
  const exact = to - from === size;
  if (exact && size === 8 && frame.cells.get(from)?.value.kind === 'pointer')
    return contentOf(frame, from, 8) as Pointer;
  readable(c, state, p, from, to);
  for (const [at, { value }] of frame.cells)
    if (value.kind === 'pointer' && at < to && from < at + 8 && size < 8) no('read of part of a pointer');
  return (exact ? contentOf(frame, from, size) : undefined) ?? num(ofWidth(8 * size));
}

function storeStack(c: Checked, state: State, p: Pointer, off: number, size: number, value: Num | Pointer): void {
  const [from, to] = stackSpan(c, state, p, off, size);
  forget(state, p.target, from, to);
  if (to - from !== size) return;
  if (value.kind === 'pointer' && value.region === 'stack' && value.target > p.target)
    no('the stack of a callee outlives it');
  if (value.kind === 'pointer' && (size !== 8 || from % 8 !== 0)) no('part of a pointer is stored');
  const frame = state.own(p.target);
  frame.init |= bytesAt(from, size);
  if (size === 8) frame.cells.set(from, { size, value });
  else if (size === 4 && value.kind === 'number') {
    frame.cells.set(from, { size, value: value.facts.full.umax < 1n << 32n ? value : num(low32(value.facts)) });
  }
}

/** Why a field of the context may not be accessed so; undefined where it may. */
function fieldRefusal(c: Checked, field: ContextField, at: number, size: number, use: Use): string | undefined {
  if (field.access === (use === 'read' ? 'write' : 'read')) return 'the field is for the other direction';
  const only = use === 'read' ? field.only : (field.storeOnly ?? field.only);
  const { attachType } = c.spec;
  if (only !== undefined && (attachType === undefined || !only.includes(attachType))) return 'not in this attach type';
  if (at % size !== 0) return 'misaligned';
  const within = at - field.offset;
  if (field.kind !== 'scalar') return size === field.size && within === 0 ? undefined : 'part of a pointer';
  const unit = field.size > 8 ? 4 : field.size;
  if (size === unit && within % unit === 0) return undefined;
  if (size > unit) return field.wide === true ? undefined : 'more than the field';
  const narrow = use === 'read' ? field.narrow : field.narrowStore;
  const allowed =
    narrow === true || (narrow === 'start' && within % unit === 0) || (narrow === 'halves' && size === unit / 2);
  return allowed ? undefined : 'less than the field';
}

/** The field at an offset that may be accessed so. */
function fieldOf(c: Checked, fields: readonly ContextField[], at: number, size: number, use: Use): ContextField {
  const here = fields.filter((f) => at >= f.offset && at < f.offset + f.size);
  return (
    here.find((f) => fieldRefusal(c, f, at, size, use) === undefined) ?? no('access to a field that is not allowed')
  );
}

/** The field that an access of the context means; undefined in contexts without fields. */
function field(c: Checked, p: Pointer, off: number, size: number, use: Use): ContextField | undefined {
  const { layout } = c;
  const at = p.offset + off;
  if (layout === undefined || p.variable !== undefined || use === 'atomic') return no('access to the context');
  if (layout.raw !== undefined) {
    if (at < layout.raw.from || at < 0 || at + size > layout.size || at % size !== 0) no('access outside the context');
    if (use !== 'read' && layout.raw.access === 'read') no('store to a context that may only be read');
    return undefined;
  }
  const fields = Object.values(layout.fields);
  const known = fields.some(
    (f) => at >= f.offset && at < f.offset + f.size && fieldRefusal(c, f, at, size, use) === undefined,
  );
  // Bytes of no pointer, where the structure's fields do not bind the program.
  const pointers = fields.filter((f) => f.kind !== 'scalar' && at < f.offset + f.size && at + size > f.offset);
  if (!known && layout.loose === true && pointers.length === 0 && at >= 0 && at + size <= layout.size) return undefined;
  return fieldOf(c, fields, at, size, use);
}

function loadContext(c: Checked, p: Pointer, off: number, size: number): Num | Pointer {
  const kind = field(c, p, off, size, 'read')?.kind ?? 'scalar';
  switch (kind) {
    case 'scalar':
      return num(ofWidth(8 * size));
    case 'socketOrNull': {
      const region = c.spec.type === 'sk_lookup' || c.spec.type === 'sock_ops' ? 'socket' : 'sockCommon';
      return pointer(region, { id: newId(), nullable: true });
    }
    case 'btfPointer':
      return pointer('kernel');
    case 'packet':
    case 'packetMeta':
    case 'packetEnd':
    case 'flowKeys':
      return pointer(kind);
  }
}

/** Values of maps that no one can change are known. */
function frozen({ map, variable, offset }: Pointer, off: number, size: number): Facts | undefined {
  if (map?.frozen !== true || map.data === undefined || variable !== undefined) return undefined;
  if ((map.flags & MAP_FLAGS.RDONLY_PROG) === 0 || map.maxEntries !== 1) return undefined;
  const bytes = map.data.subarray(offset + off, offset + off + size);
  return bytes.length < size ? undefined : constant(bytes.reduceRight((bits, byte) => (bits << 8n) | BigInt(byte), 0n));
}

export function load(c: Checked, state: State, register: number, off: number, size: number): Num | Pointer {
  const p = dereferenced(state, register);
  if (p.region === 'stack') return loadStack(c, state, p, off, size);
  if (p.region === 'ctx') return loadContext(c, p, off, size);
  access(c, p, off, size, 'read');
  return num((p.region === 'mapValue' ? frozen(p, off, size) : undefined) ?? ofWidth(8 * size));
}

export function store(c: Checked, state: State, register: number, off: number, size: number, value: Value): void {
  const p = dereferenced(state, register);
  if (value === undefined) return no('store of nothing');
  if (p.region === 'stack') storeStack(c, state, p, off, size, value);
  else if (p.region === 'ctx') field(c, p, off, size, 'write');
  else access(c, p, off, size, 'write');
}

const UNORDERED: readonly Region[] = ['ctx', 'packet', 'packetMeta', 'flowKeys', 'socket', 'sockCommon', 'tcpSocket'];

function aligned(p: Pointer, off: number, size: number): void {
  const varying = p.variable === undefined ? 0n : p.variable.facts.value | p.variable.facts.mask;
  const least = BigInt(size - 1);
  if ((BigInt(p.offset + off) & least) !== 0n || (varying & least) !== 0n) no('misaligned');
}

/** What load_acquire and store_release ask for besides (atomic_ptr_type_ok of the kernel). */
export function ordered(state: State, register: number, off: number, size: number): void {
  const p = dereferenced(state, register);
  if (UNORDERED.includes(p.region)) no(`no ordered access to ${p.region}`);
  aligned(p, off, size);
}

/** Load and store in one; gives what was there. */
export function atomic(c: Checked, state: State, register: number, off: number, size: number): Num {
  const p = dereferenced(state, register);
  aligned(p, off, size);
  if (p.region === 'stack') {
    if (loadStack(c, state, p, off, size).kind === 'pointer') no('atomic operation on a stored pointer');
    storeStack(c, state, p, off, size, num(ofWidth(64)));
  } else if (p.region === 'ctx') no('atomic operation on the context');
  else access(c, p, off, size, 'atomic');
  return num(ofWidth(8 * size));
}
