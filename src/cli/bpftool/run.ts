// Runs a line of bpftool's grammar: options, object, command; prints the answer; gives the status as bpftool's exit code.
import { text } from '../../base/bytes.ts';
import { AnyBpfError, type Diagnostic, fail, formatDiagnostic } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import type { Io } from '../io.ts';
import { version } from '../version.ts';
import { isPrefix, parseOptions, type ToolOptions, Words } from './arguments.ts';
import { ToolError } from './errors.ts';
import { GROUPS } from './groups.ts';
import { type Answer, type Json, jsonText, prettyJson } from './output.ts';
import { readBytes } from './read-file.ts';
import { type Group, Tool, UsageError } from './tool.ts';

/** The name that help texts show. */
const NAME = 'anybpf';
/** eBPF for Windows' bpftool calls itself so. */
const WINDOWS_NAME = 'bpftool';

/** What a command came to: an answer, or the JSON and text of a refusal. */
interface Outcome {
  readonly json: Json | undefined;
  readonly out: string;
  readonly err: string;
  readonly status: number;
}

/**
 * Runs one line (without the command's own name) and prints what it answers.
 *
 * @returns bpftool's exit code: 0, or the status as the lowest byte of a negative number (-1: 255, -ENOENT: 254)
 */
export async function runBpftool(argv: readonly string[], io: Io): Promise<number> {
  const tried = tryOptions(argv);
  if (tried instanceof AnyBpfError) {
    io.stderr.write(`Error: ${tried.diagnostic.message}\n${helpText({ windows: false })}`);
    return exitCode(-1);
  }
  const { options, words } = tried;
  const tool = new Tool(io, options);
  try {
    const outcome = await outcomeOf(tool, words);
    io.stderr.write(outcome.err);
    if (!options.json) io.stdout.write(outcome.out);
    else if (outcome.json !== undefined) {
      const text = jsonText(outcome.json);
      io.stdout.write(`${options.pretty ? prettyJson(text) : text}\n`);
    }
    return exitCode(outcome.status);
  } finally {
    await tool.close();
  }
}

const exitCode = (status: number): number => status & 0xff;

function tryOptions(
  argv: readonly string[],
): { readonly options: ToolOptions; readonly words: string[] } | AnyBpfError {
  try {
    return parseOptions(argv);
  } catch (error) {
    if (error instanceof AnyBpfError) return error;
    throw error;
  }
}

async function outcomeOf(tool: Tool, line: readonly string[]): Promise<Outcome> {
  const { options } = tool;
  if (options.version) return answered(versionAnswer());
  if (options.help) return helped(tool, undefined, 0);
  const words = new Words(line);
  if (words.left === 0) return helped(tool, undefined, 0);
  for (const [keyword, run] of TOP_COMMANDS) if (words.skip(keyword)) return run(tool, words);
  const group = GROUPS.find(({ name }) => isPrefix(words.next, name));
  if (group === undefined) return helped(tool, undefined, -1);
  words.take();
  return groupOutcome(tool, group, words);
}

async function groupOutcome(tool: Tool, group: Group, words: Words): Promise<Outcome> {
  const chosen =
    words.left === 0 ? group.commands[0] : group.commands.find(([keyword]) => isPrefix(words.next, keyword));
  if (isPrefix(words.next, 'help') || chosen?.[0] === 'help') return helped(tool, group, 0);
  if (chosen === undefined) return helped(tool, group, -1);
  if (words.left > 0) words.take();
  try {
    return answered(await chosen[1](tool, words));
  } catch (error) {
    if (error instanceof UsageError) return misused(tool, group, error.message);
    if (error instanceof AnyBpfError) return refused(tool, error);
    throw error;
  }
}

const answered = (answer: Answer, withText = true): Outcome => ({
  json: answer.json(),
  out: withText ? answer.text() : '',
  err: answer.notes ?? '',
  status: answer.status ?? 0,
});

/** Findings of sessions and stages have a place and a hint, which are told; bpftool's own sentences have none. */
const sentenceOf = (finding: Diagnostic): string =>
  finding.code.startsWith('bpftool/') ? finding.message : formatDiagnostic(finding);

