// Typed codecs: bytes of map keys, values, records and globals <-> plain data. What `anybpf gen skeleton` writes is made of these.
//
// All values are little-endian, as programs run so. Integers of up to 32 bits are numbers, wider ones and pointers bigints.
import { text, utf8 } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { badValue } from '../base/messages/skeleton.ts';

/** How values of a type lie in memory. `In` is what encoding takes, where that is more than decoding gives. */
export interface Codec<Out, In = Out> {
  /** Bytes. */
  readonly size: number;
  /** Reads the value at this byte; the view must hold all of it. */
  decode(view: DataView, at: number): Out;
  /** Writes the value. `path` names it in errors (skeleton/value). The bytes are zero before, so what is not written stays zero. */
  encode(view: DataView, at: number, value: In, path: string): void;
}

/** What decoding gives. */
export type Decoded<C> = C extends Codec<infer Out, never> ? Out : never;
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Decodes the first value of some bytes. Raises skeleton/value where they are too few. */
export function decode<Out>(codec: Codec<Out, never>, bytes: Uint8Array): Out {
  if (bytes.length < codec.size)
    fail(badValue({}, 'the value', `takes ${codec.size} bytes, there are ${bytes.length}`));
  return codec.decode(viewOf(bytes), 0);
}

/** The bytes of a value. Raises skeleton/value with the path of what does not fit. */
export function encode<In>(codec: Codec<unknown, In>, value: In, path = ''): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(codec.size);
  codec.encode(viewOf(bytes), 0, value, path);
  return bytes;
}

const shown = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : typeof value === 'bigint' ? `${value}n` : String(value);

/** The value as an exact integer in the range of so many bits. */
function integer(value: unknown, bits: number, signed: boolean, path: string): bigint {
  if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isSafeInteger(value)))
    fail(badValue({}, path, `is ${shown(value)}, not an integer`));
  const exact = BigInt(value as number | bigint);
  const low = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const high = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  if (exact < low || exact > high) fail(badValue({}, path, `is ${exact}, outside ${low} to ${high}`));
  return exact;
}

/** A number of up to 32 bits, without a detour over bigints where it fits. */
function small(value: unknown, bits: number, signed: boolean, path: string): number {
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const high = 2 ** (signed ? bits - 1 : bits) - 1;
  if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) return value;
  return Number(integer(value, bits, signed, path));
}

export const u8: Codec<number> = {
  size: 1,
  decode: (view, at) => view.getUint8(at),
  encode: (view, at, value, path) => view.setUint8(at, small(value, 8, false, path)),
};
export const s8: Codec<number> = {
  size: 1,
  decode: (view, at) => view.getInt8(at),
  encode: (view, at, value, path) => view.setInt8(at, small(value, 8, true, path)),
};
export const u16: Codec<number> = {
  size: 2,
  decode: (view, at) => view.getUint16(at, true),
  encode: (view, at, value, path) => view.setUint16(at, small(value, 16, false, path), true),
};
export const s16: Codec<number> = {
  size: 2,
  decode: (view, at) => view.getInt16(at, true),
  encode: (view, at, value, path) => view.setInt16(at, small(value, 16, true, path), true),
};
export const u32: Codec<number> = {
  size: 4,
  decode: (view, at) => view.getUint32(at, true),
  encode: (view, at, value, path) => view.setUint32(at, small(value, 32, false, path), true),
};
export const s32: Codec<number> = {
  size: 4,
  decode: (view, at) => view.getInt32(at, true),
  encode: (view, at, value, path) => view.setInt32(at, small(value, 32, true, path), true),
};
export const u64: Codec<bigint> = {
  size: 8,
  decode: (view, at) => view.getBigUint64(at, true),
  encode: (view, at, value, path) => view.setBigUint64(at, integer(value, 64, false, path), true),
};
export const s64: Codec<bigint> = {
  size: 8,
  decode: (view, at) => view.getBigInt64(at, true),
  encode: (view, at, value, path) => view.setBigInt64(at, integer(value, 64, true, path), true),
};
export const u128: Codec<bigint> = {
  size: 16,
  decode: (view, at) => (view.getBigUint64(at + 8, true) << 64n) | view.getBigUint64(at, true),
  encode: (view, at, value, path) => wide(view, at, integer(value, 128, false, path)),
};
export const s128: Codec<bigint> = {
  size: 16,
  decode: (view, at) => (view.getBigInt64(at + 8, true) << 64n) | view.getBigUint64(at, true),
  encode: (view, at, value, path) => wide(view, at, integer(value, 128, true, path)),
};

