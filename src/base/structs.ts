// C structs as rows: field names in order, each with its size, at natural alignment. One description reads and writes.
import { alignUp, text, utf8 } from './bytes.ts';

/** A number of bytes stands for an array of so many. */
export type FieldKind = 'u32' | 's32' | 'u64' | number;
export type Layout = Readonly<Record<string, FieldKind>>;

/** What fields hold: numbers, bigint for 64 bits, bytes. */
export type Fields<L extends Layout> = {
  -readonly [F in keyof L]: L[F] extends 'u64' ? bigint : L[F] extends number ? Uint8Array : number;
};

/** A laid-out struct. */
export interface Struct<L extends Layout> {
  readonly layout: L;
  readonly offsets: { readonly [F in keyof L]: number };
  /** Bytes up to the end of the last field. */
  readonly end: number;
  /** sizeof: the end rounded up to the largest alignment. */
  readonly size: number;
}

const sizeOf = (kind: FieldKind): number => (typeof kind === 'number' ? kind : kind === 'u64' ? 8 : 4);
const alignOf = (kind: FieldKind): number => (typeof kind === 'number' ? 1 : sizeOf(kind));

/** Lays out the fields in order, as C does. */
export function struct<const L extends Layout>(layout: L): Struct<L> {
  const offsets: Record<string, number> = {};
  let end = 0;
  let align = 1;
  for (const [name, kind] of Object.entries(layout)) {
    align = Math.max(align, alignOf(kind));
    offsets[name] = alignUp(end, alignOf(kind));
    end = offsets[name] + sizeOf(kind);
  }
  return { layout, offsets: offsets as { [F in keyof L]: number }, end, size: alignUp(end, align) };
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Reads all fields; what lies past the end of the bytes is zero. */
export function read<L extends Layout>(form: Struct<L>, bytes: Uint8Array): Fields<L> {
  const whole = new Uint8Array(form.size);
  whole.set(bytes.subarray(0, form.size));
  const view = viewOf(whole);
  const fields = Object.entries(form.layout).map(([name, kind]) => {
    const at = form.offsets[name];
    if (typeof kind === 'number') return [name, whole.slice(at, at + kind)] as const;
    if (kind === 'u64') return [name, view.getBigUint64(at, true)] as const;
    return [name, kind === 'u32' ? view.getUint32(at, true) : view.getInt32(at, true)] as const;
  });
  return Object.fromEntries(fields) as Fields<L>;
}

/** Writes the given fields over what is there; those past the end of the bytes are left out. */
export function write<L extends Layout>(form: Struct<L>, bytes: Uint8Array, values: Partial<Fields<L>>): void {
  const view = viewOf(bytes);
  for (const [name, value] of Object.entries(values) as [string, number | bigint | Uint8Array | undefined][]) {
    const at = form.offsets[name];
    const kind = form.layout[name];
    if (value === undefined || at + sizeOf(kind) > bytes.length) continue;
    if (value instanceof Uint8Array) bytes.set(value.subarray(0, sizeOf(kind)), at);
    else if (typeof value === 'bigint') view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else view.setUint32(at, value >>> 0, true);
  }
}

/** A name in an array of so many bytes, cut so that a NUL follows it. */
export function nameBytes(name: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(utf8(name).subarray(0, size - 1));
  return bytes;
}

/** The name in such an array; undefined where no NUL ends it. */
export function nameIn(bytes: Uint8Array): string | undefined {
  const end = bytes.indexOf(0);
  return end < 0 ? undefined : text(bytes.subarray(0, end));
}

/** u32 numbers as bytes, and back. */
export const words = (numbers: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(numbers.length * 4);
  const view = viewOf(bytes);
  numbers.forEach((n, i) => view.setUint32(i * 4, n >>> 0, true));
  return bytes;
};
