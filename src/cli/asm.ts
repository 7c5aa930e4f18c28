// anybpf asm: text to instructions, as digits, bytes or an object.
import type { Command } from 'commander';
import { text, toHex, utf8 } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { asmMaps, wrongUse } from '../base/messages/cli.ts';
import { SHF, STB, STT } from '../elf/format.ts';
import { buildElf } from '../elf/build.ts';
import { type Assembly, assemble } from '../isa/assembler.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import { readWhole } from './files.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';
import { OutputFile } from './output-file.ts';
import { helperNumber } from './helper-number.ts';
import type { Verb } from './verb.ts';

interface AsmOptions {
  readonly out?: string;
  readonly raw?: boolean;
  readonly section: string;
  readonly name: string;
  readonly license: string;
  readonly json?: boolean;
}

export const asmVerb: Verb = (program: Command, io) => {
  program
    .command('asm')
    .description(
      "assemble a text in llvm-objdump's language or in bpf_conformance's mnemonics; prints the bytes as digits",
    )
    .argument('<file>', 'assembly text; - is standard input')
    .option('-o, --out <file>', 'write an object file (with --raw only the instructions)')
    .option('--raw', 'the bytes of the instructions, not their digits')
    .option('--section <name>', 'section of the program in the object', 'xdp')
    .option('--name <name>', 'function name of the program in the object', 'main')
    .option('--license <text>', 'license in the object', 'Dual MIT/GPL')
    .option('--json', 'as JSON')
    .action(async (file: string, options: AsmOptions) => {
      if (options.json === true && options.raw === true) fail(wrongUse({}, '--json and --raw exclude each other'));
      const source = file === '-' ? await readAll(io) : text(await readWhole(file));
      const assembly = assemble(source, {
        file: file === '-' ? 'standard input' : file,
        helper: (name) => helperNumber(name, 'linux'),
      });
      if (options.out !== undefined) {
        const bytes = options.raw === true ? assembly.code : toObject(assembly, options, file);
        using out = new OutputFile(options.out);
        out.write(bytes);
        out.commit();
      } else if (options.raw === true) io.stdout.write(assembly.code);
      if (options.json === true) io.stdout.write(`${toJson(toData(assembly), 2)}\n`);
      else if (options.out === undefined && options.raw !== true) io.stdout.write(toDigits(assembly.code));
    });
};

async function readAll(io: Io): Promise<string> {
  const decoder = new TextDecoder();
  let all = '';
  for await (const chunk of io.stdin) all += decoder.decode(chunk, { stream: true });
  return all + decoder.decode();
}

const toData = ({ code, labels, maps, lines }: Assembly) => ({ code, labels: Object.fromEntries(labels), maps, lines });

/** One instruction slot a line. */
function toDigits(code: Uint8Array): string {
  let out = '';
  for (let at = 0; at < code.length; at += SLOT_SIZE) {
    out += `${toHex(code.subarray(at, at + SLOT_SIZE)).replace(/..(?=.)/g, '$& ')}\n`;
  }
  return out;
}

/** An object with the whole text as one program. Maps have no definition in assembly text: an object cannot name them. */
function toObject(assembly: Assembly, { section, name, license }: AsmOptions, file: string): Uint8Array {
  if (assembly.maps.length > 0) fail(asmMaps({ file }, assembly.maps));
  return buildElf({
    sections: [
      { name: section, flags: SHF.ALLOC | SHF.EXECINSTR, align: SLOT_SIZE, data: assembly.code },
      { name: 'license', flags: SHF.ALLOC | SHF.WRITE, data: utf8(`${license}\0`) },
    ],
    symbols: [
      { name, section, size: assembly.code.length, type: STT.FUNC, binding: STB.GLOBAL },
      { name: '_license', section: 'license', size: license.length + 1, type: STT.OBJECT, binding: STB.GLOBAL },
    ],
  });
}
