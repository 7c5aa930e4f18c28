// Every program of the examples and the corpus that BPF_PROG_TEST_RUN can run, on both sides, with a table of the results.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { Btf } from '../../src/btf/btf.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { decodeProgram } from '../../src/isa/insn.ts';
import { relocateObject } from '../../src/link/core.ts';
import { linkObject } from '../../src/link/link.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import { INCOMPARABLE_HELPERS } from '../known/kernel-differences.ts';
import { corpusPackets, samplePackets } from '../support/packets.ts';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';
import { ObjectPair, type ProgramResult } from './object-pair.ts';

export interface Row extends ProgramResult {
  readonly object: string;
  /** Why a difference is expected, where it is. */
  readonly incomparable: string | undefined;
}

export interface Comparison {
  readonly rows: readonly Row[];
  /** Programs that the kernel runs and ours cannot load, with the reason. */
  readonly missing: readonly string[];
}

/** Objects of the examples, and of the corpus where it is there. */
export function comparedObjects(): { readonly name: string; readonly file: string }[] {
  const examples = path.join(PROJECT_ROOT, 'examples');
  const corpus = corpusFolder('objects');
  if ('reason' in corpus) console.warn(`only the examples are compared: ${corpus.reason}`);
  return [examples, ...('path' in corpus ? [corpus.path] : [])].flatMap((folder) =>
    filesBelow(folder, '.o').map((name) => ({ name, file: path.join(folder, name) })),
  );
}

let vmlinux: Btf | undefined;
/** Links and resolves CO-RE against the running kernel; undefined where the file is not one of ours to read. */
function specOf(file: string, name: string): ObjectSpec | undefined {
  try {
    const spec = linkObject(readFileSync(file), { name });
    if (!spec.programs.some((program) => program.core.length > 0)) return spec;
    vmlinux ??= decodeBtf(readFileSync('/sys/kernel/btf/vmlinux'));
    return relocateObject(spec, [vmlinux]);
  } catch (error) {
    if (error instanceof AnyBpfError) return undefined;
    throw error;
  }
}

/** Why this program, or one that it may call as a tail, need not behave alike. */
function incomparable(program: ProgramSpec, spec: ObjectSpec): string | undefined {
  const platform = builtInPlatform('linux');
  const tails = callsTail(program) ? spec.programs.filter(({ type }) => type === program.type) : [];
  for (const { code, type } of [program, ...tails]) {
    for (const insn of decodeProgram(code)) {
      if (insn?.op !== 'call_helper') continue;
      const reason = INCOMPARABLE_HELPERS[platform.helperName(insn.imm, type) ?? ''];
      if (reason !== undefined) return reason;
    }
  }
  return undefined;
}

const TAIL_CALL = 12;
const callsTail = ({ code }: ProgramSpec): boolean =>
  decodeProgram(code).some((insn) => insn?.op === 'call_helper' && insn.imm === TAIL_CALL);

/** Runs `packets` generated packets (and those of the corpus) through each program; `budget` milliseconds an object at most. */
export function comparePrograms(o: {
  readonly packets: number;
  readonly seed: number;
  readonly budget?: number;
  readonly only?: (object: string, program: string) => boolean;
}): Comparison {
  const packets = [...samplePackets(o.packets, o.seed), ...corpusPackets().slice(0, o.packets)];
  const rows: Row[] = [];
  const missing: string[] = [];
  for (const { name, file } of comparedObjects()) {
    const spec = specOf(file, name);
    if (spec === undefined) continue;
    let pair = new ObjectPair(spec, o.seed);
    missing.push(...pair.missing.map((reason) => `${name} ${reason}`));
    const end = performance.now() + (o.budget ?? Number.POSITIVE_INFINITY);
    // Those that are not judged come last: after them the maps are not alike, and need not be.
    const reasons = new Map(pair.runnable.map(({ ours }) => [ours.name, incomparable(ours.spec, spec)]));
    const names = [...reasons.keys()].sort(
      (x, y) => Number(reasons.get(x) !== undefined) - Number(reasons.get(y) !== undefined),
    );
    for (const program of names) {
      if (performance.now() > end || o.only?.(name, program) === false) continue;
      const result = pair.run(program, packets, o.seed);
      rows.push({ ...result, object: name, incomparable: reasons.get(program) });
      if (result.equal === result.packets || reasons.get(program) !== undefined) continue;
      // Begin anew: one fault is not to be counted twice.
      pair.dispose();
      pair = new ObjectPair(spec, o.seed);
    }
    pair.dispose();
  }
  return { rows, missing };
}

/** Program, packets, equal, different. */
export function formatTable({ rows, missing }: Comparison): string {
  const cells = rows.map((row) => [
    `${row.object} ${row.name}`,
    row.type,
    `${row.packets}`,
    `${row.equal}`,
    `${row.packets - row.equal}`,
    row.incomparable ?? '',
  ]);
  const table = [['program', 'type', 'packets', 'equal', 'different', 'not judged because of'], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => (i >= 2 && i <= 4 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  const same = rows.filter((row) => row.equal === row.packets).length;
  const total = rows.reduce((sum, row) => sum + row.packets, 0);
  const seconds = rows.reduce((sum, row) => sum + row.milliseconds, 0) / 1000;
  return [
    ...lines,
    `${rows.length} programs, ${total} packets, ${same} programs without a difference, ${seconds.toFixed(1)} s`,
    ...missing.map((reason) => `not loaded here: ${reason}`),
  ].join('\n');
}

/** Rows that are wrong, in words. */
export const failures = ({ rows }: Comparison): string[] =>
  rows
    .filter((row) => row.equal < row.packets && row.incomparable === undefined)
    .map(
      (row) =>
        `${row.object} ${row.name} (${row.type}): ${row.packets - row.equal} of ${row.packets}\n  ${row.differences.join('\n  ')}`,
    );
