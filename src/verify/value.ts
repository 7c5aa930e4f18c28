// What a register or stack slot may hold: nothing, a number, or a pointer into a typed region.
import type { MapSpec } from '../spec/object.ts';
import type { Bounds, Scalar } from './number/scalar.ts';

/** What a pointer points into. */
export type RegionName =
  | 'ctx'
  | 'stack'
  | 'packet'
  | 'packetMeta'
  | 'packetEnd'
  /** A map itself, as ld_map_fd gives it. */
  | 'map'
  | 'mapKey'
  | 'mapValue'
  | 'socket'
  | 'sockCommon'
  | 'tcpSocket'
  | 'ringRecord'
  /** `size` bytes. */
  | 'memory'
  | 'flowKeys'
  /** A kernel object with BTF: loads give numbers, and a bad address reads as 0. */
  | 'kernel'
  /** A part of a program's own object that the kernel allocated (bpf_obj_new): `target` is its struct. */
  | 'object'
  /** A subprogram. */
  | 'function';

/** A pointer that may be NULL is not where a number of this id and delta is none of these: the flag that says that it was set. */
export interface Guard {
  readonly id: number;
  readonly delta: number;
  readonly nulls: Bounds;
}

const NO_GUARDS: readonly Guard[] = [];

export interface PointerFields {
  readonly region: RegionName;
  /** Constant part of the distance from the region's start (stack: from the frame's top). */
  readonly offset: number;
  /** Varying part of that distance, of numbers from 0 on where it is not undefined. */
  readonly variable: Scalar | undefined;
  /** Pointers with the same id are NULL together, and packet pointers with it have the same varying part. */
  readonly id: number;
  readonly nullable: boolean;
  /** None where it is not nullable. */
  readonly guards: readonly Guard[];
  /** packet, packetMeta: bytes from the point without `offset` that lie before the end. */
  readonly range: number;
  /** memory, ringRecord: bytes. */
  readonly size: number;
  readonly writable: boolean;
  /** mapKey, mapValue, map. */
  readonly map: MapSpec | undefined;
  /** stack: index of the frame. function: slot. kernel, object: BTF id of the struct, 0 where it is not known. memory: 1 in a packet. */
  readonly target: number;
  /** Id of the reference that must be given back, 0 for none. */
  readonly reference: number;
}

/** A pointer. Immutable; copies of a register are the same object. */
export class Pointer implements PointerFields {
  readonly kind = 'pointer' as const;
  readonly region: RegionName;
  readonly offset: number;
  readonly variable: Scalar | undefined;
  readonly id: number;
  readonly nullable: boolean;
  readonly guards: readonly Guard[];
  readonly range: number;
  readonly size: number;
  readonly writable: boolean;
  readonly map: MapSpec | undefined;
  readonly target: number;
  readonly reference: number;
  /** Slot of the instruction that made it; -1 where it was there at the start. */
  readonly at: number;

  constructor(fields: PointerFields, at: number) {
    this.region = fields.region;
    this.offset = fields.offset;
    this.variable = fields.variable;
    this.id = fields.id;
    this.nullable = fields.nullable;
    this.guards = fields.nullable ? fields.guards : NO_GUARDS;
    this.range = fields.range;
    this.size = fields.size;
    this.writable = fields.writable;
    this.map = fields.map;
    this.target = fields.target;
    this.reference = fields.reference;
    this.at = at;
  }

  with(changes: Partial<PointerFields>, at: number = this.at): Pointer {
    return new Pointer({ ...this, ...changes }, at);
  }
}

const NO_FIELDS: PointerFields = {
  region: 'memory',
  offset: 0,
  variable: undefined,
  id: 0,
  nullable: false,
  guards: NO_GUARDS,
  range: 0,
  size: 0,
  writable: true,
  map: undefined,
  target: 0,
  reference: 0,
};

export const pointer = (region: RegionName, at: number, fields: Partial<Omit<PointerFields, 'region'>> = {}): Pointer =>
  new Pointer({ ...NO_FIELDS, ...fields, region }, at);

/** undefined: nothing was put there yet. */
export type Value = Scalar | Pointer | undefined;

/** A stack slot of which single bytes were stored. */
export class Bytes {
  readonly kind = 'bytes' as const;
  /** Bit i: byte i (from the lowest address) holds something. */
  readonly initialised: number;
  /** The number in bytes 0 to 3 and 4 to 7, zero-extended, where it is known as one. */
  readonly low: Scalar | undefined;
  readonly high: Scalar | undefined;

  constructor(initialised: number, low?: Scalar, high?: Scalar) {
    this.initialised = initialised;
    this.low = low;
    this.high = high;
  }
}

/** A stack slot that holds half of an object which only helpers may touch (dynptr, iterator). */
export class Special {
  readonly kind = 'special' as const;
  readonly name: 'dynptr' | 'iterator';
  readonly id: number;
  /** Index of this slot in the object. */
  readonly part: number;
  readonly state: 'active' | 'drained';
  /** Which: the iterator's struct (`bpf_iter_num`), or what the dynptr's bytes are (`skb`). */
  readonly type: string;

  constructor(name: Special['name'], id: number, part: number, type: string, state: Special['state'] = 'active') {
    this.name = name;
    this.id = id;
    this.part = part;
    this.state = state;
    this.type = type;
  }
}

export type Slot = Scalar | Pointer | Bytes | Special | undefined;

/** Regions whose pointers arithmetic may move. */
export const MOVABLE: ReadonlySet<RegionName> = new Set([
  'stack',
  'packet',
  'packetMeta',
  'mapKey',
  'mapValue',
  'ringRecord',
  'memory',
  'kernel',
  'object',
  'ctx',
  'flowKeys',
]);

const NAMES: Readonly<Record<RegionName, string>> = {
  ctx: 'the context',
  stack: 'the stack',
  packet: 'the packet',
  packetMeta: 'the metadata before the packet',
  packetEnd: 'the end of the packet',
  map: 'a map',
  mapKey: 'a map key',
  mapValue: 'a map value',
  socket: 'a socket',
  sockCommon: 'a sock_common',
  tcpSocket: 'a tcp_sock',
  ringRecord: 'a ring buffer record',
  memory: 'memory',
  flowKeys: 'the flow keys',
  kernel: 'a kernel object',
  object: 'an allocated object',
  function: 'a function',
};

/** For messages: `a map value of 'counts'`. */
export const describeRegion = ({ region, map }: Pointer): string =>
  map !== undefined && region !== 'map' ? `${NAMES[region]} of '${map.name}'` : NAMES[region];

/** For messages: `a pointer to a map value of 'counts' or NULL`. */
export const describePointer = (p: Pointer): string =>
  `a pointer to ${describeRegion(p)}${p.nullable ? ' or NULL' : ''}`;
