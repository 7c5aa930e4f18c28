// Objects from parts, for cases that no compiler writes: sections of slots, legacy map structs, `.maps` from a few lines.
import { ByteWriter, type Endian, utf8 } from '../../src/base/bytes.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { buildElf, type NewSection, type NewSymbol } from '../../src/elf/build.ts';
import { SHF, STB, STT } from '../../src/elf/format.ts';

/** opcode, dst, src, off, imm. */
export type Fields = readonly [opcode: number, dst?: number, src?: number, off?: number, imm?: number];

export const EXIT: Fields = [0x95];
export const MOV: Fields = [0xb7, 0, 0, 0, 1];
/** `lddw` with the two immediates; reg 1. */
export const lddw = (imm = 0, next = 0): Fields[] => [
  [0x18, 1, 0, 0, imm],
  [0, 0, 0, 0, next],
];
export const call = (imm = -1, src = 1): Fields => [0x85, 0, src, 0, imm];

export function slots(insns: readonly Fields[], endian: Endian = 'little'): Uint8Array {
  const out = new ByteWriter(endian);
  for (const [opcode, dst = 0, src = 0, off = 0, imm = 0] of insns) {
    const registers = endian === 'little' ? (src << 4) | dst : (dst << 4) | src;
    out
      .u8(opcode)
      .u8(registers)
      .u16(off & 0xffff)
      .u32(imm >>> 0);
  }
  return out.finish();
}

export const words = (...values: number[]): Uint8Array => {
  const out = new ByteWriter();
  for (const value of values) out.u32(value >>> 0);
  return out.finish();
};

/** An executable section. */
export const code = (name: string, insns: readonly Fields[], relocations?: NewSection['relocations']): NewSection => ({
  name,
  flags: SHF.ALLOC | SHF.EXECINSTR,
  align: 8,
  data: slots(insns),
  ...(relocations === undefined ? {} : { relocations }),
});

/** A section of data. */
export const data = (name: string, bytes: Uint8Array, relocations?: NewSection['relocations']): NewSection => ({
  name,
  flags: SHF.ALLOC | SHF.WRITE,
  align: 8,
  data: bytes,
  ...(relocations === undefined ? {} : { relocations }),
});

export const func = (
  name: string,
  section: string,
  slot: number,
  length: number,
  binding: number = STB.GLOBAL,
): NewSymbol => ({
  name,
  section,
  value: 8 * slot,
  size: 8 * length,
  type: STT.FUNC,
  binding,
});

export const object = (name: string, section: string, value: number, size: number): NewSymbol => ({
  name,
  section,
  value,
  size,
  type: STT.OBJECT,
  binding: STB.GLOBAL,
});

/** R_BPF_64_64 or R_BPF_64_32 at a slot; `symbol` is an index into the symbols given. */
export const relocate = (slot: number, symbol: number, type: 1 | 10 = 1) => ({ offset: 8 * slot, type, symbol });

/** A whole object with a licence. */
export const build = (sections: readonly NewSection[], symbols: readonly NewSymbol[]): Uint8Array =>
  buildElf({ sections: [...sections, data('license', utf8('GPL\0'))], symbols });

/** A member of a map definition: a number is __uint, a type __type, a list __array of its one type, else of inner maps. */
export type Member = readonly [
  name: string,
  value: number | BtfType | readonly [BtfType] | { readonly inner: readonly Member[] },
];

/** BTF of one map `m` in `.maps`, and the bytes of its variable. */
export function mapBtf(members: readonly Member[]): { readonly btf: Uint8Array; readonly size: number } {
  const types: BtfType[] = [];
  const add = (type: BtfType): number => types.push(type);
  const int = add({ kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 });
  const array = (element: number, length: number): number => add({ kind: 'array', element, index: int, length });
  const struct = (of: readonly Member[]): number => {
    const laidOut = of.map(([name, value], i) => {
      let type: number;
      if (typeof value === 'number') type = add({ kind: 'ptr', type: array(int, value) });
      else if ('inner' in value) type = array(add({ kind: 'ptr', type: struct(value.inner) }), 0);
      else if ('kind' in value) type = add({ kind: 'ptr', type: add(value) });
      else type = array(add({ kind: 'ptr', type: add(value[0]) }), 0);
      return { name, type, bitOffset: 64 * i, bitSize: 0 };
    });
    return add({ kind: 'struct', name: '', size: 8 * of.length, kindFlag: false, members: laidOut });
  };
  const size = 8 * members.length;
  const variable = add({ kind: 'var', name: 'm', type: struct(members), linkage: 1 });
  add({ kind: 'datasec', name: '.maps', size: 0, vars: [{ type: variable, offset: 0, size }] });
  return { btf: encodeBtf(types), size };
}
