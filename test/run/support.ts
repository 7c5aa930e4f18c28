// Objects written by hand for tests of run, programs and hosts: assembly text in, a linked spec out.
import { DEFAULT_PROCESS, memoryHost, type MemoryHostOptions } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { type LoadOptions, loadObject } from '../../src/run/loader.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';

export { DEFAULT_PROCESS };
export { mapSpec } from '../support/map-spec.ts';

export interface ProgramText extends Partial<Omit<ProgramSpec, 'code'>> {
  readonly text: string;
}

/** A program of one function, or of several where the text has labels that `functions` names. */
export function programSpec(
  { text, name = 'main', type = 'xdp', dialect = 'linux', ...more }: ProgramText,
  maps: readonly string[] = [],
): ProgramSpec {
  const platform = builtInPlatform(dialect);
  const numbers = new Map<string, number>();
  for (const { helpers } of platform.families) {
    for (const row of helpers) {
      const number = (dialect === 'windows' ? row.programNumbers?.[type] : undefined) ?? row.numbers[dialect];
      if (number !== undefined) numbers.set(row.name, number);
    }
  }
  const { code } = assemble(text, { maps, helper: (helper) => numbers.get(helper.replace(/^bpf_/, '')) });
  return {
    name,
    section: type,
    type,
    sleepable: false,
    fragments: false,
    autoload: true,
    license: 'GPL',
    dialect,
    code,
    functions: [{ name, slot: 0, length: code.length / 8, typeId: 0, global: true }],
    lines: [],
    core: [],
    tags: [],
    ...more,
  };
}

export function objectSpec(
  programs: readonly ProgramText[],
  maps: readonly MapSpec[] = [],
  more: Partial<ObjectSpec> = {},
): ObjectSpec {
  const names = maps.map(({ name }) => name);
  return {
    name: 'test',
    dialect: more.dialect ?? 'linux',
    endian: 'little',
    license: 'GPL',
    programs: programs.map((program) => programSpec({ dialect: more.dialect, ...program }, names)),
    maps,
    externs: [],
    diagnostics: [],
    ...more,
  };
}

/** Loads assembly text as one program of a type. */
export const loadText = (
  type: ProgramTypeName,
  text: string,
  {
    maps = [],
    host = {},
    options = {},
    more = {},
  }: {
    readonly maps?: readonly MapSpec[];
    readonly host?: MemoryHostOptions;
    readonly options?: Partial<LoadOptions>;
    readonly more?: Partial<ProgramText>;
  } = {},
): LoadedObject =>
  loadObject(objectSpec([{ ...more, type, text }], maps, { dialect: more.dialect ?? 'linux' }), {
    host: memoryHost(host),
    ...options,
  });

/** An Ethernet frame with an IPv4 header, and bytes that count up behind it. */
export function ipv4Frame(length = 80): Uint8Array<ArrayBuffer> {
  const frame = Uint8Array.from({ length }, (_, i) => i);
  frame.set([0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45]);
  frame.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  return frame;
}

export function ipv6Frame(length = 80): Uint8Array<ArrayBuffer> {
  const frame = ipv4Frame(length);
  frame.set([0x86, 0xdd, 0x60], 12);
  return frame;
}
