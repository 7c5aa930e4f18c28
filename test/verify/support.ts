// Programs in assembler for the verifier's tests, with maps named in them.
import { assemble } from '../../src/isa/assembler.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import { mapSpec } from '../support/map-spec.ts';
import { type Verdict, verify } from '../../src/verify/verify.ts';

export interface ProgramOptions {
  readonly type?: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  readonly maps?: readonly MapSpec[];
  readonly license?: string;
  readonly sleepable?: boolean;
}

export const map = (
  name: string,
  type: MapSpec['type'],
  keySize: number,
  valueSize: number,
  more: Partial<MapSpec> = {},
): MapSpec => mapSpec(name, type, { keySize, valueSize, ...more });

const helperNumber = (name: string): number | undefined => {
  for (const { helpers } of builtInPlatform('linux').families) {
    const row = helpers.find((h) => `bpf_${h.name}` === name);
    if (row?.numbers.linux !== undefined) return row.numbers.linux;
  }
  return undefined;
};

/** As assemble, with `code_addr(label)` too. */
function assembleNamed(text: string, maps: readonly MapSpec[]): ReturnType<typeof assemble> {
  const settings = { maps: maps.map((m) => m.name), helper: helperNumber };
  const named = /code_addr\((?!-?\d)([\w.]+)\)/g;
  const { labels, lines } = assemble(text.replace(named, 'code_addr(0)'), settings);
  const resolved = text
    .split('\n')
    .map((line, index) =>
      line.replace(
        named,
        (_whole, label: string) => `code_addr(${(labels.get(label) ?? 0) - lines.indexOf(index + 1) - 1})`,
      ),
    );
  return assemble(resolved.join('\n'), settings);
}

export function programOf(
  text: string,
  options: ProgramOptions = {},
): { object: ObjectSpec; program: ProgramSpec; labels: ReadonlyMap<string, number> } {
  const { code, labels } = assembleNamed(text, options.maps ?? []);
  const { type = 'socket_filter', license = 'GPL', maps = [], attachType, sleepable = false } = options;
  const program: ProgramSpec = {
    name: 'test',
    section: type,
    type,
    ...(attachType === undefined ? {} : { attachType }),
    sleepable,
    fragments: false,
    autoload: true,
    license,
    dialect: 'linux',
    code,
    functions: [{ name: 'test', slot: 0, length: code.length / 8, typeId: 0, global: true }],
    lines: [],
    core: [],
    tags: [],
  };
  const object: ObjectSpec = {
    name: 'test',
    dialect: 'linux',
    endian: 'little',
    license,
    programs: [program],
    maps,
    externs: [],
    diagnostics: [],
  };
  return { object, program, labels };
}

export function verdictOf(text: string, options: ProgramOptions = {}): Verdict {
  const { object, program } = programOf(text, options);
  return verify(object, program, builtInPlatform('linux'));
}
