// anybpf run: a capture through a packet program.
import type { Command } from 'commander';
import { AnyBpfError, type Diagnostic, fail, formatDiagnostic } from '../base/diagnostic.ts';
import { badPreset, chooseProgram, noPacketProgram, notReplayable } from '../base/messages/cli.ts';
import { readCaptureChunks } from '../capture/read.ts';
import { loadObject } from '../run/loader.ts';
import type { LoadedObject } from '../run/object.ts';
import type { VerifyMode } from '../run/verification.ts';
import type { EngineChoice } from '../spec/backend.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import { count } from './count.ts';
import { engineOption } from './engine.ts';
import { platformFor } from './extensions.ts';
import { openStream } from './files.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';
import { kernelTypes } from './kernel-types.ts';
import { type OpenedObject, openObject, programNamed } from './object.ts';
import { mapNamed, type MapPresets, readPresets, splitAssignment, withSettings } from './presets.ts';
import { Progress } from './progress.ts';
import { RecordLog, recordStruct } from './records.ts';
import { replay } from './replay.ts';
import { ReplayHost } from './replay-host.ts';
import { type Outcome, outcomeData, outcomeText } from './run-report.ts';
import { VerdictCapture } from './verdict-capture.ts';
import { VerdictTally } from './verdicts.ts';
import { RefusedError, type Verb } from './verb.ts';
import { verifyOption } from './verify-option.ts';
import { version } from './version.ts';

/** Program types that a capture can be replayed through, as messages call them. */
const REPLAYABLE: { readonly [P in ProgramTypeName]?: string } = {
  xdp: 'xdp',
  sched_cls: 'tc',
  sched_act: 'tc action',
  socket_filter: 'socket filter',
};
const REPLAYABLE_TITLES = Object.values(REPLAYABLE).join(', ');

/** Lines of each map and ring in the text. */
const DEFAULT_ROWS = 10;

interface RunOptions {
  readonly pcap: string;
  readonly program?: string;
  readonly out?: string;
  readonly map?: readonly string[];
  readonly set?: readonly string[];
  readonly type?: readonly string[];
  readonly engine: EngineChoice;
  readonly verify: VerifyMode;
  readonly repeat: number;
  readonly limit?: number;
  readonly budget?: number;
  readonly rows: number;
  readonly btf?: string;
  readonly json?: boolean;
}

const collected = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];

export const runVerb: Verb = (program: Command, io) => {
  program
    .command('run')
    .description('replay a capture through an XDP, tc or socket filter program and show its verdicts, maps and records')
    .argument('<object>', 'eBPF object file')
    .requiredOption('--pcap <file>', 'capture to replay, pcap or pcapng; - is standard input')
    .option('--program <name>', 'program to run, by function or section name; needed where the object has several')
    .option('--out <file>', 'write a pcapng capture in which each packet carries its verdict')
    .option(
      '--map <name=entries>',
      'entries to set first: {"key": value, ...}, [{"key": ..., "value": ...}] or @file.json (repeatable)',
      collected,
    )
    .option('--set <global=value>', 'value of a global variable (repeatable)', collected)
    .option('--type <map=struct>', 'struct of the records of a ring buffer or perf event array (repeatable)', collected)
    .addOption(engineOption())
    .addOption(verifyOption('what is accepted runs without checks of accesses once it is compiled'))
    .option('--repeat <n>', 'run the program so often on each packet; the last run counts', count, 1)
    .option('--limit <n>', 'stop after so many packets', count)
    .option('--budget <n>', 'instructions that one run may take', count)
    .option('--rows <n>', 'lines to show of each map and ring', count, DEFAULT_ROWS)
    .option('--btf <file>', 'BTF of the kernel that CO-RE relocations are resolved against (/sys/kernel/btf/vmlinux)')
    .option('--json', 'as JSON, with all entries of all maps')
    .addHelpText(
      'after',
      '\nThe clocks that the program sees show the time of the packet, and its random\nnumbers are the same each time.',
    )
    .action(async (file: string, options: RunOptions) => {
      using setup = await prepare(file, options);
      const outcome = await replayed(setup, options, io);
      if (options.json === true) {
        io.stdout.write(`${toJson(outcomeData(outcome), 2)}\n`);
        return;
      }
      const notices = [...outcome.totals.notices, ...setup.object.diagnostics.filter((d) => concerns(d, setup.chosen))];
      for (const notice of notices) io.stderr.write(`anybpf: ${notice.severity}: ${formatDiagnostic(notice)}\n`);
      io.stdout.write(outcomeText(outcome, options.rows, io));
    });
};

/** Whether a finding of the object matters to a run: what is wrong with other programs does not. */
const concerns = ({ severity, place: { program } }: Diagnostic, chosen: ProgramSpec): boolean =>
  severity !== 'note' && (program === undefined || program === chosen.name);

