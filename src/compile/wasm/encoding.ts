// WebAssembly's binary format (WebAssembly Core Specification, chapter 5), as far as the compiler writes it.

/** Value types. */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const F64 = 0x7c;
export type ValueType = typeof I32 | typeof I64 | typeof F64;

/** Block types other than a value type. */
export const VOID = 0x40;
export type BlockType = ValueType | typeof VOID;

/** Instructions without immediates, by the specification's names. */
export const PLAIN = {
  unreachable: 0x00,
  else: 0x05,
  end: 0x0b,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  'i32.eqz': 0x45,
  'i32.eq': 0x46,
  'i32.ne': 0x47,
  'i32.lt_s': 0x48,
  'i32.lt_u': 0x49,
  'i32.gt_s': 0x4a,
  'i32.gt_u': 0x4b,
  'i32.le_s': 0x4c,
  'i32.le_u': 0x4d,
  'i32.ge_s': 0x4e,
  'i32.ge_u': 0x4f,
  'i64.eqz': 0x50,
  'i64.eq': 0x51,
  'i64.ne': 0x52,
  'i64.lt_s': 0x53,
  'i64.lt_u': 0x54,
  'i64.gt_s': 0x55,
  'i64.gt_u': 0x56,
  'i64.le_s': 0x57,
  'i64.le_u': 0x58,
  'i64.ge_s': 0x59,
  'i64.ge_u': 0x5a,
  'i32.clz': 0x67,
  'i32.ctz': 0x68,
  'i32.popcnt': 0x69,
  'i32.add': 0x6a,
  'i32.sub': 0x6b,
  'i32.mul': 0x6c,
  'i32.div_s': 0x6d,
  'i32.div_u': 0x6e,
  'i32.rem_s': 0x6f,
  'i32.rem_u': 0x70,
  'i32.and': 0x71,
  'i32.or': 0x72,
  'i32.xor': 0x73,
  'i32.shl': 0x74,
  'i32.shr_s': 0x75,
  'i32.shr_u': 0x76,
  'i32.rotl': 0x77,
  'i32.rotr': 0x78,
  'i64.clz': 0x79,
  'i64.ctz': 0x7a,
  'i64.popcnt': 0x7b,
  'i64.add': 0x7c,
  'i64.sub': 0x7d,
  'i64.mul': 0x7e,
  'i64.div_s': 0x7f,
  'i64.div_u': 0x80,
  'i64.rem_s': 0x81,
  'i64.rem_u': 0x82,
  'i64.and': 0x83,
  'i64.or': 0x84,
  'i64.xor': 0x85,
  'i64.shl': 0x86,
  'i64.shr_s': 0x87,
  'i64.shr_u': 0x88,
  'i64.rotl': 0x89,
  'i64.rotr': 0x8a,
  'f64.eq': 0x61,
  'i32.wrap_i64': 0xa7,
  'i64.extend_i32_s': 0xac,
  'i64.extend_i32_u': 0xad,
  'i64.trunc_f64_s': 0xb0,
  'f64.convert_i64_u': 0xba,
  'i32.extend8_s': 0xc0,
  'i32.extend16_s': 0xc1,
  'i64.extend8_s': 0xc2,
  'i64.extend16_s': 0xc3,
  'i64.extend32_s': 0xc4,
} as const;
export type PlainOp = keyof typeof PLAIN;

/** Loads and stores: opcode and log2 of the natural alignment. */
export const MEMORY = {
  'i32.load': [0x28, 2],
  'i64.load': [0x29, 3],
  'i32.load8_s': [0x2c, 0],
  'i32.load8_u': [0x2d, 0],
  'i32.load16_s': [0x2e, 1],
  'i32.load16_u': [0x2f, 1],
  'i64.load8_s': [0x30, 0],
  'i64.load8_u': [0x31, 0],
  'i64.load16_s': [0x32, 1],
  'i64.load16_u': [0x33, 1],
  'i64.load32_s': [0x34, 2],
  'i64.load32_u': [0x35, 2],
  'i32.store': [0x36, 2],
  'i64.store': [0x37, 3],
  'i32.store8': [0x3a, 0],
  'i32.store16': [0x3b, 1],
  'i64.store8': [0x3c, 0],
  'i64.store16': [0x3d, 1],
  'i64.store32': [0x3e, 2],
} as const;
export type MemoryOp = keyof typeof MEMORY;

