// anybpf verify: whether the programs of an object may run, and why not.
import { type Command, Option } from 'commander';
import { fail, formatDiagnostic, type Place } from '../base/diagnostic.ts';
import { noKernelLog, wrongUse } from '../base/messages/cli.ts';
import { platformFor } from './extensions.ts';
import { type Opened, relocated, verifiedRecord } from '../hosts/verifier/serve.ts';
import type { ProgramSpec } from '../spec/object.ts';
import { PROGRAM_TYPES, type ProgramTypeName } from '../spec/program-types.ts';
import { explainKernelLog } from '../verify/kernel-log/explain.ts';
import { parseKernelLog } from '../verify/kernel-log/parse.ts';
import { dotOf } from '../verify/report/dot.ts';
import type { VerifyRecord } from '../verify/report/record.ts';
import { sarifOf } from '../verify/report/sarif.ts';
import { StatePrinter } from '../verify/report/states.ts';
import { refusalLines } from '../verify/report/text.ts';
import type { Target } from '../verify/targets/predict.ts';
import { DEFAULT_LIMITS } from '../verify/verify.ts';
import { count } from './count.ts';
import { readAll } from './files.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';
import { kernelTypes } from './kernel-types.ts';
import { openObject, programNamed } from './object.ts';
import { writeWhole } from './output-file.ts';
import { grouped, painter, plural, wrapped } from './style.ts';
import { EXIT, type Verb } from './verb.ts';
import { limitsOf, verifiedBeside } from './verify-beside.ts';
import { moreLines, targetOf, TARGETS, withKernel, withPredictions } from './verify-more.ts';
import { version } from './version.ts';
import { withWitnesses } from './witness.ts';

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
  readonly inProcess?: boolean;
  readonly target?: Target;
  readonly against?: 'kernel';
  readonly witness?: boolean;
  readonly strict?: boolean;
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
    .option('--strict', 'refuse what Linux lets programs with privileges do, too, instead of a warning')
    .option(
      '--witness',
      'look for inputs that show a refusal: runs, confined, that are aborted at that very instruction',
    )
    .option('--json', 'as JSON, one record a program (docs/schema/verify.schema.json)')
    .addOption(new Option('--sarif', 'as SARIF 2.1.0, for editors and continuous integration').conflicts('json'))
    .addOption(
      new Option(
        '--states',
        'first what is known before each instruction, path by path, as the kernel prints it at log level 2',
      ).conflicts(['json', 'sarif']),
    )
    .option('--cfg <file>', 'write the control flow as a graph for Graphviz, with the refused block marked')
    .option('--in-process', 'verify in this process: it starts sooner, but has all that this user has')
    .addOption(
      new Option(
        '--target <system>',
        `also predict what a system lacks that the programs need: ${TARGETS.join(', ')}`,
      ).argParser(targetOf),
    )
    .addOption(
      new Option('--against <verifier>', 'also ask the verifier of the running kernel, side by side').choices([
        'kernel',
      ]),
    )
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
  const beside = io.startsProcesses === true && ![options.inProcess, options.states, options.cfg].some(Boolean);
  const { target, against, witness = false } = options;
  if (beside && target === undefined && against === undefined && !witness) return verifiedBeside(file, options);
  const opened = await openObject(file, options.programType);
  const chosen = options.program === undefined ? opened.spec.programs : [programNamed(opened, options.program)];
  const types = options.btf === undefined ? undefined : await kernelTypes(options.btf);
  const object: Opened = { name: file, object: opened.spec, target: types };
  const records = beside
    ? await verifiedBeside(file, options)
    : chosen.map((p) => verifiedHere(object, p, options, io));
  if (options.cfg !== undefined) writeWhole(options.cfg, graphOf(object, chosen, records));
  const shown = witness
    ? withWitnesses(
        records,
        object.object,
        chosen.map((p) => relocated(object, p)),
      )
    : records;
  const predicted = target === undefined ? shown : withPredictions(shown, object, chosen, target);
  return against === undefined ? predicted : withKernel(predicted, object, chosen, movesPacket);
}

function verifiedHere(object: Opened, program: ProgramSpec, options: VerifyOptions, { stdout, now }: Io): VerifyRecord {
  const limits = limitsOf(options);
  if (options.states !== true) return verifiedRecord(object, program, { limits, now });
  stdout.write(`program ${program.name}:\n`);
  const { observe } = new StatePrinter((text) => stdout.write(text));
  return verifiedRecord(object, program, { limits, now, observe });
}

/** Graphviz's text. */
const graphOf = (opened: Opened, programs: readonly ProgramSpec[], records: readonly VerifyRecord[]): string =>
  dotOf(
    programs.map((program, i) => ({
      object: opened.object,
      spec: relocated(opened, program),
      platform: platformFor(opened.object.dialect),
      refused: records[i].instruction?.slot,
    })),
  );

/** Of Linux's helpers. */
const movesPacket = (helper: string): boolean =>
  platformFor('linux').families.some(({ helpers }) =>
    helpers.some((row) => `bpf_${row.name}` === helper && row.changesPacket === true),
  );

async function fromKernelLog(file: string, io: Io): Promise<readonly VerifyRecord[]> {
  const logs = parseKernelLog(new TextDecoder().decode(await readAll(file, io)));
  return logs.length === 0 ? fail(noKernelLog({ file })) : logs.map((log) => explainKernelLog(log, file, movesPacket));
}

function report(file: string, records: readonly VerifyRecord[], { explain = false }: VerifyOptions, io: Io): void {
  const paint = painter(io);
  const lines = records.flatMap((record) => {
    const { program, type, verdict, warnings } = record;
    const colour = verdict === 'accepted' ? 'green' : 'red';
    const cost = `${plural(record.visited, 'instruction')} visited, ${milliseconds(record.microseconds)}`;
    return [
      `${program === '' ? 'the program' : program}${type === '' ? '' : ` (${type})`}: ${paint(colour, WORDS[verdict])}; ${cost}`,
      ...warnings.map((w) => `  ${w.severity}: ${formatDiagnostic({ ...w, place: withoutProgram(w.place) })}`),
      ...(verdict === 'accepted' ? [] : refusalLines(record, { facts: explain })),
      ...moreLines(record),
    ].flatMap((line) => wrapped(line, io.stdout));
  });
  const accepted = records.filter((r) => r.verdict === 'accepted').length;
  const summary =
    records.length === 0 ? 'no programs' : `${grouped(accepted)} of ${plural(records.length, 'program')} accepted`;
  io.stdout.write(`${[...lines, `${file}: ${summary}`].join('\n')}\n`);
}

/** The program's name stands above. */
const withoutProgram = ({ insn, source }: Place): Place => ({
  ...(insn === undefined ? {} : { insn }),
  ...(source === undefined ? {} : { source }),
});

const WORDS = { accepted: 'accepted', refused: 'refused', budget: 'given up' } as const;

const milliseconds = (microseconds: number): string => `${(microseconds / 1000).toFixed(1)} ms`;