function refused(tool: Tool, error: AnyBpfError): Outcome {
  const sentence = sentenceOf(error.diagnostic);
  const debug =
    tool.options.debug && error.cause instanceof AnyBpfError ? `${formatDiagnostic(error.cause.diagnostic)}\n` : '';
  const notes = (error instanceof ToolError ? error.notes : '') + debug;
  return {
    json: { error: sentence },
    out: '',
    err: notes + (tool.options.json ? '' : `Error: ${sentence}\n`),
    status: error instanceof ToolError ? error.status : -1,
  };
}

function helped(tool: Tool, group: Group | undefined, status: number): Outcome {
  const err = tool.options.json ? '' : helpText({ windows: tool.windows }, group);
  return { json: null, out: '', err, status };
}

function misused(tool: Tool, group: Group, sentence: string): Outcome {
  const help = helped(tool, group, -1);
  if (sentence === '') return help;
  return { ...help, json: { error: sentence }, err: tool.options.json ? '' : `Error: ${sentence}\n${help.err}` };
}

function helpText({ windows }: { readonly windows: boolean }, group?: Group): string {
  const name = windows ? WINDOWS_NAME : NAME;
  const text =
    group === undefined
      ? windows
        ? WINDOWS_TOP_HELP
        : TOP_HELP
      : ((windows ? group.windowsHelp : undefined) ?? group.help);
  return `Usage: ${text.replaceAll('%', name)}${group !== undefined && !windows ? OPTIONS_HELP : ''}`;
}

const OPTIONS_HELP = `       OPTIONS := { {-j|--json} [{-p|--pretty}] | {-d|--debug} | {-f|--bpffs} |
                    --host HOST | --socket PATH | --dialect { linux | windows } }
`;

const TOP_HELP = `% [OPTIONS] OBJECT { COMMAND | help }
       % bpftool batch file FILE
       % bpftool version

       OBJECT := { ${GROUPS.map(({ name }) => name).join(' | ')} }
${OPTIONS_HELP}`;

const WINDOWS_TOP_HELP = `% [OPTIONS] OBJECT { COMMAND | help }
       % batch file FILE
       % version

       OBJECT := { prog | map | link | net }
       OPTIONS := { {-j|--json} [{-p|--pretty}] | {-d|--debug} | {-l|--legacy} |
                    {-V|--version} }
`;

type TopCommand = (tool: Tool, words: Words) => Outcome | Promise<Outcome>;

const TOP_COMMANDS: readonly (readonly [keyword: string, run: TopCommand])[] = [
  ['help', (tool) => helped(tool, undefined, 0)],
  ['batch', batch],
  ['version', () => answered(versionAnswer())],
];

const versionAnswer = (): Answer => ({
  json: () => ({ version, features: {} }),
  text: () => `${NAME} v${version}\n`,
});

/** The lines of a file, one after the other, until one fails. `#` begins a comment. */
async function batch(tool: Tool, words: Words): Promise<Outcome> {
  const outcomes: { readonly words: readonly string[]; readonly outcome: Outcome }[] = [];
  let lines: string[][];
  try {
    lines = await batchLines(tool, words);
  } catch (error) {
    if (error instanceof AnyBpfError) return refused(tool, error);
    throw error;
  }
  let status = 0;
  for (const line of lines) {
    const outcome = await outcomeOf(tool, line);
    outcomes.push({ words: line, outcome });
    status = outcome.status;
    if (status !== 0) break;
  }
  const processed = status === 0 && !tool.options.json ? `processed ${outcomes.length} commands\n` : '';
  return {
    json: outcomes.map(({ words: command, outcome }) => ({ command, output: outcome.json ?? null })),
    out: outcomes.map(({ outcome }) => outcome.out).join(''),
    err: outcomes.map(({ outcome }) => outcome.err).join('') + processed,
    status,
  };
}

async function batchLines(tool: Tool, words: Words): Promise<string[][]> {
  if (words.left < 2) fail(wrongWords({}, 'too few parameters for batch'));
  if (!words.skip('file')) fail(wrongWords({}, `expected 'file', got: ${words.next}`));
  if (words.left > 1) fail(wrongWords({}, 'too many parameters for batch'));
  const file = words.take();
  return text(await readBytes(file, tool.io, `Can't open file (${file})`))
    .split('\n')
    .map((line) =>
      line
        .replace(/#.*/, '')
        .split(/\s+/)
        .filter((word) => word !== ''),
    )
    .filter((line) => line.length > 0);
}
