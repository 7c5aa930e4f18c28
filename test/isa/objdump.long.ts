// llvm-objdump as the judge of the disassembler's text, over all compiled programs of the corpus.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { SHF } from '../../src/elf/format.ts';
import { readElf } from '../../src/elf/read.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { disassemble } from '../../src/isa/disassembler.ts';
import { toLittleEndian } from '../../src/isa/insn.ts';
import { requireCapability } from '../support/capability.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';
import { compareAll } from './objdump.ts';

const objects = corpusFolder('objects');
const noObjdump = requireCapability('llvm-objdump');

if (noObjdump !== undefined) test.skip(noObjdump, () => {});
else if ('reason' in objects) test.skip(objects.reason, () => {});
else {
  test('every instruction of the compiled programs of others', () => {
    const files = filesBelow(objects.path, '.o').map((file) => path.join(objects.path, file));
    const { compared, differences } = compareAll(files);
    console.info(`${compared} instructions of ${files.length} objects compared`);
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(100_000);
  });
}

if ('reason' in objects) test.skip(objects.reason, () => {});
else {
  test('the compiled programs of others come back from their disassembly', () => {
    for (const file of filesBelow(objects.path, '.o')) {
      const elf = readElf(new Uint8Array(readFileSync(path.join(objects.path, file))));
      for (const section of elf.sections) {
        if ((section.flags & SHF.EXECINSTR) === 0) continue;
        const code = toLittleEndian(section.data, elf.endian);
        const back = assemble(disassemble(code, { columns: true })).code;
        expect(equalBytes(back, code), `${file}, ${section.name}`).toBe(true);
      }
    }
  });
}
