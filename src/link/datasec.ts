// Compilers leave the sizes of DATASEC types, and the offsets of their global variables, to the linker: 0 in the file.
// Here they get what the section headers and symbols say, so that data sections can be read through BTF, and the kernel
// takes it (libbpf's btf_fixup_datasec).
import { ByteReader, type Endian } from '../base/bytes.ts';
import type { Btf } from '../btf/btf.ts';
import { BTF_TYPE_BYTES, KIND_NAMES, KINDS } from '../btf/format.ts';
import type { ElfFile } from '../elf/format.ts';

/** Where the variables of one section lie. */
export interface SectionLayout {
  /** Bytes. */
  readonly size: number;
  /** Byte offset by variable name. Others keep what BTF says: static variables, which compilers place themselves. */
  readonly offsets: ReadonlyMap<string, number>;
}

/** The layout of every section that symbols name variables in. */
export function sectionLayouts(elf: ElfFile): Map<string, SectionLayout> {
  const layouts = new Map<string, { size: number; offsets: Map<string, number> }>();
  for (const section of elf.sections) {
    if (section.size > 0 && !layouts.has(section.name))
      layouts.set(section.name, { size: section.size, offsets: new Map() });
  }
  for (const symbol of elf.symbols) {
    if (typeof symbol.section !== 'number' || symbol.name === '' || symbol.binding === 0) continue;
    layouts.get(elf.sections[symbol.section].name)?.offsets.set(symbol.name, symbol.value);
  }
  return layouts;
}

/** Byte offsets of the DATASEC types in the whole BTF. */
function* datasecs(reader: ByteReader): Generator<number> {
  const start = reader.u32(4) + reader.u32(8);
  const end = start + reader.u32(12);
  for (let at = start; at < end; ) {
    const info = reader.u32(at + 4);
    const kind = KIND_NAMES[(info >>> 24) & 0x1f];
    if (kind === 'datasec') yield at;
    at += BTF_TYPE_BYTES + KINDS[kind].fixed + (info & 0xffff) * KINDS[kind].item;
  }
}

const isStatic = (btf: Btf, id: number): boolean => {
  const type = btf.type(id);
  return type.kind === 'var' && type.linkage === 0;
};

/**
 * A copy of raw BTF in which each DATASEC of size 0 has the size and offsets of its layout, and all have their variables
 * in ascending order. `btf` is the same BTF, decoded: it has checked the bytes. Objects that a linker has finished have
 * sizes, and keep them.
 */
export function layOutDatasecs(
  bytes: Uint8Array,
  btf: Btf,
  layouts: ReadonlyMap<string, SectionLayout>,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes);
  const little = btf.endian === 'little';
  const view = new DataView(out.buffer);
  const reader = new ByteReader(bytes, btf.endian satisfies Endian);
  for (const at of datasecs(reader)) {
    const layout = layouts.get(btf.string(reader.u32(at)));
    const isOpen = reader.u32(at + 8) === 0 && layout !== undefined;
    if (isOpen) view.setUint32(at + 8, layout.size, little);
    const first = at + BTF_TYPE_BYTES;
    const vars = Array.from({ length: reader.u32(at + 4) & 0xffff }, (_, i) => {
      const entry = first + 12 * i;
      const type = reader.u32(entry);
      const own = reader.u32(entry + 4);
      const known = isOpen && !isStatic(btf, type) ? layout.offsets.get(btf.nameOf(type)) : undefined;
      return { type, offset: known ?? own, size: reader.u32(entry + 8) };
    });
    vars.sort((a, b) => a.offset - b.offset);
    for (const [i, { type, offset, size }] of vars.entries()) {
      const entry = first + 12 * i;
      view.setUint32(entry, type, little);
      view.setUint32(entry + 4, offset, little);
      view.setUint32(entry + 8, size, little);
    }
  }
  return out;
}
