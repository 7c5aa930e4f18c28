// Instructions and source lines as a person reads them.
import { formatInsn } from '../../isa/disassembler.ts';
import type { Insn } from '../../isa/insn.ts';
import type { FunctionSpec, LineSpec, ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import { lineBefore } from '../../spec/source-line.ts';
import type { Site, SourceLine } from './explanation.ts';

/** The function that a slot lies in. */
export const functionAt = ({ functions }: ProgramSpec, slot: number): FunctionSpec | undefined =>
  functions.find((f) => slot >= f.slot && slot < f.slot + f.length);

/** The line that an instruction was compiled from: the last one at or before it in its function. */
export function lineAt(spec: ProgramSpec, slot: number): LineSpec | undefined {
  const line = lineBefore(spec.lines, slot);
  return line === undefined || line.slot < (functionAt(spec, slot)?.slot ?? 0) ? undefined : line;
}

export function sourceAt(spec: ProgramSpec, slot: number): SourceLine | undefined {
  const line = lineAt(spec, slot);
  // Compilers give line 0 to what they made up themselves.
  if (line === undefined || line.line === 0) return undefined;
  return { file: line.file, line: line.line, column: line.column, text: line.text.trim() };
}

/** What the object and the platform know of names. */
export interface Names {
  readonly object: ObjectSpec;
  readonly spec: ProgramSpec;
  readonly platform: Pick<Platform, 'helperName'>;
}

/** `bpf_map_lookup_elem`. */
export function helperTitle({ platform, spec }: Names, number: number): string {
  const name = platform.helperName(number, spec.type);
  return name === undefined ? `helper ${number}` : `bpf_${name}`;
}

/** One instruction, with maps, helpers and functions by name. */
export function instructionText(names: Names, insn: Insn, slot: number): string {
  if (insn.op === 'call_helper') return `call ${helperTitle(names, insn.imm)}`;
  const { object, spec } = names;
  return formatInsn(insn, slot, {
    mapName: ({ imm }) => object.maps.at(imm)?.name,
    symbolName: ({ imm }, _slot, target) =>
      target === undefined ? object.externs.at(imm)?.name : spec.functions.find((f) => f.slot === target)?.name,
  });
}

export function siteAt(names: Names, insns: readonly (Insn | undefined)[], slot: number): Site | undefined {
  const insn = insns[slot];
  if (insn === undefined) return undefined;
  const source = sourceAt(names.spec, slot);
  return { insn: slot, instruction: instructionText(names, insn, slot), ...(source === undefined ? {} : { source }) };
}
