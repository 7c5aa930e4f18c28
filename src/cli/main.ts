// The command `anybpf`: parses the line, calls the verb, turns failures into a sentence and an exit code.
import { Command, CommanderError } from 'commander';
import { AnyBpfError, type Diagnostic, formatDiagnostic } from '../base/diagnostic.ts';
import { wrongUse } from '../base/messages/cli.ts';
import { asmVerb } from './asm.ts';
import { bpftoolVerb, optionsLast } from './bpftool/verb.ts';
import { compileVerb } from './compile.ts';
import { completionVerb } from './completion.ts';
import { conformanceVerb } from './conformance-verb.ts';
import { disasmVerb } from './disasm.ts';
import { dumpVerb } from './dump.ts';
import { loadExtensions } from './extensions.ts';
import { type Io, processIo } from './io.ts';
import { toJson } from './json.ts';
import { netshVerb } from './netsh/netsh.ts';
import { runVerb } from './run.ts';
import { serviceVerb } from './service.ts';
import { painter } from './style.ts';
import { superviseVerb } from './supervise.ts';
import { verifyVerb } from './verify.ts';
import { EXIT, type ExitCode, RefusedError, type Verb } from './verb.ts';
import { version } from './version.ts';

const VERBS: readonly Verb[] = [
  runVerb,
  verifyVerb,
  compileVerb,
  dumpVerb,
  disasmVerb,
  asmVerb,
  conformanceVerb,
  serviceVerb,
  superviseVerb,
  bpftoolVerb,
  netshVerb,
  completionVerb,
];

const FOOTER = `
Exit codes:
  ${EXIT.done}  done
  ${EXIT.failed}  refused or failed: a program that cannot be loaded or that aborts, a file
     that cannot be written
  ${EXIT.unusable}  wrong use, or input that cannot be read
  Verbs of bpftool's grammar end with bpftool's codes: 255, or 256 less an errno.

Errors are one sentence on standard error; with --json one object {"error": ...}
on standard output. In JSON, integers above 2^53 are decimal text and bytes are
hexadecimal text.`;

/** Stages whose findings say that what was given cannot be read; those of all others mean refused or failed. */
const UNREADABLE: ReadonlySet<string> = new Set(['input', 'elf', 'btf', 'capture', 'isa', 'link', 'conformance']);
/** Own findings that are not about the command line or its files. */
const FAILED: ReadonlySet<string> = new Set(['cli/write', 'cli/link-type']);

function exitCodeOf({ code }: Diagnostic): ExitCode {
  if (FAILED.has(code)) return EXIT.failed;
  const [stage] = code.split('/');
  return stage === 'cli' || UNREADABLE.has(stage) ? EXIT.unusable : EXIT.failed;
}

/**
 * Runs the command with these arguments (without node and script); gives the exit code. Never raises for bad input.
 * Errors of AnyBPF itself pass through: they are bugs, and their stack is what is needed.
 */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  let code: number = EXIT.done;
  const program = new Command('anybpf')
    .description('eBPF for the JavaScript host: replay captures through programs, look into objects')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // Reported below, in the form of all other errors.
      outputError: () => undefined,
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .addHelpText('after', FOOTER);
  const finish = (result: number): void => {
    code = result;
  };
  for (const verb of VERBS) verb(program, io, finish);
  try {
    await loadExtensions(io.env.ANYBPF_EXTENSIONS);
    await program.parseAsync([...optionsLast(argv)], { from: 'user' });
    return code;
  } catch (error) {
    const finding = findingOf(error);
    // Help and version end so too.
    if (finding === undefined) return (error as CommanderError).exitCode === 0 ? EXIT.done : EXIT.unusable;
    report(finding, argv, io);
    return error instanceof RefusedError ? EXIT.failed : exitCodeOf(finding);
  }
}

/** What was found wrong; undefined where commander has already said all (help, version). */
function findingOf(error: unknown): Diagnostic | undefined {
  if (error instanceof AnyBpfError) return error.diagnostic;
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode === 0 || error.code === 'commander.help') return undefined;
  return wrongUse({}, error.message.replace(/^error: /, '').replace(/\n+/g, ' '));
}

function report(finding: Diagnostic, argv: readonly string[], io: Io): void {
  if (argv.includes('--json')) io.stdout.write(`${toJson({ error: finding })}\n`);
  else io.stderr.write(`${painter(io, io.stderr)('red', 'anybpf:')} ${formatDiagnostic(finding)}\n`);
}
