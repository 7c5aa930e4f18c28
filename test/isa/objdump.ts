// What llvm-objdump prints beside what our disassembler prints.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Endian } from '../../src/base/bytes.ts';
import { SHF } from '../../src/elf/format.ts';
import { readElf } from '../../src/elf/read.ts';
import { disassembleLines } from '../../src/isa/disassembler.ts';
import { type Insn, toLittleEndian } from '../../src/isa/insn.ts';
import { OPS } from '../../src/isa/opcodes.ts';

/** `section:slot` to text, as llvm-objdump prints it. */
function objdump(file: string, endian: Endian): Map<string, string> {
  // Old objects have no machine number, so the target is named.
  const target = `--triple=${endian === 'little' ? 'bpfel' : 'bpfeb'}`;
  const text = execFileSync('llvm-objdump', ['-d', '--no-show-raw-insn', target, file], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = new Map<string, string>();
  let section = '';
  for (const line of text.split('\n')) {
    section = /^Disassembly of section (.*):$/.exec(line)?.[1] ?? section;
    const match = /^\s+(\d+):\t(.*)$/.exec(line);
    // `goto +3 <main+0x20>`: where it goes is an addition, not syntax
    if (match !== null) lines.set(`${section}:${match[1]}`, match[2].replace(/(goto [-+]\d+) <.+>$/, '$1').trim());
  }
  return lines;
}

/** What llvm-objdump 14 does not print, or prints otherwise; newer ones do as we do. */
function isNewer({ op }: Insn): boolean {
  const { operation, opcode } = OPS[op];
  return operation === 'mod' || opcode === OPS.atomic32_add.opcode;
}

export interface Comparison {
  /** Instructions compared. */
  compared: number;
  readonly differences: string[];
}

/** Compares all code of an object. */
export function compareWithObjdump(file: string): Comparison {
  const elf = readElf(new Uint8Array(readFileSync(file)));
  const theirs = objdump(file, elf.endian);
  const result: Comparison = { compared: 0, differences: [] };
  for (const section of elf.sections) {
    if ((section.flags & SHF.EXECINSTR) === 0 || section.data.length === 0) continue;
    const code = toLittleEndian(section.data, elf.endian, { section: section.name });
    for (const { slot, insn, text } of disassembleLines(code)) {
      const other = theirs.get(`${section.name}:${slot}`);
      // A section without a function is not shown by llvm-objdump.
      if (other === undefined) continue;
      result.compared++;
      // A call within the program says so: llvm-objdump prints the same as for a helper.
      const plain = insn.op === 'call_local' ? `call ${insn.imm}` : text;
      if (other !== plain && !isNewer(insn)) {
        result.differences.push(`${file}, ${section.name}, slot ${slot}: ours "${plain}", llvm-objdump "${other}"`);
      }
    }
  }
  return result;
}

export function compareAll(files: readonly string[]): Comparison {
  const all: Comparison = { compared: 0, differences: [] };
  for (const file of files) {
    const { compared, differences } = compareWithObjdump(file);
    all.compared += compared;
    all.differences.push(...differences);
  }
  return all;
}
