// Programs written in assembly as linked objects, to be run on both sides by ObjectPair.
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { SLOT_SIZE } from '../../src/isa/insn.ts';
import { specialOf } from '../../src/link/special-fields.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import { mapSpec as usualMap } from '../support/map-spec.ts';

export interface AssembledProgram {
  readonly name: string;
  /** Assembly (isa/assembler.ts); helpers by name, maps by name. Labels that begin with `fn_` begin functions. */
  readonly text: string;
}

const HELPERS: ReadonlyMap<string, number> = new Map(
  builtInPlatform('linux').families.flatMap(({ helpers }) =>
    helpers.flatMap(({ name, numbers }) => (numbers.linux === undefined ? [] : [[name, numbers.linux] as const])),
  ),
);

/** A map of an assembled object. */
export const mapSpec = (
  name: string,
  type: MapTypeName,
  keySize: number,
  valueSize: number,
  maxEntries: number,
  more: Partial<MapSpec> = {},
): MapSpec => usualMap(name, type, { keySize, valueSize, maxEntries, ...more });

/** Types of BTF that a test adds in front of the functions'; ids begin at 1. */
export type ExtraTypes = readonly BtfType[];

/**
 * Links programs that share maps. Their functions have BTF, because the kernel wants it of callbacks: `long fn(void *)` with
 * as many parameters as `callbackParameters`.
 */
export function assembleObject(
  type: ProgramTypeName,
  programs: readonly AssembledProgram[],
  maps: readonly MapSpec[],
  options: { readonly attachType?: AttachTypeName; readonly types?: ExtraTypes } = {},
): ObjectSpec {
  const types: BtfType[] = [...(options.types ?? [])];
  const add = (added: BtfType): number => types.push(added);
  const long = add({ kind: 'int', name: 'long', size: 8, encoding: 1, offset: 0, bits: 64 });
  const pointer = add({ kind: 'ptr', type: 0 });
  const prototype = add({ kind: 'func_proto', type: long, params: [{ name: 'ctx', type: pointer }] });
  const linked = programs.map(({ name, text }): ProgramSpec => {
    const { code, labels } = assemble(text, {
      file: name,
      maps: maps.map((map) => map.name),
      helper: (helper) => HELPERS.get(helper.replace(/^bpf_/, '')),
    });
    const starts = [[name, 0] as const, ...[...labels].filter(([label]) => label.startsWith('fn_'))];
    starts.sort((a, b) => a[1] - b[1]);
    const functions = starts.map(
      ([label, slot], i): FunctionSpec => ({
        name: label,
        slot,
        length: (starts[i + 1]?.[1] ?? code.length / SLOT_SIZE) - slot,
        typeId: add({ kind: 'func', name: label, type: prototype, linkage: 0 }),
        global: false,
      }),
    );
    return {
      name,
      section: type,
      type,
      ...(options.attachType === undefined ? {} : { attachType: options.attachType }),
      sleepable: false,
      fragments: false,
      autoload: true,
      license: 'GPL',
      dialect: 'linux',
      code,
      functions,
      lines: [],
      core: [],
      tags: [],
    };
  });
  const btf = decodeBtf(encodeBtf(types));
  return {
    name: 'assembled',
    dialect: 'linux',
    endian: 'little',
    license: 'GPL',
    programs: linked,
    maps: maps.map((map) => ({ ...map, ...specialOf(btf, map.valueTypeId) })),
    externs: [],
    btf,
    diagnostics: [],
  };
}
