// anybpf netsh: eBPF for Windows' commands of netsh, with its grammar and its outputs.
import type { Command } from 'commander';
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import { ambiguousCommand, commandNotFound } from '../../base/messages/netsh.ts';
import type { Session } from '../../spec/session.ts';
import { readAll } from '../files.ts';
import type { Io } from '../io.ts';
import { openSession, type SessionOptions, sessionOptions } from '../session.ts';
import { EXIT, type ExitCode, type Verb } from '../verb.ts';
import { type AddedObject, Failed, type NetshCommand, type Shell } from './command.ts';
import { COMMANDS } from './commands.ts';
import { matching, parseTags, usageOf } from './grammar.ts';

interface NetshOptions extends SessionOptions {
  readonly file?: string;
}

export const netshVerb: Verb = (program: Command, io, finish) => {
  sessionOptions(
    program
      .command('netsh')
      .description("eBPF for Windows' commands of netsh: netsh ebpf show programs; all words may be cut short")
      .argument('[words...]', 'ebpf, the command, and its values: filename=x.o, or in order')
      .option('-f, --file <file>', 'commands to run one after the other, a line each; - is standard input'),
  ).action(async (words: readonly string[], options: NetshOptions) => {
    const shell = new CommandShell(io, options);
    try {
      finish(options.file === undefined ? await runLine(shell, words, io) : await runFile(shell, options.file, io));
    } finally {
      await shell.close();
    }
  });
};

/** The session begins with the first command that needs it. */
class CommandShell implements Shell {
  readonly objects = new Set<AddedObject>();
  readonly #io: Io;
  readonly #options: SessionOptions;
  #session: Promise<Session> | undefined;

  constructor(io: Io, options: SessionOptions) {
    this.#io = io;
    this.#options = options;
  }

  write(text: string): void {
    this.#io.stdout.write(text);
  }

  session(): Promise<Session> {
    this.#session ??= openSession(this.#io, this.#options);
    return this.#session;
  }

  async close(): Promise<void> {
    // Where it could not be opened, the command has said so.
    const session = await this.#session?.catch(() => undefined);
    await session?.close();
  }
}

/** Runs one command; what it says without success goes to standard error. */
async function runLine(shell: Shell, words: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await runNetsh(shell, words);
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    io.stderr.write(error.text);
    return EXIT.failed;
  }
}

/** As netsh -f: all lines, also behind one that failed. Empty lines and those that begin with # are passed over. */
async function runFile(shell: Shell, file: string, io: Io): Promise<ExitCode> {
  const text = new TextDecoder().decode(await readAll(file, io));
  let worst: ExitCode = EXIT.done;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    try {
      const code = await runLine(shell, wordsOf(line), io);
      worst = code === EXIT.done ? worst : code;
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      throw new AnyBpfError(
        { ...error.diagnostic, place: { file: `${file}:${i + 1}`, ...error.diagnostic.place } },
        { cause: error },
      );
    }
  }
  return worst;
}

/** Words of a line; quotes hold those with spaces together: `interface="Loopback Pseudo-Interface 1"`. */
export const wordsOf = (line: string): string[] =>
  [...line.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)].map(([word]) => word.replaceAll('"', ''));

const isHelp = (word: string | undefined): word is undefined =>
  word === undefined || /^(?:help|\?|\/\?|-\?)$/i.test(word);

/**
 * Runs the command that the words name.
 *
 * @throws AnyBpfError cli/netsh-* for words that are no command; Failed where it ends without success
 */
export async function runNetsh(shell: Shell, words: readonly string[]): Promise<void> {
  const [context, ...rest] = words;
  if (isHelp(context)) return shell.write(help(COMMANDS));
  if (matching(['ebpf'], context).length === 0) fail(commandNotFound({}, words.join(' ')));
  const [group, noun, ...values] = rest;
  if (isHelp(group)) return shell.write(help(COMMANDS));
  const inGroup = chosen(COMMANDS, (command) => command.group, group, words);
  if (isHelp(noun)) return shell.write(help(inGroup));
  const [command] = chosen(inGroup, (candidate) => candidate.noun, noun, words);
  if (values.length === 1 && isHelp(values[0])) return shell.write(help([command]));
  await command.run(shell, parseTags(command.tags, values));
}

/** The commands that a word names. */
function chosen(
  commands: readonly NetshCommand[],
  key: (command: NetshCommand) => string,
  word: string,
  words: readonly string[],
): readonly NetshCommand[] {
  const choices = matching([...new Set(commands.map(key))], word);
  if (choices.length > 1) fail(ambiguousCommand({}, word, choices));
  const found = commands.filter((command) => key(command) === choices[0]);
  return found.length > 0 ? found : fail(commandNotFound({}, words.join(' ')));
}

const help = (commands: readonly NetshCommand[]): string =>
  `\nThe following commands are available:\n\n${commands
    .map(({ group, noun, summary, tags }) => `${`${group} ${noun}`.padEnd(18)} - ${summary}\n  ${usageOf(tags)}\n`)
    .join('')}`;
