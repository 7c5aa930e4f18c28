// show programs: what is loaded, as a table or one by one.
import { fail } from '../../base/diagnostic.ts';
import { notAValue } from '../../base/messages/netsh.ts';
import type { ExecutionType, ProgramInfo } from '../../spec/session.ts';
import { command } from './command.ts';
import { objectsOf } from './context.ts';
import { programTypeTitle, typeNamed } from './names.ts';
import { LEVELS } from './show-sections.ts';
import { listed, PROGRAMS, row } from './tables.ts';

const ANY = ['any', 'yes', 'no'] as const;

const MODES: { readonly [E in ExecutionType]: string } = {
  any: 'JIT',
  jit: 'JIT',
  interpret: 'INTERPRET',
  native: 'NATIVE',
};

const fits = (asked: string, is: boolean): boolean => asked === 'any' || (asked === 'yes') === is;

export const showPrograms = command({
  group: 'show',
  noun: 'programs',
  summary: 'Shows eBPF programs.',
  tags: {
    type: {},
    attached: { values: ANY },
    pinned: { values: ANY },
    level: { values: LEVELS },
    filename: {},
    section: {},
    id: { number: true },
  },
  async run(shell, { type, attached = 'any', pinned = 'any', filename, section, id, level }) {
    const wanted = type === undefined ? undefined : (typeNamed(type) ?? fail(notAValue({}, type, 'type', 'a section')));
    const programs = (await objectsOf(await shell.session(), 'prog')).filter(
      (info) =>
        (wanted === undefined || info.type === wanted.type) &&
        fits(attached, info.linkCount > 0) &&
        fits(pinned, info.pins.length > 0) &&
        (filename ?? info.source) === info.source &&
        (section ?? info.section) === info.section &&
        (id === undefined || info.id === Number(id)),
    );
    const shown = level ?? (id === undefined ? 'normal' : 'verbose');
    shell.write(shown === 'normal' ? table(programs) : programs.map(details).join(''));
  },
});

const table = (programs: readonly ProgramInfo[]): string =>
  PROGRAMS.head +
  programs
    .map((p) => row(PROGRAMS, [p.id, p.pins.length, p.linkCount, MODES[p.execution], programTypeTitle(p.type), p.name]))
    .join('');

function details(p: ProgramInfo): string {
  const ids = p.mapIds.map((id, i) => (i === 0 ? `map IDs        : ${id}\n` : `${' '.repeat(17)}${id}\n`));
  return `\n${listed(15, [
    ['ID', p.id],
    ['File name', p.source],
    ['Section', p.section],
    ['Name', p.name],
    ['Program type', programTypeTitle(p.type)],
    ['Mode', MODES[p.execution]],
    ['# map IDs', p.mapIds.length],
  ])}${ids.join('')}${listed(15, [
    ['# pinned paths', p.pins.length],
    ['# links', p.linkCount],
  ])}`;
}