interface Setup extends Disposable {
  /** Name of the object file. */
  readonly file: string;
  readonly object: LoadedObject;
  readonly chosen: ProgramSpec;
  readonly host: ReplayHost;
  readonly records: readonly RecordLog[];
}

/** The object loaded, its globals and maps set as the options say. */
async function prepare(file: string, options: RunOptions): Promise<Setup> {
  const opened = await openObject(file);
  const chosen = choose(opened, options.program);
  const spec = withSettings(opened.spec, options.set ?? []);
  const presets = await Promise.all((options.map ?? []).map((argument) => readPresets(spec, argument)));
  const types = recordTypes(spec, options.type ?? []);
  const btf = options.btf === undefined ? undefined : await kernelTypes(options.btf);
  const host = new ReplayHost();
  const object = loadObject(spec, {
    host: host.host,
    platform: platformFor(spec.dialect),
    engine: options.engine,
    verify: options.verify,
    // A chosen program is loaded whatever its section says, and with it those that it may call.
    programs: spec.programs.filter((p) => p.autoload || p.name === chosen.name).map((p) => p.name),
    ...(options.budget === undefined ? {} : { budget: options.budget }),
    ...(btf === undefined ? {} : { btf: [btf] }),
  });
  try {
    const { diagnostic } = object.program(chosen.name);
    if (diagnostic !== undefined) throw new RefusedError({ ...diagnostic, place: { file, ...diagnostic.place } });
    for (const preset of presets) apply(object, preset);
    const keep = options.json === true ? Number.MAX_SAFE_INTEGER : options.rows;
    const records = RecordLog.of(object.maps, { btf: spec.btf, types, keep });
    return { file, object, chosen, host, records, [Symbol.dispose]: () => object[Symbol.dispose]() };
  } catch (error) {
    object[Symbol.dispose]();
    throw error;
  }
}

function recordTypes(spec: ObjectSpec, given: readonly string[]): Map<string, number> {
  return new Map(
    given.map((argument) => {
      const [name, struct] = splitAssignment('--type', argument);
      return [mapNamed(spec, name).name, recordStruct(spec.btf, argument, struct)];
    }),
  );
}

async function replayed({ file, object, chosen, host, records }: Setup, options: RunOptions, io: Io): Promise<Outcome> {
  const row = object.platform.programType(chosen.type);
  if (row === undefined) return fail(notReplayable({ file }, chosen.name, chosen.type, REPLAYABLE_TITLES));
  const tally = new VerdictTally(row, chosen.dialect);
  const { chunks, size } = await openStream(options.pcap, io);
  let read = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      read += chunk.length;
      yield chunk;
    }
  }
  using out = options.out === undefined ? undefined : new VerdictCapture(options.out, chosen, `anybpf ${version}`);
  using progress = new Progress(io, size);
  const start = io.now();
  const totals = await replay(readCaptureChunks(counted(), { file: options.pcap }), {
    program: object.program(chosen.name),
    tally,
    records,
    out,
    repeat: options.repeat,
    limit: options.limit ?? Number.POSITIVE_INFINITY,
    setClock: (time) => host.setTime(time),
    progress: (packets) => progress.update(packets, read),
  });
  const seconds = (io.now() - start) / 1000;
  out?.commit();
  return {
    file,
    object,
    program: chosen,
    capture: options.pcap === '-' ? 'standard input' : options.pcap,
    engine: object.program(chosen.name).engine ?? options.engine,
    totals,
    verdicts: tally.rows(),
    runs: tally.total * options.repeat,
    seconds,
    records,
    trace: host.trace,
  };
}

/** The program that is asked for, or the only one that a capture can be replayed through. */
function choose(opened: OpenedObject, name: string | undefined): ProgramSpec {
  const place = { file: opened.file };
  const { programs } = opened.spec;
  if (name !== undefined) {
    const program = programNamed(opened, name);
    if (REPLAYABLE[program.type] === undefined) fail(notReplayable(place, name, program.type, REPLAYABLE_TITLES));
    return program;
  }
  const fitting = programs.filter((p) => REPLAYABLE[p.type] !== undefined);
  if (fitting.length === 0) return fail(noPacketProgram(place, REPLAYABLE_TITLES));
  if (fitting.length > 1)
    return fail(
      chooseProgram(
        place,
        fitting.map((p) => `${p.name} (${REPLAYABLE[p.type]})`),
      ),
    );
  return fitting[0];
}

/** Raises cli/map where the map refuses an entry. */
function apply(object: LoadedObject, { map: { name }, entries }: MapPresets): void {
  const map = object.map(name);
  for (const { text, key, value } of entries) {
    try {
      if (key === undefined) map.push(value);
      else map.set(key, value);
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      fail(badPreset(error.diagnostic.place, text, error.diagnostic.message), error);
    }
  }
}
