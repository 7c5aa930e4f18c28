// anybpf dump: what is in an object.
import type { Command } from 'commander';
import { Option } from 'commander';
import { fail, formatDiagnostic } from '../base/diagnostic.ts';
import { noBtf } from '../base/messages/cli.ts';
import type { Btf } from '../btf/btf.ts';
import { formatC } from '../btf/format-c.ts';
import { formatRaw } from '../btf/format-raw.ts';
import { type ElfSection, SHF, SHT } from '../elf/format.ts';
import { readElf } from '../elf/read.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Output } from './io.ts';
import { toJson } from './json.ts';
import { type OpenedObject, openObject } from './object.ts';
import { plural, table, wrapped } from './style.ts';
import { typeName } from './type-name.ts';
import type { Verb } from './verb.ts';

interface DumpOptions {
  readonly sections?: boolean;
  readonly programs?: boolean;
  readonly maps?: boolean;
  /** `true` where the option was given without a form. */
  readonly btf?: 'c' | 'raw' | true;
  readonly json?: boolean;
}

export const dumpVerb: Verb = (program: Command, io) => {
  program
    .command('dump')
    .description('show what is in an object: sections, programs and maps unless some are asked for')
    .argument('<object>', 'eBPF object file')
    .option('--sections', 'the ELF sections')
    .option('--programs', 'the programs')
    .option('--maps', 'the maps, with those that stand for data sections')
    .addOption(new Option('--btf [form]', 'the types, as C or as a list of records').choices(['c', 'raw']))
    .option('--json', 'as JSON')
    .action(async (file: string, options: DumpOptions) => {
      const object = await openObject(file);
      const parts = PARTS.filter((part) => part.asked(options));
      // Asked for nothing: all but the types, which are long.
      const shown = parts.length > 0 ? parts : PARTS.filter((part) => part.usual);
      if (options.json === true) {
        const entries = shown.map((part) => [part.name, part.data(object, options)]);
        io.stdout.write(`${toJson({ ...summaryOf(object.spec), ...Object.fromEntries(entries) }, 2)}\n`);
        return;
      }
      // Types alone are C that a compiler takes: no head.
      const onlyTypes = shown.every((part) => part.name === 'btf');
      const texts = shown.map((part) => part.text(object, options, io.stdout));
      io.stdout.write(
        `${(onlyTypes
          ? texts
          : [wrapped(headOf(object), io.stdout).join('\n'), ...texts, notesOf(object.spec, io.stdout)]
        )
          .filter((t) => t !== '')
          .join('\n\n')
          .trimEnd()}\n`,
      );
    });
};

interface Part {
  readonly name: string;
  readonly usual: boolean;
  asked(options: DumpOptions): boolean;
  data(object: OpenedObject, options: DumpOptions): unknown;
  text(object: OpenedObject, options: DumpOptions, stream: Output): string;
}

const PARTS: readonly Part[] = [
  {
    name: 'sections',
    usual: true,
    asked: (options) => options.sections === true,
    data: ({ bytes, file }) =>
      readElf(bytes, { file })
        .sections.slice(1)
        .map((s) => ({ ...s, data: undefined, relocations: s.relocations?.length })),
    text: ({ bytes, file }, _, stream) => sectionsText(readElf(bytes, { file }).sections.slice(1), stream),
  },
  {
    name: 'programs',
    usual: true,
    asked: (options) => options.programs === true,
    data: ({ spec }) => spec.programs.map((p) => ({ ...p, lines: p.lines.length, core: p.core.length })),
    text: ({ spec }, _, stream) => programsText(spec.programs, stream),
  },
  {
    name: 'maps',
    usual: true,
    asked: (options) => options.maps === true,
    data: ({ spec }) => spec.maps.map((map) => ({ ...map, ...typesOf(map, spec.btf) })),
    text: ({ spec }, _, stream) => mapsText(spec.maps, spec.btf, stream),
  },
  {
    name: 'btf',
    usual: false,
    asked: (options) => options.btf !== undefined,
    data: (object, options) =>
      options.btf === 'raw'
        ? [...typesIn(object).types()].map(([id, type]) => ({ id, ...type }))
        : formatC(typesIn(object)),
    text: (object, options) =>
      (options.btf === 'raw' ? formatRaw(typesIn(object)) : formatC(typesIn(object))).trimEnd(),
  },
];

const typesIn = ({ spec, file }: OpenedObject): Btf => spec.btf ?? fail(noBtf({ file }));

const summaryOf = ({ name, dialect, endian, license, version, diagnostics }: ObjectSpec) => ({
  name,
  dialect,
  endian,
  license,
  ...(version === undefined ? {} : { version }),
  diagnostics,
});

function headOf({ spec, file }: OpenedObject): string {
  const license = spec.license === '' ? 'no license' : `license "${spec.license}"`;
  return `${file}: ${spec.endian}-endian, ${DIALECT_TITLES[spec.dialect]}, ${license}`;
}

const DIALECT_TITLES = { linux: 'for Linux', windows: 'for Windows' } as const;

