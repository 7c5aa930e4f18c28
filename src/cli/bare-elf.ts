// The program of an ELF file as bpf_conformance makes them: function `main` in section `.text` or `xdp`, no maps.
import { concatBytes } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { noElfProgram } from '../base/messages/conformance.ts';
import { RELOCATION } from '../elf/format.ts';
import { relocationsOf, symbolByName } from '../elf/lookup.ts';
import { readElf } from '../elf/read.ts';
import { encodeProgram, makeInsn, SLOT_SIZE, toLittleEndian } from '../isa/insn.ts';

const SECTIONS = ['.text', 'xdp'];

/** The section's instructions, calls resolved, starting with (or with a jump to) `main`. */
export function programOfElf(bytes: Uint8Array): Uint8Array {
  const file = readElf(bytes);
  const main = symbolByName(file, 'main') ?? fail(noElfProgram({}, 'no function is named "main"'));
  const section = typeof main.section === 'number' ? file.sections[main.section] : undefined;
  if (section === undefined || !SECTIONS.includes(section.name)) {
    return fail(noElfProgram({}, `"main" is in none of the sections ${SECTIONS.join(', ')}`));
  }
  const code = toLittleEndian(section.data, file.endian, { section: section.name });
  const view = new DataView(code.buffer);
  for (const { type, offset, symbol } of relocationsOf(file, section.index)) {
    const target = file.symbols[symbol];
    const isCall = type === RELOCATION.R_BPF_64_32 && offset % SLOT_SIZE === 0 && offset < code.length;
    if (!isCall || target?.section !== section.index) {
      fail(noElfProgram({ section: section.name, offset }, 'it refers to something outside its section'));
    }
    // The function's slot is the symbol's plus what the instruction holds: -1 for the symbol itself.
    const slot = target.value / SLOT_SIZE + view.getInt32(offset + 4, true) + 1;
    view.setInt32(offset + 4, slot - (offset / SLOT_SIZE + 1), true);
  }
  if (main.value === 0) return code;
  return concatBytes([encodeProgram([makeInsn('ja32', { imm: main.value / SLOT_SIZE })]), code]);
}
