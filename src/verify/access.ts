// Loads and stores through pointers: one row a region.
import {
  badAtomic,
  contextAccess,
  maybeNull,
  misaligned,
  noAccess,
  notAPointer,
  outOfBounds,
  packetBounds,
  readOnly,
  uninitialisedRegister,
} from '../base/messages/verify.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { ContextField, ContextLayout } from '../spec/program.ts';
import { PACKET_READERS } from '../spec/program-types.ts';
import { BPF_SOCK, BPF_TCP_SOCK } from '../spec/sockets.ts';
import { describeBounds, newId } from './number/scalar.ts';
import * as N from './number/scalar.ts';
import * as T from './number/tnum.ts';
import { fieldsOfObject } from './object-fields.ts';
import { markPrecise, type State } from './state.ts';
import { loadStack, storeStack } from './stack.ts';
import { describePointer, describeRegion, type Pointer, pointer, type RegionName, type Value } from './value.ts';
import { anyNumber, loaded, number, placeAt, refuse, type Walk } from './walk.ts';

/** One access of an instruction. */
export interface Access {
  /** Register that holds the address. */
  readonly register: number;
  readonly off: number;
  readonly size: number;
  readonly kind: 'read' | 'write' | 'atomic';
}

const WORDS = { read: 'read', write: 'written', atomic: 'changed' } as const;

export const describeValue = (value: Value): string =>
  value === undefined
    ? 'nothing'
    : value.kind === 'pointer'
      ? describePointer(value)
      : `a number (${describeBounds(value)})`;

/** Lowest and highest distance from the region's start; -Infinity or Infinity where there is no bound. */
export function span(p: Pointer, off: number): readonly [number, number] {
  const at = p.offset + off;
  const v = p.variable;
  if (v === undefined) return [at, at];
  const { smin, smax } = v.r64;
  return [smin <= -N.LIMIT ? -Infinity : at + smin, smax >= N.LIMIT ? Infinity : at + smax];
}

const offsetText = (x: number): string => (Number.isFinite(x) ? `${x}` : 'any');

const spanText = ([from, to]: readonly [number, number]): string => {
  return from === to ? `offset ${offsetText(from)}` : `offset ${offsetText(from)} to ${offsetText(to)}`;
};

interface Region {
  /** Bytes from its start; undefined where the row's own `check` decides. */
  size?(p: Pointer): number;
  /** Whether stores are allowed, else why not. */
  store(walk: Walk, p: Pointer): boolean;
  readonly atomics: boolean;
  /** The fields of which each access is one, where not all bytes are alike. */
  readonly fields?: ContextLayout;
  load?(walk: Walk, state: State, p: Pointer, access: Access): Value;
}

const never = (): boolean => false;

const SIZE_OF: { readonly [R in RegionName]?: number } = {
  socket: BPF_SOCK.size,
  /** As much of it as programs may read is laid out as struct bpf_sock is. */
  sockCommon: BPF_SOCK.size,
  tcpSocket: BPF_TCP_SOCK.size,
  /** struct bpf_flow_keys. */
  flowKeys: 56,
};

/** What all kinds of sockets have (bpf_sock_common_is_valid_access). */
const SOCK_COMMON: ContextLayout = {
  ...BPF_SOCK,
  name: 'struct sock_common',
  fields: Object.fromEntries(
    Object.entries<ContextField>(BPF_SOCK.fields).filter(
      ([name]) => !['type', 'protocol', 'mark', 'priority'].includes(name),
    ),
  ),
};

/** Its fields are accessed as a whole (bpf_tcp_sock_is_valid_access). */
const TCP_SOCK: ContextLayout = {
  name: BPF_TCP_SOCK.name,
  size: BPF_TCP_SOCK.size,
  fields: Object.fromEntries(tcpFields()),
};

function tcpFields(): (readonly [string, ContextField])[] {
  const { words, longs, lastWords } = BPF_TCP_SOCK;
  let offset = 0;
  return [
    ...words.map((name) => [name, 4] as const),
    ...longs.map((name) => [name, 8] as const),
    ...lastWords.map((name) => [name, 4] as const),
  ].map(([name, size]) => {
    const field = [name, { offset, size, kind: 'scalar', access: 'read' }] as const;
    offset += size;
    return field;
  });
}

const fixed = (region: RegionName): ((p: Pointer) => number) => {
  const size = SIZE_OF[region] ?? 0;
  return () => size;
};

