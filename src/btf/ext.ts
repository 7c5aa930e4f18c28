// .BTF.ext: function information, source lines and CO-RE relocations of an object, by ELF section.
// Source: Documentation/bpf/btf.rst, section 4.2; the relocation kinds from enum bpf_core_relo_kind of linux/bpf.h.
import { ByteReader, ByteWriter, type Endian } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import { badExt, sectionOutside } from '../base/messages/btf.ts';
import { tooLarge } from '../base/messages/input.ts';
import type { Btf } from './btf.ts';
import { btfEndian, MAX_BTF_BYTES } from './decode.ts';
import type { StringTable } from './encode.ts';
import { BTF_MAGIC, BTF_VERSION } from './format.ts';

/** The kinds of CO-RE relocation, at the index that stands in the file (enum bpf_core_relo_kind). */
export const CORE_KINDS = [
  'field_byte_offset',
  'field_byte_size',
  'field_exists',
  'field_signed',
  'field_lshift_u64',
  'field_rshift_u64',
  'type_id_local',
  'type_id_target',
  'type_exists',
  'type_size',
  'enumval_exists',
  'enumval_value',
  'type_matches',
] as const;

export type CoreKind = (typeof CORE_KINDS)[number];

/** Where in an ELF section's code a record stands, in bytes. */
interface InsnRecord {
  readonly offset: number;
}

export interface FuncInfo extends InsnRecord {
  /** The FUNC that begins here. */
  readonly typeId: number;
}

export interface LineInfo extends InsnRecord {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The source line itself. */
  readonly text: string;
}

export interface CoreRelocation extends InsnRecord {
  /** Root type, in the object's own BTF. */
  readonly typeId: number;
  /** Indices of members, array elements or the enumerator, e.g. `0:1:2`. */
  readonly access: string;
  readonly kind: CoreKind;
}

/** All three kinds of record by the name of the ELF section they are about, each list sorted by offset. */
export interface BtfExt {
  readonly funcs: ReadonlyMap<string, readonly FuncInfo[]>;
  readonly lines: ReadonlyMap<string, readonly LineInfo[]>;
  readonly relocations: ReadonlyMap<string, readonly CoreRelocation[]>;
}

/** magic, version, flags, hdr_len, then offset and length of each part; the third is missing in old files. */
const HEADER_BYTES = { lines: 24, relocations: 32 } as const;
/** The records that BTF version 1 defines; a file may have longer ones. */
const RECORD_BYTES = { funcs: 8, lines: 16, relocations: 16 } as const;

type Part = keyof typeof RECORD_BYTES;

function readPart<T extends InsnRecord>(
  bytes: Uint8Array,
  endian: Endian,
  part: Part,
  btf: Btf,
  place: Place,
  /** The record at a byte offset of the part. */
  record: (reader: ByteReader, at: number, section: string) => T,
): Map<string, T[]> {
  const out = new Map<string, T[]>();
  if (bytes.length === 0) return out;
  const reader = new ByteReader(bytes, endian, place);
  const size = reader.u32(0, 'record size');
  if (size < RECORD_BYTES[part] || size % 4 !== 0) fail(badExt(place, `${part} records of ${size} bytes`));
  let at = 4;
  while (at < bytes.length) {
    const section = btf.string(reader.u32(at, 'section name'));
    const count = reader.u32(at + 4, 'number of records');
    at += 8;
    if (count === 0) fail(badExt({ ...place, offset: at }, `no ${part} records for section '${section}'`));
    if (count * size > bytes.length - at) {
      fail(badExt({ ...place, offset: at }, `${count} ${part} records of ${size} bytes do not fit`));
    }
    const records = out.get(section) ?? [];
    out.set(section, records);
    for (let i = 0; i < count; i++, at += size) {
      records.push(record(reader, at, section));
    }
  }
  for (const records of out.values()) {
    if (!records.every(({ offset }, i) => i === 0 || records[i - 1].offset <= offset))
      records.sort((a, b) => a.offset - b.offset);
  }
  return out;
}

/**
 * Decodes .BTF.ext of either byte order. Names and source lines are looked up in `btf`, the object's own. Errors:
 * `btf/*`, `input/*`.
 */