const SECTION_TYPES = new Map<number, string>(Object.entries(SHT).map(([name, number]) => [number, name]));
/** readelf's letters. */
const SECTION_FLAGS: readonly (readonly [flag: number, letter: string])[] = [
  [SHF.WRITE, 'W'],
  [SHF.ALLOC, 'A'],
  [SHF.EXECINSTR, 'X'],
  [SHF.MERGE, 'M'],
  [SHF.STRINGS, 'S'],
  [SHF.INFO_LINK, 'I'],
];

function sectionsText(sections: readonly ElfSection[], stream: Output): string {
  const rows = sections.map((s) => [
    `${s.index}`,
    s.name,
    SECTION_TYPES.get(s.type) ?? `0x${s.type.toString(16)}`,
    SECTION_FLAGS.map(([flag, letter]) => ((s.flags & flag) === 0 ? '' : letter)).join(''),
    `0x${s.offset.toString(16)}`,
    `${s.size}`,
    s.relocations === undefined ? '' : `${s.relocations.length} for section ${s.info}`,
  ]);
  const number = { align: 'right' } as const;
  return `Sections\n${table(
    [
      { title: 'index', ...number },
      { title: 'name' },
      { title: 'type' },
      { title: 'flags' },
      { title: 'offset', ...number },
      { title: 'bytes', ...number },
      { title: 'relocations' },
    ],
    rows,
    stream,
  )}`;
}

function programsText(programs: readonly ProgramSpec[], stream: Output): string {
  if (programs.length === 0) return 'Programs: none';
  const rows = programs.map((p) => [
    p.name,
    p.section,
    p.attachType === undefined || p.attachType === (p.type as string) ? p.type : `${p.type} (${p.attachType})`,
    `${p.code.length / SLOT_SIZE}`,
    p.functions
      .slice(1)
      .map((f) => f.name)
      .join(', '),
    programNotes(p).join(', '),
  ]);
  return `Programs\n${table(
    [
      { title: 'name' },
      { title: 'section' },
      { title: 'type' },
      { title: 'slots', align: 'right' },
      { title: 'subprograms' },
      { title: 'notes' },
    ],
    rows,
    stream,
  )}`;
}

function programNotes(p: ProgramSpec): string[] {
  return [
    ...(p.attachTarget === undefined ? [] : [`target ${p.attachTarget}`]),
    ...(p.sleepable ? ['sleepable'] : []),
    ...(p.fragments ? ['fragments'] : []),
    ...(p.autoload ? [] : ['loaded on request']),
    ...(p.core.length === 0 ? [] : [plural(p.core.length, 'CO-RE relocation')]),
    ...(p.unsupported === undefined ? [] : ['not supported']),
  ];
}

const typesOf = (map: MapSpec, btf: Btf | undefined) => ({
  ...(btf === undefined || map.keyTypeId === undefined ? {} : { keyType: typeName(btf, map.keyTypeId) }),
  ...(btf === undefined || map.valueTypeId === undefined ? {} : { valueType: typeName(btf, map.valueTypeId) }),
});

const sized = (size: number, type: string | undefined): string =>
  size === 0 ? '' : type === undefined ? `${size}` : `${type} (${size})`;

function mapsText(maps: readonly MapSpec[], btf: Btf | undefined, stream: Output): string {
  if (maps.length === 0) return 'Maps: none';
  const rows = maps.map((map) => {
    const { keyType, valueType } = typesOf(map, btf);
    // Data sections are arrays of one element; their type is the section itself.
    const isData = map.kind !== 'map';
    return [
      map.name,
      map.type,
      isData ? '' : sized(map.keySize, keyType),
      sized(map.valueSize, isData ? undefined : valueType),
      `${map.maxEntries}`,
      mapNotes(map).join(', '),
    ];
  });
  return `Maps\n${table(
    [
      { title: 'name' },
      { title: 'type' },
      { title: 'key' },
      { title: 'value' },
      { title: 'entries', align: 'right' },
      { title: 'notes' },
    ],
    rows,
    stream,
  )}`;
}

function mapNotes(map: MapSpec): string[] {
  const flags = Object.entries(MAP_FLAGS).filter(([, bit]) => (map.flags & bit) !== 0);
  return [
    ...(map.section === undefined ? [] : [`section ${map.section}`]),
    ...flags.map(([name]) => name),
    ...(map.pinning === 0 ? [] : [map.pinning === 1 ? 'pinned by name' : `pinning ${map.pinning}`]),
    ...(map.inner === undefined ? [] : [`of ${map.inner.type}`]),
    ...(map.slots.length === 0 ? [] : [plural(map.slots.length, 'initial slot')]),
    ...(map.unsupported === undefined ? [] : ['not supported']),
  ];
}

/** What was not understood, with the reasons behind `not supported`. */
function notesOf(spec: ObjectSpec, stream: Output): string {
  const unsupported = [...spec.programs, ...spec.maps].flatMap((part) => part.unsupported ?? []);
  const notes = [...spec.diagnostics, ...unsupported];
  return notes.length === 0
    ? ''
    : `Notes\n${notes.flatMap((d) => wrapped(`  ${formatDiagnostic(d)}`, stream)).join('\n')}`;
}
