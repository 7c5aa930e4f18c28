// show sections: the programs of an object, and its maps.
import { SLOT_SIZE } from '../../isa/insn.ts';
import { platformFor } from '../extensions.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import { command, refuse } from './command.ts';
import { programTypeTitle } from './names.ts';
import { openFor, programsOf } from './objects.ts';
import { statisticsLines, statisticsOf } from './statistics.ts';
import { listed, row, SECTION_MAPS, SECTIONS } from './tables.ts';

export const LEVELS = ['normal', 'informational', 'verbose'] as const;

export const showSections = command({
  group: 'show',
  noun: 'sections',
  summary: 'Shows sections of an ELF file.',
  tags: { filename: { required: true }, section: {}, level: { values: LEVELS } },
  async run(shell, { filename, section, level = section === undefined ? 'normal' : 'verbose' }) {
    const { spec } = await openFor(filename);
    const programs = programsOf(spec, section, undefined);
    if (section !== undefined && programs.length === 0) refuse('error: Section not found');
    shell.write(level === 'normal' ? sectionTable(programs) : programs.map((p) => details(spec, p)).join(''));
    shell.write(mapTable(spec));
  },
});

/** Slots of the program's own function, without those that it calls. */
const ownSlots = ({ functions, code }: ProgramSpec): number => functions.at(0)?.length ?? code.length / SLOT_SIZE;

const sectionTable = (programs: readonly ProgramSpec[]): string =>
  SECTIONS.head +
  programs.map((p) => row(SECTIONS, [p.section, p.name, programTypeTitle(p.type), SLOT_SIZE * ownSlots(p)])).join('');

const details = (object: ObjectSpec, program: ProgramSpec): string =>
  `\n${listed(13, [
    ['Section', program.section],
    ['Program', program.name],
    ['Program Type', programTypeTitle(program.type)],
    ['Size', `${SLOT_SIZE * ownSlots(program)} bytes`],
    ['Instructions', ownSlots(program)],
    ...statisticsLines(statisticsOf(object, program, platformFor(program.dialect))),
  ])}`;

const mapTable = ({ maps }: ObjectSpec): string =>
  SECTION_MAPS.head +
  maps.map((m) => row(SECTION_MAPS, [m.type, m.keySize, m.valueSize, m.maxEntries, m.name])).join('');