/** Regions whose accesses are a matter of their size. ctx, stack and packets have functions of their own below. */
const REGIONS: { readonly [R in RegionName]?: Region } = {
  mapValue: {
    size: (p) => p.map?.valueSize ?? 0,
    store: (_walk, p) => p.writable,
    atomics: true,
    load: loadMapValue,
  },
  mapKey: { size: (p) => p.map?.keySize ?? 0, store: never, atomics: false },
  memory: { size: (p) => p.size, store: (_walk, p) => p.writable, atomics: true },
  ringRecord: { size: (p) => p.size, store: () => true, atomics: true },
  socket: { size: fixed('socket'), store: never, atomics: false, fields: BPF_SOCK },
  sockCommon: { size: fixed('sockCommon'), store: never, atomics: false, fields: SOCK_COMMON },
  tcpSocket: { size: fixed('tcpSocket'), store: never, atomics: false, fields: TCP_SOCK },
  flowKeys: { size: fixed('flowKeys'), store: () => true, atomics: false },
  kernel: { store: never, atomics: false },
  object: { size: (p) => p.size, store: () => true, atomics: true },
};

/** The pointer in a register that may be dereferenced. */
function dereferenced(walk: Walk, state: State, access: Access): Pointer {
  const { register, kind } = access;
  const value = state.register(register);
  const place = placeAt(walk, state.slot);
  if (value === undefined) return refuse(walk, uninitialisedRegister(place, register), register);
  if (value.kind !== 'pointer') {
    return refuse(walk, notAPointer(place, register, WORDS[kind], describeValue(value)), register, value);
  }
  if (value.nullable) refuse(walk, maybeNull(place, register, describePointer(value)), register, value);
  return value;
}

export function load(walk: Walk, state: State, access: Access): Value {
  const p = dereferenced(walk, state, access);
  if (p.region === 'stack') return loadStack(walk, state, p, access.off, access.size, access.register);
  if (p.region === 'ctx') return loadContext(walk, state, p, access);
  check(walk, state, p, access);
  return REGIONS[p.region]?.load?.(walk, state, p, access) ?? loaded(state, access.size);
}

export function store(walk: Walk, state: State, access: Access, value: Value): void {
  const p = dereferenced(walk, state, access);
  if (p.region === 'stack') return storeStack(walk, state, p, access.off, access.size, value, access.register);
  if (p.region === 'ctx') return storeContext(walk, state, p, access);
  check(walk, state, p, access);
}

/** Both at once; gives what was there. */
export function atomic(walk: Walk, state: State, access: Access): Value {
  const p = dereferenced(walk, state, access);
  const place = placeAt(walk, state.slot);
  if (p.region === 'stack') {
    const old = loadStack(walk, state, p, access.off, access.size, access.register);
    aligned(walk, state, p, access);
    storeStack(walk, state, p, access.off, access.size, anyNumber(state), access.register);
    return old?.kind === 'scalar'
      ? loaded(state, access.size)
      : refuse(walk, badAtomic(place, access.register, 'a stored pointer'), access.register, p);
  }
  if (REGIONS[p.region]?.atomics !== true) {
    refuse(walk, badAtomic(place, access.register, describeRegion(p)), access.register, p);
  }
  aligned(walk, state, p, access);
  check(walk, state, p, access);
  return loaded(state, access.size);
}

/** Where Linux has no loads and stores that order others (atomic_ptr_type_ok of kernel/bpf/verifier.c). */
const UNORDERED: ReadonlySet<RegionName> = new Set([
  'ctx',
  'packet',
  'packetMeta',
  'flowKeys',
  'socket',
  'sockCommon',
  'tcpSocket',
]);

/** What load_acquire and store_release ask for besides what loads and stores do: before them. */
export function ordered(walk: Walk, state: State, access: Access): void {
  const p = dereferenced(walk, state, access);
  if (UNORDERED.has(p.region)) {
    const place = placeAt(walk, state.slot);
    refuse(walk, badAtomic(place, access.register, describeRegion(p)), access.register, p);
  }
  aligned(walk, state, p, access);
}

function aligned(walk: Walk, state: State, p: Pointer, { off, size, register }: Access): void {
  const low = T.add(T.constant(p.offset + off), p.variable?.bits ?? T.ZERO);
  if (((low.valueLow | low.maskLow) & (size - 1)) === 0) return;
  refuse(walk, misaligned(placeAt(walk, state.slot), size, 'an atomic operation'), register, p);
}

