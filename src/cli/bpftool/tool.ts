// One command of bpftool's grammar at work: its options, its words, the session that it speaks to.
import type { MethodName, Params, Result, Session } from '../../spec/session.ts';
import type { Io } from '../io.ts';
import { openSession } from '../session.ts';
import type { ToolOptions, Words } from './arguments.ts';
import type { Answer } from './output.ts';

export class Tool {
  readonly io: Io;
  readonly options: ToolOptions;
  #session: Promise<Session> | undefined;

  constructor(io: Io, options: ToolOptions) {
    this.io = io;
    this.options = options;
  }

  /** Opened when the first command needs it: help and files need none. */
  session(): Promise<Session> {
    this.#session ??= openSession(this.io, this.options);
    return this.#session;
  }

  /** @throws AnyBpfError as Session.call, and where no service answers */
  async call<M extends MethodName>(method: M, params: Params<M>): Promise<Result<M>> {
    return (await this.session()).call(method, params);
  }

  /** Says something beside the answer; bpftool is silent there with JSON. */
  note(text: string): void {
    if (!this.options.json) this.io.stderr.write(text);
  }

  async close(): Promise<void> {
    if (this.#session === undefined) return;
    // What kept it from opening was told already.
    const session = await this.#session.catch(() => undefined);
    await session?.close();
  }

  get windows(): boolean {
    return this.options.dialect === 'windows';
  }
}

/** What a command does with the words behind it. */
export type Run = (tool: Tool, words: Words) => Answer | Promise<Answer>;

/** Ends a command that was given otherwise than the grammar has it: its group's help, after a sentence if there is one; status -1. */
export class UsageError extends Error {}

export const usage = (): never => {
  throw new UsageError();
};

/** Refuses where fewer than `count` words are left, and shows the group's help. */
export function needOrUsage(words: Words, count: number): void {
  if (words.left < count) {
    throw new UsageError(`'${words.last}' needs at least ${count} arguments, ${words.left} found`);
  }
}

/** An object of the grammar: `prog`, `map`. */
export interface Group {
  readonly name: string;
  /** For `anybpf --help`. */
  readonly about: string;
  /** Keywords in bpftool's order: of several that a short word begins, the first counts; without a word the first of all. */
  readonly commands: readonly (readonly [keyword: string, run: Run])[];
  /** What follows `Usage: `, with `%` for the command's name. */
  readonly help: string;
  readonly windowsHelp?: string;
}
