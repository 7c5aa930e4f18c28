// Structs, unions and bitfields as codecs.
import { fail } from '../base/diagnostic.ts';
import { badValue } from '../base/messages/skeleton.ts';
import { readBits, writeBits } from '../btf/bits.ts';
import type { Codec } from './codec.ts';

/** A member of a struct or union, with its place. */
export interface Field<Out, In = Out> {
  /** First bit and number of bits, from the struct's beginning. */
  readonly offset: number;
  readonly bits: number;
  decode(view: DataView, at: number): Out;
  encode(view: DataView, at: number, value: In, path: string): void;
}

/** A member at this byte. */
export const at = <Out, In>(offset: number, codec: Codec<Out, In>): Field<Out, In> => ({
  offset: offset * 8,
  bits: codec.size * 8,
  decode: (view, base) => codec.decode(view, base + offset),
  encode: (view, base, value, path) => codec.encode(view, base + offset, value, path),
});

const bytesOf = (view: DataView, at: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, view.byteLength - at);

function bitInteger(value: unknown, bits: number, signed: boolean, path: string): bigint {
  if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isSafeInteger(value)))
    fail(badValue({}, path, `is ${String(value)}, not an integer`));
  const exact = BigInt(value as number | bigint);
  const low = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const high = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  if (exact < low || exact > high)
    fail(badValue({}, path, `is ${exact}, outside ${low} to ${high} of its ${bits} bits`));
  return exact;
}

/** A bitfield of up to 32 bits, the first at bit `offset` of the struct. */
export const bits = (offset: number, width: number, signed = false): Field<number> => ({
  offset,
  bits: width,
  decode: (view, at) => {
    const raw = readBits(bytesOf(view, at), { offset, bits: width }, 'little');
    return Number(signed ? BigInt.asIntN(width, raw) : raw);
  },
  encode: (view, at, value, path) =>
    writeBits(
      bytesOf(view, at),
      { offset, bits: width },
      BigInt.asUintN(width, bitInteger(value, width, signed, path)),
      'little',
    ),
});

/** A bitfield wider than 32 bits. */
export const wideBits = (offset: number, width: number, signed = false): Field<bigint> => ({
  offset,
  bits: width,
  decode: (view, at) => {
    const raw = readBits(bytesOf(view, at), { offset, bits: width }, 'little');
    return signed ? BigInt.asIntN(width, raw) : raw;
  },
  encode: (view, at, value, path) =>
    writeBits(
      bytesOf(view, at),
      { offset, bits: width },
      BigInt.asUintN(width, bitInteger(value, width, signed, path)),
      'little',
    ),
});

/** A `_Bool` bitfield. */
export const boolBits = (offset: number, width: number): Field<boolean> => {
  const { decode, encode } = bits(offset, width);
  return {
    offset,
    bits: width,
    decode: (view, at) => decode(view, at) !== 0,
    encode(view, at, value, path) {
      if (typeof value !== 'boolean') fail(badValue({}, path, `is ${String(value)}, not a boolean`));
      encode(view, at, value ? 1 : 0, path);
    },
  };
};

/** A bitfield of an enum: enumerators by name. */
export function enumBits<const T extends Readonly<Record<string, number>>>(
  offset: number,
  width: number,
  values: T,
  signed = false,
): Field<Extract<keyof T, string> | number> {
  const { decode, encode } = bits(offset, width, signed);
  const names = new Map<number, Extract<keyof T, string>>();
  for (const [name, value] of Object.entries(values) as [Extract<keyof T, string>, number][])
    if (!names.has(value)) names.set(value, name);
  return {
    offset,
    bits: width,
    decode: (view, at) => {
      const value = decode(view, at);
      return names.get(value) ?? value;
    },
    encode(view, at, value, path) {
      if (typeof value === 'string' && !Object.hasOwn(values, value))
        fail(badValue({}, path, `is "${value}", which is no enumerator`));
      encode(view, at, typeof value === 'string' ? values[value] : value, path);
    },
  };
}

type FieldsOf<Out, In> = { readonly [K in keyof Out & keyof In]-?: Field<Out[K], NonNullable<In[K]>> };

const overlap = (a: Field<unknown, never>, b: Field<unknown, never>): boolean =>
  a.offset < b.offset + b.bits && b.offset < a.offset + a.bits;

/**
 * A struct or union. Decoding gives every member. Encoding takes every member too, but of those that share bytes (of unions, also of
 * unnamed ones inside) as few as one: what is given must agree where it overlaps.
 */
export function struct<Out extends object, In extends object = Out>(
  size: number,
  fields: FieldsOf<Out, In>,
): Codec<Out, In> {
  const rows = (Object.entries(fields) as [string, Field<unknown, unknown>][]).map(([name, field], i, all) => ({
    name,
    field,
    shared: all.some(([, other], j) => j !== i && overlap(field, other)),
  }));
  const members = new Set(rows.map(({ name }) => name));
  const shared = rows.filter((row) => row.shared);
  return {
    size,
    decode: (view, base) => {
      const out: Record<string, unknown> = {};
      for (const { name, field } of rows) put(out, name, field.decode(view, base));
      return out as Out;
    },
    encode(view, base, value, path) {
      if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
        fail(badValue({}, path, 'must be an object with the members'));
      const given = value as Readonly<Record<string, unknown>>;
      const inside = (name: string): string => (path === '' ? name : `${path}.${name}`);
      for (const name of Object.keys(given)) if (!members.has(name)) fail(badValue({}, inside(name), 'is no member'));
      const has = (name: string): boolean => Object.hasOwn(given, name) && given[name] !== undefined;
      for (const { name, field, shared } of rows) {
        if (has(name)) field.encode(view, base, given[name], inside(name));
        else if (!shared) fail(badValue({}, inside(name), 'is missing'));
      }
      if (shared.length > 0)
        agree(
          view,
          base,
          size,
          shared.filter(({ name }) => has(name)),
          given,
          inside,
        );
    },
  };
}

/** `__proto__` is a name in C. */
function put(out: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(out, name, { value, enumerable: true, writable: true, configurable: true });
  else out[name] = value;
}

/** Raises where a member that was written was written over with something else. */
function agree(
  view: DataView,
  base: number,
  size: number,
  rows: readonly { readonly name: string; readonly field: Field<unknown, unknown> }[],
  given: Readonly<Record<string, unknown>>,
  inside: (name: string) => string,
): void {
  if (rows.length < 2) return;
  const result = bytesOf(view, base);
  for (const { name, field } of rows) {
    const alone = new Uint8Array(size);
    field.encode(new DataView(alone.buffer), 0, given[name], inside(name));
    for (let done = 0; done < field.bits; done += 64) {
      const range = { offset: field.offset + done, bits: Math.min(64, field.bits - done) };
      if (readBits(alone, range, 'little') !== readBits(result, range, 'little'))
        fail(badValue({}, inside(name), 'shares bytes with another member that says otherwise: give one of them'));
    }
  }
}
