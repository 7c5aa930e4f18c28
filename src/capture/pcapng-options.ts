// Options of pcapng blocks: code, length, value, padded to 4 bytes.
import { alignUp, ByteReader, ByteWriter, type Endian, text, utf8 } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import { badBlock, cannotWrite } from '../base/messages/capture.ts';
import { OPTIONS } from './pcapng-format.ts';

export interface Option {
  readonly code: number;
  readonly value: Uint8Array;
}

/** The options in `bytes`, up to opt_endofopt or the end. `place.offset` is the file offset of the first byte. */
export function readOptions(bytes: Uint8Array, endian: Endian, place: Place): Option[] {
  const reader = new ByteReader(bytes, endian);
  const options: Option[] = [];
  const bad = (at: number, why: string): never =>
    fail(badBlock({ ...place, offset: (place.offset ?? 0) + at }, 'an option', why));
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) bad(at, 'is cut off by the end of its block');
    const code = reader.u16(at);
    const length = reader.u16(at + 2);
    if (code === OPTIONS.end) break;
    if (at + 4 + length > bytes.length) bad(at, `of ${length} bytes reaches past the end of its block`);
    options.push({ code, value: bytes.subarray(at + 4, at + 4 + length) });
    at += 4 + alignUp(length, 4);
  }
  return options;
}

export const optionTexts = (options: readonly Option[], code: number): string[] =>
  options.filter((o) => o.code === code).map((o) => text(o.value));

/** The value of the first option of this code that has this many bytes; others are passed over, as Wireshark does. */
export const optionValue = (options: readonly Option[], code: number, size: number, endian: Endian) => {
  const found = options.find((o) => o.code === code && o.value.length === size);
  return found === undefined ? undefined : new ByteReader(found.value, endian);
};

/** Appends options and opt_endofopt; nothing where there are none. */
export function writeOptions(out: ByteWriter, options: readonly Option[]): void {
  for (const { code, value } of options) {
    if (value.length > 0xffff) fail(cannotWrite({}, `an option of ${value.length} bytes is longer than 65535`));
    out.u16(code).u16(value.length).bytes(value).align(4);
  }
  if (options.length > 0) out.u16(OPTIONS.end).u16(0);
}

export const textOption = (code: number, value: string): Option => ({ code, value: utf8(value) });

export const u64Option = (code: number, value: bigint, endian: Endian): Option => ({
  code,
  value: new ByteWriter(endian).u64(value).finish(),
});
