import type { Endian } from '../../src/base/bytes.ts';
import { ByteWriter, concatBytes } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';

/** A pcapng block built by hand: the tests of the reader must not lean on the writer. */
export function block(type: number, body: Uint8Array, endian: Endian = 'little', trailer?: number): Uint8Array {
  const length = 12 + Math.ceil(body.length / 4) * 4;
  return new ByteWriter(endian)
    .u32(type)
    .u32(length)
    .bytes(body)
    .align(4)
    .u32(trailer ?? length)
    .finish();
}

export const section = (endian: Endian = 'little', major = 1): Uint8Array =>
  block(
    0x0a0d0d0a,
    new ByteWriter(endian).u32(0x1a2b3c4d).u16(major).u16(0).u64(0xffff_ffff_ffff_ffffn).finish(),
    endian,
  );

export function option(code: number, value: Uint8Array, endian: Endian = 'little'): Uint8Array {
  return new ByteWriter(endian).u16(code).u16(value.length).bytes(value).align(4).finish();
}

export const idb = (
  linkType: number,
  snapLength: number,
  options: readonly Uint8Array[] = [],
  endian: Endian = 'little',
): Uint8Array =>
  block(1, concatBytes([new ByteWriter(endian).u16(linkType).u16(0).u32(snapLength).finish(), ...options]), endian);

export function epb(
  iface: number,
  ticks: bigint,
  data: Uint8Array,
  options: readonly Uint8Array[] = [],
  endian: Endian = 'little',
  captured = data.length,
): Uint8Array {
  const body = new ByteWriter(endian).u32(iface);
  body.u32(Number(ticks >> 32n)).u32(Number(ticks & 0xffff_ffffn));
  body.u32(captured).u32(data.length).bytes(data).align(4);
  for (const o of options) body.bytes(o);
  return block(6, body.finish(), endian);
}

/** The diagnostic that `body` raises; fails where it raises anything else or nothing. */
export function refusal(body: () => unknown): AnyBpfError['diagnostic'] {
  try {
    body();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.diagnostic;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Cuts bytes into chunks of these sizes, the last size again and again. */
export async function* chunked(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[Math.min(i, sizes.length - 1)]);
    yield bytes.slice(at, at + size);
    at += size;
  }
}