/** Refuses an access outside the pointer's region, or of a kind that the region does not allow. */
export function check(walk: Walk, state: State, p: Pointer, access: Access): void {
  const { register, off, size, kind } = access;
  const place = placeAt(walk, state.slot);
  if (p.region === 'packet' || p.region === 'packetMeta') return packet(walk, state, p, access);
  const region = REGIONS[p.region];
  if (region === undefined) {
    return refuse(walk, noAccess(place, register, describeRegion(p), 'it cannot be dereferenced'), register, p);
  }
  if (kind !== 'read' && !region.store(walk, p))
    refuse(walk, readOnly(place, register, describeRegion(p)), register, p);
  if (kind !== 'write' && p.region === 'mapValue' && ((p.map?.flags ?? 0) & MAP_FLAGS.WRONLY_PROG) !== 0)
    refuse(walk, noAccess(place, register, describeRegion(p), 'programs may not read this map'), register, p);
  if (region.size === undefined) {
    walk.checkedAt.add(state.slot);
    return;
  }
  const limit = region.size(p);
  const [from, to] = span(p, off);
  markPrecise(p.variable);
  if (from < 0 || to + size > limit) {
    const why = `they begin at ${spanText([from, to])} of ${limit} bytes`;
    refuse(walk, outOfBounds(place, register, WORDS[kind], size, describeRegion(p), why), register, p);
  }
  if (region.fields !== undefined) {
    const at = p.offset + off;
    const found =
      p.variable === undefined ? fieldFor(walk, region.fields, at, access) : 'the offset must be a constant';
    if (typeof found === 'string')
      refuse(walk, contextAccess(place, region.fields.name, WORDS[kind], at, size, found), register, p);
  }
  const fields = p.region === 'object' ? fieldsOfObject(walk.object.btf, p.target) : p.map?.special;
  for (const special of p.region === 'mapValue' || p.region === 'object' ? (fields ?? []) : []) {
    if (
      from < special.offset + special.size &&
      to + size > special.offset &&
      !isWholePointer(special, access, from, to)
    ) {
      const why = `its ${special.kind} at offset ${special.offset} is for helpers only`;
      refuse(walk, outOfBounds(place, register, WORDS[kind], size, describeRegion(p), why), register, p);
    }
  }
}

/** Pointers to kernel objects may be loaded, and are numbers then. */
const isWholePointer = (
  field: { readonly kind: string; readonly offset: number },
  { kind, size }: Access,
  from: number,
  to: number,
): boolean =>
  (field.kind === 'kptr' || field.kind === 'kptr_untrusted') &&
  kind === 'read' &&
  size === 8 &&
  from === field.offset &&
  to === from;

function packet(walk: Walk, state: State, p: Pointer, { register, off, size, kind }: Access): void {
  const place = placeAt(walk, state.slot);
  if (kind !== 'read' && PACKET_READERS.has(walk.spec.type)) {
    refuse(walk, readOnly(place, register, describeRegion(p)), register, p);
  }
  markPrecise(p.variable);
  const [from] = span(p, off);
  const at = p.offset + off;
  if (from >= 0 && at + size <= p.range) return;
  const shown = p.variable === undefined ? `${at}` : `${at} plus ${describeBounds(p.variable)}`;
  refuse(
    walk,
    packetBounds(place, register, WORDS[kind], size, shown, Math.max(0, p.range), p.variable !== undefined),
    register,
    p,
  );
}

/** Values of maps that no one can change are known: neither the application (frozen) nor programs, by whatever way. */
function loadMapValue(_walk: Walk, state: State, p: Pointer, { off, size }: Access): Value {
  const { map } = p;
  if (map?.frozen !== true || map.data === undefined || p.variable !== undefined) return undefined;
  if ((map.flags & MAP_FLAGS.RDONLY_PROG) === 0 || map.maxEntries !== 1) return undefined;
  const at = p.offset + off;
  const bytes = map.data.subarray(at, at + size);
  if (bytes.length < size) return undefined;
  let bits = 0n;
  for (let i = size - 1; i >= 0; i--) bits = (bits << 8n) | BigInt(bytes[i]);
  return number(state, N.exactly(T.constantOf(bits)));
}

/** The fields that lie at an offset; several where the structure has a union there. */
function fieldsAt(layout: ContextLayout, offset: number): readonly ContextField[] {
  let table = FIELDS.get(layout);
  if (table === undefined) {
    table = Object.values(layout.fields);
    FIELDS.set(layout, table);
  }
  return table.filter((f) => offset >= f.offset && offset < f.offset + f.size);
}
const FIELDS = new WeakMap<ContextLayout, readonly ContextField[]>();

