// anybpf verify: whether the programs of an object may run, and why not.
import { type Command, Option } from 'commander';
import { type Diagnostic, fail, formatDiagnostic } from '../base/diagnostic.ts';
import { noKernelLog, wrongUse } from '../base/messages/cli.ts';
import { notRelocated } from '../base/messages/verify.ts';
import type { Btf } from '../btf/btf.ts';
import { builtInPlatform } from '../hosts/platform.ts';
import { relocateProgram } from '../link/core.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import { PROGRAM_TYPES, type ProgramTypeName } from '../spec/program-types.ts';
import { verifyAndExplain } from '../verify/explain/explain.ts';
import { explainKernelLog } from '../verify/kernel-log/explain.ts';
import { parseKernelLog } from '../verify/kernel-log/parse.ts';
import { dotOf } from '../verify/report/dot.ts';
import { recordOf, type VerifyRecord } from '../verify/report/record.ts';
import { sarifOf } from '../verify/report/sarif.ts';
import { StatePrinter } from '../verify/report/states.ts';
import { refusalLines } from '../verify/report/text.ts';
import { DEFAULT_LIMITS, type Verdict } from '../verify/verify.ts';
import { count } from './count.ts';
import { readAll } from './files.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';
import { kernelTypes } from './kernel-types.ts';
import { openObject, programNamed } from './object.ts';
import { writeWhole } from './output-file.ts';
import { grouped, painter, plural, wrapped } from './style.ts';
import { EXIT, type Verb } from './verb.ts';
import { version } from './version.ts';

interface VerifyOptions {
  readonly program?: string;
  readonly explain?: boolean;
  readonly json?: boolean;
  readonly sarif?: boolean;
  readonly states?: boolean;
  readonly cfg?: string;
  readonly kernelLog?: string;
  readonly btf?: string;
  readonly programType?: ProgramTypeName;
  readonly budget: number;
}

export const verifyVerb: Verb = (program: Command, io, finish) => {
  program
    .command('verify')
    .description(
      'say whether programs may run: that they touch only their own memory, end, and give back what they take',
    )
    .argument('[object]', 'eBPF object file')
    .option('--program <name>', 'only this program, by function or section name')
    .option('--explain', 'with what led to a refusal: where its values come from, and what the path decided')
    .addOption(
      new Option('--program-type <type>', 'type of the programs whose sections do not say one').choices(
        Object.keys(PROGRAM_TYPES).filter((type) => type !== 'unspec'),
      ),
    )
    .option('--btf <file>', 'BTF of the kernel that CO-RE relocations are resolved against (/sys/kernel/btf/vmlinux)')
    .option('--budget <n>', 'instructions to visit before the analysis is given up', count, DEFAULT_LIMITS.visits)
    .option('--json', 'as JSON, one record a program (docs/schema/verify.schema.json)')
    .addOption(new Option('--sarif', 'as SARIF 2.1.0, for editors and continuous integration').conflicts('json'))
    .addOption(
      new Option(
        '--states',
        'first what is known before each instruction, path by path, as the kernel prints it at log level 2',
      ).conflicts(['json', 'sarif']),
    )
    .option('--cfg <file>', 'write the control flow as a graph for Graphviz, with the refused block marked')
    .option('--kernel-log <file>', "explain a log of Linux's verifier instead; - is standard input")
    .addHelpText('after', '\nThe exit code is 0 only if all programs are accepted.')
    .action(async (object: string | undefined, options: VerifyOptions) => {
      const records = await recordsOf(object, options, io);
      const passed = records.every((r) => r.verdict === 'accepted');
      const file = options.kernelLog ?? object;
      if (options.json === true) io.stdout.write(`${toJson({ object: file, passed, programs: records }, 2)}\n`);
      else if (options.sarif === true) io.stdout.write(`${toJson(sarifOf(records, version), 2)}\n`);
      else report(file ?? '', records, options, io);
      finish(passed ? EXIT.done : EXIT.failed);
    });
};

/** Verdicts on the programs of the object, or those that a kernel's log tells of. */
async function recordsOf(file: string | undefined, options: VerifyOptions, io: Io): Promise<readonly VerifyRecord[]> {
  if (options.kernelLog !== undefined) {
    if (file !== undefined) fail(wrongUse({}, '--kernel-log says all by itself: give no object with it'));
    return fromKernelLog(options.kernelLog, io);
  }
  if (file === undefined) return fail(wrongUse({}, "missing required argument 'object'"));
  const opened = await openObject(file, options.programType);
  const target = options.btf === undefined ? undefined : await kernelTypes(options.btf);
  const chosen = options.program === undefined ? opened.spec.programs : [programNamed(opened, options.program)];
  const verifier = new Verifier(file, opened.spec, target, options, io);
  const records = chosen.map((p) => verifier.verify(p));
  if (options.cfg !== undefined) writeWhole(options.cfg, verifier.graph(chosen, records));
  return records;
}

