// show disassembly: the instructions of one program, with source lines.
import { decodeProgram } from '../../isa/insn.ts';
import { platformFor } from '../extensions.ts';
import type { LineSpec, ProgramSpec } from '../../spec/object.ts';
import { command, refuse } from './command.ts';
import { openFor, programsOf } from './objects.ts';
import { prevailText } from './prevail-text.ts';
import { sourceText } from './source-lines.ts';

export const showDisassembly = command({
  group: 'show',
  noun: 'disassembly',
  summary: 'Shows disassembly of an eBPF program.',
  tags: { filename: { required: true }, section: {}, program: {} },
  async run(shell, { filename, section, program }) {
    const { spec } = await openFor(filename);
    if (section !== undefined && programsOf(spec, section, undefined).length === 0)
      refuse(`error: Can't find section ${section} in file ${filename}`);
    const chosen = programsOf(spec, section, program).at(0) ?? refuse(noProgram(program, filename));
    shell.write(`${listing(chosen)}\n`);
  },
});

const noProgram = (program: string | undefined, file: string): string =>
  program === undefined
    ? `error: Can't find any program in file ${file}`
    : `error: Can't find program ${program} in file ${file}`;

function listing(program: ProgramSpec): string {
  const platform = platformFor(program.dialect);
  const starts = new Map(program.lines.map((line) => [line.slot, line]));
  let shown: LineSpec | undefined;
  let text = '';
  decodeProgram(program.code).forEach((insn, slot) => {
    if (insn === undefined) return;
    const line = starts.get(slot);
    const same = line === undefined || (shown?.file === line.file && shown.line === line.line);
    if (!same && line.text !== '') text += sourceText(line);
    shown = line ?? shown;
    text += `${`${slot}`.padStart(8)}:\t${prevailText(insn, slot, program, platform)}\n`;
  });
  return text;
}
