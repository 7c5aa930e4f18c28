// Every program of the examples and the corpus that BPF_PROG_TEST_RUN can run, on both sides, with a table of the results.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { Btf } from '../../src/btf/btf.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { readCapture } from '../../src/capture/read.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { decodeProgram } from '../../src/isa/insn.ts';
import { relocateObject } from '../../src/link/core.ts';
import { linkObject } from '../../src/link/link.ts';
import type { EngineChoice } from '../../src/spec/backend.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import { EVICTION, INCOMPARABLE_HELPERS, type Incomparable } from '../known/kernel-differences.ts';
import { corpusPackets, MIN_PACKET, samplePackets } from '../support/packets.ts';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';
import { ObjectPair, type ProgramResult } from './object-pair.ts';

export interface Row extends ProgramResult {
  readonly object: string;
  /** Why a difference is expected, and in what, where it is. */
  readonly incomparable: Incomparable | undefined;
}

export interface Comparison {
  readonly rows: readonly Row[];
  /** Programs that the kernel runs and ours cannot load, with the reason. */
  readonly missing: readonly string[];
}

/** Packets of the captures among the examples. */
function capturedPackets(): Uint8Array[] {
  const folder = path.join(PROJECT_ROOT, 'examples');
  return filesBelow(folder, '.pcap').flatMap((name) =>
    [...readCapture(readFileSync(path.join(folder, name)))]
      .map(({ data }) => new Uint8Array(data))
      .filter(({ length }) => length >= MIN_PACKET),
  );
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

/** Why this program, or one that it may call as a tail, need not behave alike: the worst of the reasons. */
function incomparable(program: ProgramSpec, spec: ObjectSpec): Incomparable | undefined {
  const platform = builtInPlatform('linux');
  const tails = callsTail(program) ? spec.programs.filter(({ type }) => type === program.type) : [];
  let worst: Incomparable | undefined;
  for (const { code, type } of [program, ...tails]) {
    for (const insn of decodeProgram(code)) {
      if (insn?.op !== 'call_helper') continue;
      const found = INCOMPARABLE_HELPERS[platform.helperName(insn.imm, type) ?? ''];
      if (found?.spoils === 'all') return found;
      worst ??= found;
    }
  }
  return worst;
}

const TAIL_CALL = 12;
const callsTail = ({ code }: ProgramSpec): boolean =>
  decodeProgram(code).some((insn) => insn?.op === 'call_helper' && insn.imm === TAIL_CALL);

const rank = (reason: Incomparable | undefined): number => ['maps', 'all'].indexOf(reason?.spoils ?? '');
const isSame = (result: ProgramResult): boolean =>
  result.equal === result.packets && result.mapDifferences.length === 0;

/** Whether all that is judged of a program is the same. */
export const isRight = (row: Row): boolean =>
  isSame(row) || row.incomparable?.spoils === 'all' || (row.incomparable !== undefined && row.equal === row.packets);

/**
 * Runs `packets` generated packets, and those of the example capture and the corpus, through each program. `maxBytes`: larger
 * objects are left out; `only`: programs that are run.
 */
export function comparePrograms(o: {
  readonly engine: EngineChoice;
  readonly packets: number;
  readonly seed: number;
  readonly maxBytes?: number;
  readonly only?: (object: string, program: string) => boolean;
}): Comparison {
  const packets = [...samplePackets(o.packets, o.seed), ...capturedPackets(), ...corpusPackets()];
  const rows: Row[] = [];
  const missing: string[] = [];
  for (const { name, file } of comparedObjects()) {
    if (statSync(file).size > (o.maxBytes ?? Number.POSITIVE_INFINITY)) continue;
    const spec = specOf(file, name);
    if (spec === undefined) continue;
    const pair = new ObjectPair(spec, o.seed, o.engine);
    missing.push(...pair.missing.map((reason) => `${name} ${reason}`));
    // Those that are not judged come last.
    const reasons = new Map(pair.runnable.map(({ ours }) => [ours.name, incomparable(ours.spec, spec)]));
    const judgedFirst = [...reasons.keys()].sort((x, y) => rank(reasons.get(x)) - rank(reasons.get(y)));
    for (const program of judgedFirst) {
      if (o.only?.(name, program) === false) continue;
      const result = pair.run(program, packets, o.seed);
      const reason = reasons.get(program) ?? (result.evicted ? EVICTION : undefined);
      rows.push({ ...result, object: name, incomparable: reason });
    }
    pair.dispose();
  }
  return { rows, missing };
}

/** Program, packets, equal, different, maps. */
export function formatTable({ rows, missing }: Comparison): string {
  const cells = rows.map((row) => [
    `${row.object} ${row.name}`,
    row.type,
    `${row.packets}`,
    `${row.equal}`,
    `${row.packets - row.equal}`,
    row.mapDifferences.length === 0 ? 'equal' : 'different',
    row.incomparable === undefined ? '' : `${row.incomparable.reason} (${row.incomparable.spoils})`,
  ]);
  const table = [['program', 'type', 'packets', 'equal', 'different', 'maps', 'not judged because of'], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => (i >= 2 && i <= 4 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, summary({ rows, missing }), ...missing.map((reason) => `not loaded here: ${reason}`)].join('\n');
}

/** The last line of the table: programs, packets, what is equal, what is not judged, what is wrong. */
export function summary({ rows }: Comparison): string {
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const count = (which: (row: Row) => boolean): number => rows.filter(which).length;
  return (
    `${rows.length} programs, ${sum((row) => row.packets)} packets, ${sum((row) => row.equal)} equal; ` +
    `${count(isSame)} programs without a difference, ${count((row) => row.incomparable !== undefined)} not judged in ` +
    `full, ${count((row) => !isRight(row))} wrong; ${(sum((row) => row.milliseconds) / 1000).toFixed(1)} s`
  );
}

/** What is wrong, in words. */
export const failures = ({ rows }: Comparison): string[] =>
  rows
    .filter((row) => !isRight(row))
    .map(({ object, name, type, packets, equal, differences, mapDifferences }) =>
      [`${object} ${name} (${type}): ${packets - equal} of ${packets}`, ...differences, ...mapDifferences].join('\n  '),
    );