export function decodeBtfExt(bytes: Uint8Array, btf: Btf, place: Place = {}): BtfExt {
  if (bytes.length > MAX_BTF_BYTES) fail(tooLarge(place, 'the .BTF.ext', bytes.length, MAX_BTF_BYTES));
  const endian = btfEndian(bytes);
  if (endian === undefined) return fail(badExt(place, 'it does not begin with the magic number eb9f'));
  const reader = new ByteReader(bytes, endian, place);
  const version = reader.u8(2);
  if (version !== BTF_VERSION) fail(badExt({ ...place, offset: 2 }, `version ${version}, not ${BTF_VERSION}`));
  const headerLength = reader.u32(4);
  if (headerLength < HEADER_BYTES.lines || headerLength > bytes.length) {
    fail(badExt({ ...place, offset: 4 }, `a header of ${headerLength} bytes`));
  }
  const part = (what: Part, at: number): Uint8Array => {
    if (at + 8 > headerLength) return new Uint8Array(0);
    const offset = headerLength + reader.u32(at);
    const size = reader.u32(at + 4);
    if (offset + size > bytes.length) fail(sectionOutside({ ...place, offset: at }, what, offset, size, bytes.length));
    return reader.slice(offset, size);
  };
  const typeId = (id: number, section: string, offset: number): number => {
    if (id >= btf.count) fail(badExt({ ...place, section, offset }, `type id ${id} does not exist`));
    return id;
  };
  const strings = cachedStrings(btf);
  return {
    funcs: readPart(part('funcs', 8), endian, 'funcs', btf, place, (reader, at, section) => ({
      offset: reader.u32(at),
      typeId: typeId(reader.u32(at + 4), section, at),
    })),
    lines: readPart(part('lines', 16), endian, 'lines', btf, place, (reader, at) => {
      const position = reader.u32(at + 12);
      return {
        offset: reader.u32(at),
        file: strings(reader.u32(at + 4)),
        line: lineIn(position),
        column: columnIn(position),
        text: strings(reader.u32(at + 8)),
      };
    }),
    relocations: readPart(part('relocations', 24), endian, 'relocations', btf, place, (reader, at, section) => {
      const number = reader.u32(at + 12);
      const kind = CORE_KINDS[number];
      if (kind === undefined)
        return fail(badExt({ ...place, section, offset: at }, `CO-RE relocation kind ${number} is not known`));
      const type = typeId(reader.u32(at + 4), section, at);
      return { offset: reader.u32(at), typeId: type, access: strings(reader.u32(at + 8)), kind };
    }),
  };
}

/** Line and column are in one word of struct bpf_line_info (BPF_LINE_INFO_LINE_NUM, BPF_LINE_INFO_LINE_COL). */
const lineIn = (word: number): number => word >>> 10;
const columnIn = (word: number): number => word & 0x3ff;

/** A struct bpf_line_info as the kernel takes and gives it: slot, file, text and position. */
export const lineInfo = (btf: Btf, [slot, file, text, position]: readonly number[]) => ({
  slot,
  file: btf.string(file),
  line: lineIn(position),
  column: columnIn(position),
  text: btf.string(text).trim(),
});

/** Source lines repeat their file's name: look each offset up once. */
function cachedStrings(btf: Btf): (offset: number) => string {
  const known = new Map<number, string>();
  return (offset) => {
    let found = known.get(offset);
    if (found === undefined) known.set(offset, (found = btf.string(offset)));
    return found;
  };
}

/**
 * Writes .BTF.ext. Its strings are added to `strings`, which must then be given to {@link encodeBtf}: both sections
 * share the one string part.
 */
export function encodeBtfExt(ext: BtfExt, strings: StringTable, endian: Endian = 'little'): Uint8Array<ArrayBuffer> {
  const part = <T extends InsnRecord>(
    what: Part,
    sections: ReadonlyMap<string, readonly T[]>,
    record: (value: T) => readonly number[],
  ): Uint8Array => {
    const out = new ByteWriter(endian);
    const filled = [...sections].filter(([, records]) => records.length > 0);
    if (filled.length > 0) out.u32(RECORD_BYTES[what]);
    for (const [section, records] of filled) {
      out.u32(strings.add(section)).u32(records.length);
      for (const value of records) for (const word of record(value)) out.u32(word);
    }
    return out.finish();
  };
  const parts = [
    part('funcs', ext.funcs, (f) => [f.offset, f.typeId]),
    part('lines', ext.lines, (l) => [
      l.offset,
      strings.add(l.file),
      strings.add(l.text),
      ((l.line << 10) | (l.column & 0x3ff)) >>> 0,
    ]),
    part('relocations', ext.relocations, (r) => [
      r.offset,
      r.typeId,
      strings.add(r.access),
      CORE_KINDS.indexOf(r.kind),
    ]),
  ];
  const out = new ByteWriter(endian).u16(BTF_MAGIC).u8(BTF_VERSION).u8(0).u32(HEADER_BYTES.relocations);
  let offset = 0;
  for (const bytes of parts) {
    out.u32(offset).u32(bytes.length);
    offset += bytes.length;
  }
  for (const bytes of parts) out.bytes(bytes);
  return out.finish();
}

/** The last record at or before a byte offset, in a list sorted by offset. */
function lastAt<T extends InsnRecord>(records: readonly T[] | undefined, offset: number): T | undefined {
  if (records === undefined) return undefined;
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle].offset <= offset) low = middle + 1;
    else high = middle;
  }
  return records[low - 1];
}

/** The source line of the instruction at a byte offset of an ELF section. */
export const lineAt = (ext: BtfExt, section: string, byteOffset: number): LineInfo | undefined =>
  lastAt(ext.lines.get(section), byteOffset);

/** The function that begins exactly at a byte offset of an ELF section. */
export function funcAt(ext: BtfExt, section: string, byteOffset: number): FuncInfo | undefined {
  const found = lastAt(ext.funcs.get(section), byteOffset);
  return found?.offset === byteOffset ? found : undefined;
}