/** Atomic instructions (prefix 0xfe, threads proposal): opcode and log2 of the alignment, which must be the natural one. */
export const ATOMIC = {
  'memory.atomic.notify': [0x00, 2],
  'i32.atomic.load': [0x10, 2],
  'i32.atomic.store': [0x17, 2],
  'i64.atomic.store': [0x18, 3],
  'i64.atomic.store8': [0x1b, 0],
  'i64.atomic.store16': [0x1c, 1],
  'i64.atomic.store32': [0x1d, 2],
  'i32.atomic.rmw.add': [0x1e, 2],
  'i64.atomic.rmw.add': [0x1f, 3],
  'i64.atomic.rmw32.add_u': [0x24, 2],
  'i64.atomic.rmw.and': [0x2d, 3],
  'i64.atomic.rmw32.and_u': [0x32, 2],
  'i64.atomic.rmw.or': [0x34, 3],
  'i64.atomic.rmw32.or_u': [0x39, 2],
  'i64.atomic.rmw.xor': [0x3b, 3],
  'i64.atomic.rmw32.xor_u': [0x40, 2],
  'i32.atomic.rmw.xchg': [0x41, 2],
  'i64.atomic.rmw.xchg': [0x42, 3],
  'i64.atomic.rmw32.xchg_u': [0x47, 2],
  'i32.atomic.rmw.cmpxchg': [0x48, 2],
  'i64.atomic.rmw.cmpxchg': [0x49, 3],
  'i64.atomic.rmw32.cmpxchg_u': [0x4e, 2],
} as const;
export type AtomicOp = keyof typeof ATOMIC;

const UTF8 = new TextEncoder();

/** Append-only bytes with LEB128 integers. */
export class Bytes {
  data: Uint8Array<ArrayBuffer>;
  length = 0;

  /** @param size that is expected; most functions and sections are small */
  constructor(size = 0) {
    this.data = new Uint8Array(Math.max(size, 64));
  }

  #reserve(size: number): void {
    if (this.length + size <= this.data.length) return;
    const grown = new Uint8Array(Math.max(this.data.length * 2, this.length + size));
    grown.set(this.data.subarray(0, this.length));
    this.data = grown;
  }

  byte(value: number): this {
    if (this.length === this.data.length) this.#reserve(1);
    this.data[this.length++] = value;
    return this;
  }

  /** Unsigned, up to 2^32 - 1. */
  u32(value: number): this {
    if (value < 0x80) return this.byte(value);
    this.#reserve(5);
    while (value >= 0x80) {
      this.data[this.length++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    this.data[this.length++] = value;
    return this;
  }

  /** Signed 32 bits. */
  s32(value: number): this {
    if (value >= -0x40 && value < 0x40) return this.byte(value & 0x7f);
    this.#reserve(5);
    for (;;) {
      const low = value & 0x7f;
      value >>= 7;
      if ((value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0)) {
        this.data[this.length++] = low;
        return this;
      }
      this.data[this.length++] = low | 0x80;
    }
  }

  /** Signed 64 bits. */
  s64(value: bigint): this {
    const low = Number(BigInt.asIntN(32, value));
    if (BigInt(low) === value) return this.s32(low);
    this.#reserve(10);
    for (;;) {
      const bits = Number(value & 0x7fn);
      value >>= 7n;
      if ((value === 0n && (bits & 0x40) === 0) || (value === -1n && (bits & 0x40) !== 0)) {
        this.data[this.length++] = bits;
        return this;
      }
      this.data[this.length++] = bits | 0x80;
    }
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.data.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  append(other: Bytes): this {
    return this.raw(other.data.subarray(0, other.length));
  }

  name(text: string): this {
    const bytes = UTF8.encode(text);
    return this.u32(bytes.length).raw(bytes);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.data.slice(0, this.length);
  }
}
