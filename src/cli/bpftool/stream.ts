// Commands that go on until they are interrupted: event_pipe, tracelog.
import process from 'node:process';
import type { Session } from '../../spec/session.ts';
import { type Answer, type Json, jsonText, prettyJson } from './output.ts';
import type { Tool } from './tool.ts';

/** All was written already. */
export const STREAMED: Answer = { json: () => undefined, text: () => '' };

/** Writes what comes, as lines or as the elements of one list of JSON. */
export class Stream {
  readonly #tool: Tool;
  #count = 0;

  constructor(tool: Tool) {
    this.#tool = tool;
    if (tool.options.json) tool.io.stdout.write('[');
  }

  write(json: () => Json, text: () => string): void {
    const { options, io } = this.#tool;
    if (!options.json) {
      io.stdout.write(text());
      return;
    }
    const compact = jsonText(json());
    io.stdout.write((this.#count++ === 0 ? '' : ',') + (options.pretty ? prettyJson(compact) : compact));
  }

  end(): void {
    if (this.#tool.options.json) this.#tool.io.stdout.write(']\n');
  }
}

/** Waits for an interrupt, for the end of the session, or (where there is one) for so many milliseconds. */
export async function untilInterrupted(session: Session, milliseconds?: number): Promise<void> {
  await new Promise<void>((resolve) => {
    // Also keeps the process alive where nothing else does.
    const timer = milliseconds === undefined ? setInterval(() => undefined, LONG) : setTimeout(stop, milliseconds);
    const forget = session.on('closed', stop);
    process.on('SIGINT', stop).on('SIGTERM', stop);
    function stop(): void {
      clearTimeout(timer);
      forget();
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve();
    }
  });
}

/** Milliseconds; the longest that a timer takes. */
const LONG = 0x7fff_ffff;