/** Why a field may not be accessed so; undefined where it may. */
function fieldRefusal(walk: Walk, field: ContextField, at: number, { size, kind }: Access): string | undefined {
  const { spec } = walk;
  if (kind === 'read' ? field.access === 'write' : field.access === 'read') {
    return kind === 'read' ? 'the field is write-only' : 'the field is read-only';
  }
  const only = kind === 'read' ? field.only : (field.storeOnly ?? field.only);
  if (only !== undefined && (spec.attachType === undefined || !only.includes(spec.attachType))) {
    return `the field is for ${only.join(', ')}`;
  }
  if (at % size !== 0) return 'it is misaligned';
  const within = at - field.offset;
  if (field.kind !== 'scalar') {
    return size === field.size && within === 0 ? undefined : `the field is a pointer of ${field.size} bytes`;
  }
  const unit = field.size > 8 ? 4 : field.size;
  if (size === unit && within % unit === 0) return undefined;
  if (size > unit) return field.wide === true ? undefined : `the field has ${unit} bytes`;
  const allowed = kind === 'read' ? field.narrow : field.narrowStore;
  if (allowed === true || (allowed === 'start' && within % unit === 0) || (allowed === 'halves' && size === unit / 2)) {
    return undefined;
  }
  return `the field is accessed as ${unit} bytes`;
}

/** The field at an offset that may be accessed so, or why none may. */
function fieldFor(walk: Walk, layout: ContextLayout, at: number, access: Access): ContextField | string {
  let why = 'no field that programs of this type may use lies there';
  for (const field of fieldsAt(layout, at)) {
    const refusal = fieldRefusal(walk, field, at, access);
    if (refusal === undefined) return field;
    why = refusal;
  }
  return why;
}

/** The field of the context that an access means; refuses what the program type does not allow. */
function contextField(walk: Walk, state: State, p: Pointer, access: Access): ContextField | undefined {
  const { off, size, kind, register } = access;
  const { layout } = walk;
  const place = placeAt(walk, state.slot);
  const at = p.offset + off;
  const name = layout?.name ?? 'the context';
  const no = (why: string): never => refuse(walk, contextAccess(place, name, WORDS[kind], at, size, why), register, p);
  if (layout === undefined) return no('the context of this program type is not known');
  if (p.variable !== undefined) return no('the offset must be a constant');
  if (layout.raw !== undefined) {
    if (at < 0 || at + size > layout.size || at < layout.raw.from) return no(`it has ${layout.size} bytes`);
    if (at % size !== 0) return no('it is misaligned');
    if (kind !== 'read' && layout.raw.access === 'read') return no('it is read-only');
    return undefined;
  }
  const found = fieldFor(walk, layout, at, access);
  if (typeof found !== 'string') return found;
  return layout.loose === true && isLoose(layout, at, size) ? undefined : no(found);
}

/** Bytes of the structure none of which is a pointer's. */
const isLoose = ({ size: whole, fields }: ContextLayout, at: number, size: number): boolean =>
  at >= 0 &&
  at + size <= whole &&
  Object.values(fields).every((f) => f.kind === 'scalar' || at >= f.offset + f.size || at + size <= f.offset);

/** What a load of a pointer field gives. */
function loadContext(walk: Walk, state: State, p: Pointer, access: Access): Value {
  const field = contextField(walk, state, p, access);
  const at = state.slot;
  switch (field?.kind) {
    case 'packet':
      return pointer('packet', at, { id: 0 });
    case 'packetMeta':
      return pointer('packetMeta', at, { id: 0 });
    case 'packetEnd':
      return pointer('packetEnd', at);
    case 'socketOrNull':
      return pointer(walk.spec.type === 'sk_lookup' || walk.spec.type === 'sock_ops' ? 'socket' : 'sockCommon', at, {
        id: newId(),
        nullable: true,
      });
    case 'flowKeys':
      return pointer('flowKeys', at);
    case 'btfPointer':
      return pointer('kernel', at);
    case 'scalar':
    case undefined:
      return loaded(state, access.size);
  }
}

function storeContext(walk: Walk, state: State, p: Pointer, access: Access): void {
  if (access.kind === 'atomic')
    refuse(walk, badAtomic(placeAt(walk, state.slot), access.register, 'the context'), access.register, p);
  contextField(walk, state, p, access);
}
