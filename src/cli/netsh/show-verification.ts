// show verification: whether a program may run, in the words of eBPF for Windows' verifier.
import { platformFor } from '../extensions.ts';
import type { ProgramSpec } from '../../spec/object.ts';
import { StatePrinter } from '../../verify/report/states.ts';
import { command, refuse } from './command.ts';
import { typeNamed } from './names.ts';
import { openFor, programsOf } from './objects.ts';
import { type PrevailError, prevailReport } from './prevail-report.ts';
import { LEVELS } from './show-sections.ts';
import { lineAt, sourceText } from './source-lines.ts';

export const showVerification = command({
  group: 'show',
  noun: 'verification',
  summary: 'Shows results of trying to verify an eBPF program.',
  tags: { filename: { required: true }, section: {}, program: {}, type: {}, level: { values: LEVELS } },
  async run(shell, { filename, section, program, type, level = 'normal' }) {
    const named = type === undefined ? undefined : (typeNamed(type) ?? refuse(`error: Invalid program type ${type}`));
    const { spec: object } = await openFor(filename, named?.type);
    const inSection = programsOf(object, section, undefined);
    if (inSection.length === 0) refuse(`error: ${section === undefined ? 'No section(s) found' : 'Section not found'}`);
    const spec = programsOf(object, section, program).at(0) ?? refuse('error: Program not found');
    if (spec.type === 'unspec') refuse(`\nProgram type for section ${spec.section} not found.`);
    const printer = level === 'normal' ? undefined : new StatePrinter((text) => shell.write(text));
    const { errors, loops } = prevailReport(object, spec, platformFor(spec.dialect), printer?.observe);
    if (errors.length > 0) refuse(report(spec, errors));
    shell.write(`Verification succeeded\n${termination(loops)}\n`);
  },
});

/** How many rounds loops take is not counted: that each ends is proven for any number of them. */
const termination = (loops: number): string =>
  loops === 0
    ? 'Program terminates within 0 loop iterations'
    : `Program terminates: ${loops === 1 ? 'its loop ends' : `each of its ${loops} loops ends`}`;

/** Each error with its line of C, those of one instruction one after the other. */
const report = (spec: ProgramSpec, errors: readonly PrevailError[]): string => {
  const shown = errors.map(({ slot, text }) => {
    const line = lineAt(spec, slot);
    return `${line === undefined ? '' : `${sourceText(line)}\n`}${slot}: ${text}\n\n`;
  });
  return `Verification failed\n\nVerification report:\n\n${shown.join('')}${errors.length} errors\n`;
};
