// anybpf disasm: the instructions of programs, with the names and source lines that the object knows.
import type { Command } from 'commander';
import type { Insn } from '../isa/insn.ts';
import { decodeProgram } from '../isa/insn.ts';
import { disassemble, disassembleLines, type DisassembleOptions } from '../isa/disassembler.ts';
import type { LineSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import { toJson } from './json.ts';
import { openObject, programNamed } from './object.ts';
import { platformFor } from './extensions.ts';
import type { Verb } from './verb.ts';

interface DisasmOptions {
  readonly program?: string;
  readonly json?: boolean;
  readonly source: boolean;
}

export const disasmVerb: Verb = (program: Command, io) => {
  program
    .command('disasm')
    .description(
      "show programs as instructions, in llvm-objdump's language, with helpers, maps and source lines by name",
    )
    .argument('<object>', 'eBPF object file')
    .option('--program <name>', 'only this program, by function or section name')
    .option('--no-source', 'without source lines')
    .option('--json', 'as JSON')
    .action(async (file: string, options: DisasmOptions) => {
      const object = await openObject(file);
      const programs = options.program === undefined ? object.spec.programs : [programNamed(object, options.program)];
      const platform = platformFor(object.spec.dialect);
      const listings = programs.map((p) => ({ p, names: annotations(object.spec, p, platform, options.source) }));
      if (options.json === true) {
        const data = listings.map(({ p, names }) => ({ ...headOf(p), instructions: instructions(p, names) }));
        io.stdout.write(`${toJson({ name: object.spec.name, programs: data }, 2)}\n`);
        return;
      }
      const texts = listings.map(({ p, names }) => {
        const code = disassemble(p.code, { ...names, columns: true }, { file, program: p.name });
        return `; program ${p.name}, ${p.type}, section ${p.section}\n${code}`;
      });
      io.stdout.write(texts.length === 0 ? `${file}: no programs\n` : texts.join('\n'));
    });
};

const headOf = ({ name, section, type }: ProgramSpec) => ({ program: name, section, type });

function instructions(program: ProgramSpec, names: DisassembleOptions) {
  const lines = new Map(program.lines.map((line) => [line.slot, line]));
  return disassembleLines(program.code, names).map(({ slot, text }) => {
    const label = names.label?.(slot);
    const line = names.source === undefined ? undefined : lines.get(slot);
    return { slot, text, ...(label === undefined ? {} : { label }), ...(line === undefined ? {} : { source: line }) };
  });
}

/** What the object knows of a program's numbers. References are those of ProgramSpec.code. */
function annotations(
  spec: ObjectSpec,
  program: ProgramSpec,
  platform: Pick<Platform, 'helperName'>,
  source: boolean,
): DisassembleOptions {
  const functions = new Map(program.functions.map((f) => [f.slot, f.name]));
  const externs = (insn: Insn) => spec.externs.at(insn.imm)?.name;
  return {
    mapName: (insn) => spec.maps.at(insn.imm)?.name,
    symbolName: (insn, _slot, target) => (target === undefined ? externs(insn) : functions.get(target)),
    helperName: (number) => {
      const name = platform.helperName(number, program.type);
      return name === undefined ? undefined : `bpf_${name}`;
    },
    label: (slot) => functions.get(slot),
    ...(source ? { source: sourceLines(program) } : {}),
  };
}

/** A line of C before the first instruction of each run of instructions that it was compiled to. */
function sourceLines({ lines, code }: ProgramSpec): (slot: number) => string | undefined {
  const texts = new Map<number, string>();
  const slots = new Set(decodeProgram(code).flatMap((insn, slot) => (insn === undefined ? [] : [slot])));
  let last: LineSpec | undefined;
  for (const line of lines) {
    const same = last !== undefined && last.file === line.file && last.line === line.line;
    if (!same && line.text.trim() !== '' && slots.has(line.slot))
      texts.set(line.slot, `${line.line}: ${line.text.trim()}`);
    last = line;
  }
  return (slot) => texts.get(slot);
}