/** Of Linux's helpers. */
const movesPacket = (helper: string): boolean =>
  builtInPlatform('linux').families.some(({ helpers }) =>
    helpers.some((row) => `bpf_${row.name}` === helper && row.changesPacket === true),
  );

async function fromKernelLog(file: string, io: Io): Promise<readonly VerifyRecord[]> {
  const logs = parseKernelLog(new TextDecoder().decode(await readAll(file, io)));
  return logs.length === 0 ? fail(noKernelLog({ file })) : logs.map((log) => explainKernelLog(log, file, movesPacket));
}

class Verifier {
  readonly #file: string;
  readonly #object: ObjectSpec;
  readonly #platform: Platform;
  readonly #target: Btf | undefined;
  readonly #options: VerifyOptions;
  readonly #io: Io;

  constructor(file: string, object: ObjectSpec, target: Btf | undefined, options: VerifyOptions, io: Io) {
    this.#file = file;
    this.#object = object;
    this.#platform = builtInPlatform(object.dialect);
    this.#target = target;
    this.#options = options;
    this.#io = io;
  }

  verify(original: ProgramSpec): VerifyRecord {
    const spec = this.#relocated(original);
    const start = this.#io.now();
    const verdict = this.#verdict(spec);
    return recordOf(this.#file, spec, verdict, (this.#io.now() - start) * 1000, this.#warnings(spec));
  }

  #verdict(spec: ProgramSpec): Verdict {
    if (spec.unsupported !== undefined) {
      return { verdict: 'refused', diagnostic: spec.unsupported, visits: 0, states: 0 };
    }
    const limits = { ...DEFAULT_LIMITS, visits: this.#options.budget };
    const { stdout } = this.#io;
    const states = this.#options.states === true ? new StatePrinter((text) => stdout.write(text)) : undefined;
    if (states !== undefined) stdout.write(`program ${spec.name}:\n`);
    return verifyAndExplain(this.#object, spec, this.#platform, limits, states?.observe);
  }

  /** Graphviz's text. */
  graph(programs: readonly ProgramSpec[], records: readonly VerifyRecord[]): string {
    return dotOf(
      programs.map((original, i) => ({
        object: this.#object,
        spec: this.#relocated(original),
        platform: this.#platform,
        refused: records[i].instruction?.slot,
      })),
    );
  }

  #relocated(spec: ProgramSpec): ProgramSpec {
    const { btf } = this.#object;
    return btf === undefined || this.#target === undefined ? spec : relocateProgram(spec, btf, [this.#target]);
  }

  #warnings(spec: ProgramSpec): Diagnostic[] {
    const place = { program: spec.name };
    return [
      ...(spec.core.length > 0 && this.#target === undefined ? [notRelocated(place, spec.core.length)] : []),
      ...this.#object.diagnostics.filter((d) => d.severity === 'warning' && d.place.program === spec.name),
    ];
  }
}

function report(file: string, records: readonly VerifyRecord[], { explain = false }: VerifyOptions, io: Io): void {
  const paint = painter(io);
  const lines = records.flatMap((record) => {
    const { program, type, verdict, warnings } = record;
    const colour = verdict === 'accepted' ? 'green' : 'red';
    const cost = `${plural(record.visited, 'instruction')} visited, ${milliseconds(record.microseconds)}`;
    return [
      `${program === '' ? 'the program' : program}${type === '' ? '' : ` (${type})`}: ${paint(colour, WORDS[verdict])}; ${cost}`,
      ...warnings.map((w) => `  ${w.severity}: ${formatDiagnostic({ ...w, place: {} })}`),
      ...(verdict === 'accepted' ? [] : refusalLines(record, { facts: explain })),
    ].flatMap((line) => wrapped(line, io.stdout));
  });
  const accepted = records.filter((r) => r.verdict === 'accepted').length;
  const summary =
    records.length === 0 ? 'no programs' : `${grouped(accepted)} of ${plural(records.length, 'program')} accepted`;
  io.stdout.write(`${[...lines, `${file}: ${summary}`].join('\n')}\n`);
}

const WORDS = { accepted: 'accepted', refused: 'refused', budget: 'given up' } as const;

const milliseconds = (microseconds: number): string => `${(microseconds / 1000).toFixed(1)} ms`;
