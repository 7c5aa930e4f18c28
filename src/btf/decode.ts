// Bytes -> Btf. One pass finds and checks every type; nothing is decoded yet.
import { ByteReader, type Endian } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import {
  badString,
  badStrings,
  badTypeId,
  notBtf,
  sectionOutside,
  typeTruncated,
  unknownKind,
} from '../base/messages/btf.ts';
import { tooLarge } from '../base/messages/input.ts';
import { Btf } from './btf.ts';
import { BTF_HEADER_BYTES, BTF_MAGIC, BTF_TYPE_BYTES, BTF_VERSION, KIND_NAMES, KINDS } from './format.ts';

/** The largest BTF that is read, in bytes. */
export const MAX_BTF_BYTES = 64 << 20;

export interface DecodeBtfOptions {
  /** Of a split BTF (a kernel module's): what it continues. */
  readonly base?: Btf;
  /** Where the bytes come from. */
  readonly place?: Place;
}

/** The byte order that a magic number at the start of .BTF or .BTF.ext shows, if it is one. */
export function btfEndian(bytes: Uint8Array): Endian | undefined {
  const [first, second] = bytes;
  if (first === (BTF_MAGIC & 0xff) && second === BTF_MAGIC >> 8) return 'little';
  if (first === BTF_MAGIC >> 8 && second === (BTF_MAGIC & 0xff)) return 'big';
  return undefined;
}

/**
 * Decodes raw BTF (a .BTF section, /sys/kernel/btf/*) of either byte order. Checks everything that reading needs: bounds,
 * kinds, string offsets, type ids; the kernel's further demands are {@link checkBtf}'s. Errors: `btf/*`, `input/*`.
 */
export function decodeBtf(bytes: Uint8Array, options: DecodeBtfOptions = {}): Btf {
  const { base, place = {} } = options;
  if (bytes.length > MAX_BTF_BYTES) fail(tooLarge(place, 'the BTF', bytes.length, MAX_BTF_BYTES));
  const endian = btfEndian(bytes);
  if (endian === undefined) return fail(notBtf(place, 'it does not begin with the magic number eb9f'));
  if (base !== undefined && base.endian !== endian) fail(notBtf(place, 'its byte order is not that of its base'));
  const reader = new ByteReader(bytes, endian, place);
  const version = reader.u8(2);
  if (version !== BTF_VERSION) fail(notBtf({ ...place, offset: 2 }, `version ${version}, not ${BTF_VERSION}`));
  const headerLength = reader.u32(4, 'BTF header');
  if (headerLength < BTF_HEADER_BYTES || headerLength > bytes.length) {
    fail(notBtf({ ...place, offset: 4 }, `a header of ${headerLength} bytes`));
  }
  const part = (what: string, at: number): Uint8Array => {
    const offset = reader.u32(at);
    const size = reader.u32(at + 4);
    if (headerLength + offset + size > bytes.length) {
      fail(sectionOutside({ ...place, offset: at }, what, headerLength + offset, size, bytes.length));
    }
    return reader.slice(headerLength + offset, size);
  };
  const types = part('type', 8);
  const strings = part('string', 16);
  const stringStart = base?.stringEnd ?? 0;
  if (strings.length > 0 && strings[strings.length - 1] !== 0) fail(badStrings(place, 'its last byte is not NUL'));
  if (base === undefined && strings.length > 0 && strings[0] !== 0)
    fail(badStrings(place, 'its first string is not empty'));

  const view = new DataView(types.buffer, types.byteOffset, types.byteLength);
  const firstId = base?.count ?? 1;
  const offsets = findTypes(view, endian === 'little', firstId, place);
  checkReferences(view, endian === 'little', offsets, firstId, Math.max(1, stringStart + strings.length), place);
  return new Btf({ bytes, endian, types: view, offsets, strings, stringStart, base, place });
}

const ROWS = KIND_NAMES.map((name) => KINDS[name]);

/** The byte offset of every type. */
function findTypes(view: DataView, little: boolean, firstId: number, place: Place): Uint32Array {
  const offsets = new Uint32Array(Math.floor(view.byteLength / BTF_TYPE_BYTES));
  let count = 0;
  let at = 0;
  while (at < view.byteLength) {
    const left = view.byteLength - at;
    const here = (): Place => ({ ...place, typeId: firstId + count, offset: at });
    if (left < BTF_TYPE_BYTES) fail(typeTruncated(here(), 'type', BTF_TYPE_BYTES, left));
    const info = view.getUint32(at + 4, little);
    const kind = (info >>> 24) & 0x1f;
    if (kind === 0 || kind >= ROWS.length) fail(unknownKind(here(), kind));
    const size = BTF_TYPE_BYTES + ROWS[kind].fixed + (info & 0xffff) * ROWS[kind].item;
    if (size > left) fail(typeTruncated(here(), KIND_NAMES[kind], size, left));
    offsets[count++] = at;
    at += size;
  }
  return offsets.slice(0, count);
}

/** Every type id and string offset inside the types must exist. */
function checkReferences(
  view: DataView,
  little: boolean,
  offsets: Uint32Array,
  firstId: number,
  stringEnd: number,
  place: Place,
): void {
  const count = firstId + offsets.length;
  let typeId = firstId;
  const checkId = (at: number): void => {
    const id = view.getUint32(at, little);
    if (id >= count) fail(badTypeId({ ...place, typeId, offset: at }, id, count - 1));
  };
  const checkName = (at: number): void => {
    const offset = view.getUint32(at, little);
    if (offset >= stringEnd) {
      fail(badString({ ...place, typeId, offset: at }, offset, `lies outside the ${stringEnd} bytes of strings`));
    }
  };
  for (const at of offsets) {
    const info = view.getUint32(at + 4, little);
    const row = ROWS[(info >>> 24) & 0x1f];
    checkName(at);
    if (row.word === 'type') checkId(at + 8);
    for (const field of row.fixedTypes) checkId(at + BTF_TYPE_BYTES + field);
    if (row.item > 0) {
      let item = at + BTF_TYPE_BYTES + row.fixed;
      for (let i = info & 0xffff; i > 0; i--, item += row.item) {
        if (row.itemNamed) checkName(item);
        if (row.itemType >= 0) checkId(item + row.itemType);
      }
    }
    typeId++;
  }
}
