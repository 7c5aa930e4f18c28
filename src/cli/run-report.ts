// What a replay found, as text and as data.
import type { LoadedObject } from '../run/object.ts';
import type { EngineChoice } from '../spec/backend.ts';
import type { ProgramSpec } from '../spec/object.ts';
import type { Io } from './io.ts';
import { mapData, mapLines } from './map-report.ts';
import type { RecordLog } from './records.ts';
import type { ReplayTotals } from './replay.ts';
import type { TraceLog } from './replay-host.ts';
import { grouped, painter, plural, table, wrapped } from './style.ts';
import type { VerdictCount } from './verdicts.ts';

export interface Outcome {
  /** Name of the object file. */
  readonly file: string;
  readonly object: LoadedObject;
  readonly program: ProgramSpec;
  /** Name of the capture. */
  readonly capture: string;
  /** What ran the program in the end. */
  readonly engine: EngineChoice;
  readonly totals: ReplayTotals;
  readonly verdicts: readonly VerdictCount[];
  /** Runs of the program: packets times --repeat. */
  readonly runs: number;
  readonly seconds: number;
  readonly records: readonly RecordLog[];
  readonly trace: TraceLog;
}

/** 0 where no time was measured. */
const rateOf = ({ runs, seconds }: Outcome): number => (seconds > 0 ? Math.round(runs / seconds) : 0);

const share = (part: number, whole: number): string => `${whole === 0 ? '0.0' : ((100 * part) / whole).toFixed(1)} %`;

function verdictTable({ verdicts, totals }: Outcome, io: Io): string {
  const rows = [
    ...verdicts.map(({ name, packets, bytes }) => ({ name, packets, bytes })),
    ...[...totals.skipped].map(([why, { packets, bytes }]) => ({ name: `not run: ${why}`, packets, bytes })),
  ];
  return table(
    [
      { title: 'verdict' },
      { title: 'packets', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'share', align: 'right' },
    ],
    rows.map(({ name, packets, bytes }) => [name, grouped(packets), grouped(bytes), share(packets, totals.packets)]),
    io.stdout,
  );
}

function timeLine(outcome: Outcome): string {
  const { totals, runs, seconds, engine } = outcome;
  const repeated = runs > totals.packets ? `, ${plural(runs, 'run')}` : '';
  const unit = repeated === '' ? 'packets' : 'runs';
  return `${plural(totals.packets, 'packet')}${repeated} in ${seconds.toFixed(2)} s: ${grouped(rateOf(outcome))} ${unit}/s (${engine} engine)`;
}

/** A page for a person; at most `rows` lines of each map and ring. */
export function outcomeText(outcome: Outcome, rows: number, io: Io): string {
  const { file, object, program, capture, records, trace } = outcome;
  const paint = painter(io);
  const blocks: string[][] = [
    [`${program.name} (${program.type}) of ${file} on ${capture}`],
    verdictTable(outcome, io).split('\n'),
    [timeLine(outcome)],
    ...object.maps.map((map) => mapLines(object, map, rows)),
    ...records.map((log) => log.lines(rows)),
    trace.textLines(rows),
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.flatMap((line) => wrapped(line, io.stdout)))
    // After the breaking, which counts characters.
    .map((lines, i) => (i === 0 ? lines.map((line) => paint('bold', line)) : lines).join('\n'))
    .join('\n\n')}\n`;
}

/** All of it, as plain data for JSON. */
export function outcomeData(outcome: Outcome) {
  const { file, object, program, capture, engine, totals, verdicts, runs, seconds, records, trace } = outcome;
  return {
    object: file,
    program: { name: program.name, type: program.type, section: program.section },
    capture,
    engine,
    packets: totals.packets,
    bytes: totals.bytes,
    verdicts,
    notRun: [...totals.skipped].map(([reason, counts]) => ({ reason, ...counts })),
    runs,
    seconds,
    runsPerSecond: rateOf(outcome),
    maps: object.maps.map((map) => mapData(object, map)),
    records: records.map((log) => log.data()),
    trace: trace.lines,
    notices: [...object.diagnostics, ...totals.notices],
  };
}
