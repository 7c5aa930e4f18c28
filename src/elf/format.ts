// The ELF64 structures as plain data, and the numbers that BPF objects use.
// Sources: the System V gABI chapters 4 and 5; Linux include/uapi/linux/elf.h; the BPF relocation types of
// Documentation/bpf/llvm_reloc.rst.
import type { Endian } from '../base/bytes.ts';

/** e_type. */
export const ET = { NONE: 0, REL: 1, EXEC: 2, DYN: 3, CORE: 4 } as const;

/** e_machine of eBPF. Old compilers write 0 (EM_NONE). */
export const EM_BPF = 247;

/** sh_type. */
export const SHT = {
  NULL: 0,
  PROGBITS: 1,
  SYMTAB: 2,
  STRTAB: 3,
  RELA: 4,
  HASH: 5,
  DYNAMIC: 6,
  NOTE: 7,
  NOBITS: 8,
  REL: 9,
  DYNSYM: 11,
  GROUP: 17,
  SYMTAB_SHNDX: 18,
  LLVM_ADDRSIG: 0x6fff4c03,
} as const;

/** sh_flags. */
export const SHF = {
  WRITE: 1,
  ALLOC: 2,
  EXECINSTR: 4,
  MERGE: 0x10,
  STRINGS: 0x20,
  INFO_LINK: 0x40,
  LINK_ORDER: 0x80,
  GROUP: 0x200,
  TLS: 0x400,
  COMPRESSED: 0x800,
} as const;

/** Low half of st_info. */
export const STT = { NOTYPE: 0, OBJECT: 1, FUNC: 2, SECTION: 3, FILE: 4, COMMON: 5, TLS: 6 } as const;

/** High half of st_info. */
export const STB = { LOCAL: 0, GLOBAL: 1, WEAK: 2 } as const;

/** Low two bits of st_other. */
export const STV = { DEFAULT: 0, INTERNAL: 1, HIDDEN: 2, PROTECTED: 3 } as const;

/** Relocation types of the BPF target, under their own names. */
export const RELOCATION = {
  R_BPF_NONE: 0,
  /** The 64-bit immediate of an `lddw`: map or global data. */
  R_BPF_64_64: 1,
  /** A 64-bit word of data. */
  R_BPF_64_ABS64: 2,
  /** A 32-bit word of data. */
  R_BPF_64_ABS32: 3,
  /** A 32-bit word of .BTF or .BTF.ext, which no loader needs to patch. */
  R_BPF_64_NODYLD32: 4,
  /** The 32-bit immediate of a call. */
  R_BPF_64_32: 10,
} as const;

/** Special values of st_shndx. */
export const SHN = { UNDEF: 0, LORESERVE: 0xff00, ABS: 0xfff1, COMMON: 0xfff2, XINDEX: 0xffff } as const;

/** Sizes of the ELF64 structures in bytes. */
export const ELF_SIZES = { header: 64, section: 64, symbol: 24, rel: 16, rela: 24 } as const;

/** One entry of a REL or RELA section. */
export interface ElfRelocation {
  /** Byte offset in the section that the relocation patches. */
  readonly offset: number;
  /** A value of {@link RELOCATION}, or whatever the file holds. */
  readonly type: number;
  /** Index into {@link ElfFile.symbols}. */
  readonly symbol: number;
  /** Only in RELA; in REL the addend stands in the bytes to be patched. */
  readonly addend?: bigint;
}

export interface ElfSection {
  /** Position in the section header table; 0 is the null section. */
  readonly index: number;
  readonly name: string;
  /** A value of {@link SHT}, or another number. */
  readonly type: number;
  /** A union of {@link SHF}. */
  readonly flags: number;
  readonly addr: bigint;
  /** File offset. */
  readonly offset: number;
  /** Declared size in bytes: `data.length`, except in NOBITS sections, which have no data. */
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
  readonly entsize: number;
  /** A view into the file's bytes; empty in NOBITS sections. */
  readonly data: Uint8Array;
  /** Decoded entries, where this is a REL or RELA section; `info` is the section they patch. */
  readonly relocations?: readonly ElfRelocation[];
}

/** Where a symbol lives: a section index, or one of the special places. */
export type SymbolSection = number | 'undef' | 'abs' | 'common';

export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  /** In relocatable objects the byte offset in the section. */
  readonly value: number;
  readonly size: number;
  /** A value of {@link STT}. */
  readonly type: number;
  /** A value of {@link STB}. */
  readonly binding: number;
  /** A value of {@link STV}. */
  readonly visibility: number;
  readonly section: SymbolSection;
}

export interface ElfHeader {
  readonly endian: Endian;
  /** e_type, {@link ET}. */
  readonly type: number;
  /** e_machine, {@link EM_BPF}. */
  readonly machine: number;
  /** e_flags. */
  readonly flags: number;
  /** e_shstrndx: the section that holds the names of sections. */
  readonly nameTable: number;
}

/** A file's header and sections, without its symbols. */
export interface ElfSections extends ElfHeader {
  readonly sections: readonly ElfSection[];
}

/** A whole object: `sections[i].index === i`, `symbols[i].index === i`. */
export interface ElfFile extends ElfSections {
  readonly symbols: readonly ElfSymbol[];
}