function wide(view: DataView, at: number, value: bigint): void {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
  view.setBigUint64(at + 8, BigInt.asUintN(64, value >> 64n), true);
}

/** An address: of the program's memory, meaningless outside of it. */
export const pointer: Codec<bigint> = u64;

/** `_Bool`. */
export const bool: Codec<boolean> = {
  size: 1,
  decode: (view, at) => view.getUint8(at) !== 0,
  encode(view, at, value, path) {
    if (typeof value !== 'boolean') fail(badValue({}, path, `is ${shown(value)}, not a boolean`));
    view.setUint8(at, value ? 1 : 0);
  },
};

const float = (value: unknown, path: string): number =>
  typeof value === 'number' ? value : fail(badValue({}, path, `is ${shown(value)}, not a number`));

export const f32: Codec<number> = {
  size: 4,
  decode: (view, at) => view.getFloat32(at, true),
  encode: (view, at, value, path) => view.setFloat32(at, float(value, path), true),
};
export const f64: Codec<number> = {
  size: 8,
  decode: (view, at) => view.getFloat64(at, true),
  encode: (view, at, value, path) => view.setFloat64(at, float(value, path), true),
};

/** Bytes as they are; those given must be as many. What is decoded is a copy. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    decode: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
    encode(view, at, value, path) {
      if (!(value instanceof Uint8Array) || value.length !== size)
        fail(badValue({}, path, `is ${described(value)}, not ${size} bytes`));
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(value);
    },
  };
}

const described = (value: unknown): string =>
  value instanceof Uint8Array ? `${value.length} bytes` : Array.isArray(value) ? 'an array' : shown(value);

/**
 * `char[size]`: text in UTF-8 up to its first NUL; what follows is not shown, and bytes that are no text become U+FFFD. Also takes
 * bytes, for arrays that hold something else.
 */
export function characters(size: number): Codec<string, string | Uint8Array> {
  return {
    size,
    decode(view, at) {
      const all = new Uint8Array(view.buffer, view.byteOffset + at, size);
      const end = all.indexOf(0);
      // A copy: TextDecoder takes no shared memory.
      return text(all.slice(0, end < 0 ? size : end));
    },
    encode(view, at, value, path) {
      if (typeof value !== 'string' && !(value instanceof Uint8Array))
        fail(badValue({}, path, `is ${shown(value)}, not text`));
      const given = typeof value === 'string' ? utf8(value) : value;
      if (given.length > size) fail(badValue({}, path, `has ${given.length} bytes for an array of ${size}`));
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(given);
    },
  };
}

/** An array; it is given whole. */
export function array<Out, In>(element: Codec<Out, In>, length: number): Codec<Out[], readonly In[]> {
  const { size } = element;
  return {
    size: size * length,
    decode(view, at) {
      const out: Out[] = [];
      for (let i = 0; i < length; i++) out.push(element.decode(view, at + i * size));
      return out;
    },
    encode(view, at, value, path) {
      if (!Array.isArray(value) || value.length !== length)
        fail(badValue({}, path, `must be an array of ${length} elements`));
      for (const [i, part] of value.entries()) element.encode(view, at + i * size, part, `${path}[${i}]`);
    },
  };
}

/**
 * An enum: its enumerators by name, other values as number (bigint of 64 bits). Where several have one value, decoding gives the
 * first. The codec also has the table.
 */
export function enumeration<const T extends Readonly<Record<string, number>>>(
  storage: Codec<number>,
  values: T,
): Codec<Extract<keyof T, string> | number> & { readonly values: T };
export function enumeration<const T extends Readonly<Record<string, bigint>>>(
  storage: Codec<bigint>,
  values: T,
): Codec<Extract<keyof T, string> | bigint> & { readonly values: T };
export function enumeration(
  storage: Codec<number> | Codec<bigint>,
  values: Readonly<Record<string, number | bigint>>,
): Codec<string | number | bigint> & { readonly values: Readonly<Record<string, number | bigint>> } {
  const names = new Map<number | bigint, string>();
  for (const [name, value] of Object.entries(values)) if (!names.has(value)) names.set(value, name);
  const { size, decode: read, encode: write } = storage as Codec<number | bigint>;
  return {
    size,
    values,
    decode(view, at) {
      const value = read(view, at);
      return names.get(value) ?? value;
    },
    encode(view, at, value, path) {
      if (typeof value !== 'string') return write(view, at, value, path);
      if (!Object.hasOwn(values, value)) fail(badValue({}, path, `is ${shown(value)}, which is no enumerator`));
      write(view, at, values[value], path);
    },
  };
}
