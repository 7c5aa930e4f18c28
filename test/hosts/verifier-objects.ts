// Object files with programs that cost the verifier more than it has.
import { utf8 } from '../../src/base/bytes.ts';
import { buildElf } from '../../src/elf/build.ts';
import { SHF, STB, STT } from '../../src/elf/format.ts';
import { assemble } from '../../src/isa/assembler.ts';

const section = (name: string): string => `socket/${name}`;

/** An object of socket filters, by function name. */
export function objectOf(programs: Readonly<Record<string, string>>): Uint8Array {
  const parts = Object.entries(programs).map(([name, text]) => ({ name, code: assemble(text, {}).code }));
  return buildElf({
    sections: [
      ...parts.map(({ name, code }) => ({
        name: section(name),
        flags: SHF.ALLOC | SHF.EXECINSTR,
        align: 8,
        data: code,
      })),
      { name: 'license', flags: SHF.ALLOC | SHF.WRITE, data: utf8('GPL\0') },
    ],
    symbols: [
      ...parts.map(({ name, code }) => ({
        name,
        section: section(name),
        size: code.length,
        type: STT.FUNC,
        binding: STB.GLOBAL,
      })),
      { name: '_license', section: 'license', size: 4, type: STT.OBJECT, binding: STB.GLOBAL },
    ],
  });
}

export const GOOD = 'r0 = 0\nexit';
export const BAD = 'r0 = *(u64 *)(r0 + 0)\nexit';

/** Each of the paths ends with a number of its own, which an access depends on: 2^bits states, of which none answers for another. */
export function paths(bits: number): string {
  const lines = ['r6 = 0', '*(u64 *)(r10 - 8) = 0'];
  for (let bit = 0; bit < bits; bit++) {
    lines.push('call 7', 'r0 &= 1', `if r0 == 0 goto b${bit}`, `r6 += ${2 ** bit}`, `b${bit}:`);
    lines.push(`*(u64 *)(r10 - ${16 + 8 * (bit % 8)}) = r6`);
  }
  lines.push(`r6 >>= ${bits}`, 'r1 = r10', 'r1 += r6', 'r0 = *(u8 *)(r1 - 8)', 'exit');
  return lines.join('\n');
}
