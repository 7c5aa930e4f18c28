// A file that appears whole or not at all: written beside its place, then renamed.
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fail } from '../base/diagnostic.ts';
import { cannotWriteFile } from '../base/messages/cli.ts';
import { reasonOf } from './files.ts';

/** Bytes gathered before they are written. */
const BUFFER_BYTES = 1 << 18;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class OutputFile {
  readonly #file: string;
  readonly #temporary: string;
  readonly #descriptor: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #used = 0;
  #open = true;

  /** Raises cli/write where the folder cannot be written to. */
  constructor(file: string) {
    this.#file = file;
    this.#temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
    this.#descriptor = this.#attempt(() => openSync(this.#temporary, 'wx'));
    for (const signal of SIGNALS) process.once(signal, this.#interrupted);
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > BUFFER_BYTES - this.#used) this.#flush();
    if (bytes.length > BUFFER_BYTES) return this.#attempt(() => writeFully(this.#descriptor, bytes));
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Puts the file in its place. */
  commit(): void {
    this.#flush();
    this.#close();
    this.#attempt(() => renameSync(this.#temporary, this.#file));
  }

  /** Leaves nothing behind. Does nothing after a commit. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#close();
    rmSync(this.#temporary, { force: true });
  }

  #flush(): void {
    this.#attempt(() => writeFully(this.#descriptor, this.#buffer.subarray(0, this.#used)));
    this.#used = 0;
  }

  #close(): void {
    this.#open = false;
    for (const signal of SIGNALS) process.removeListener(signal, this.#interrupted);
    closeSync(this.#descriptor);
  }

  readonly #interrupted = (signal: NodeJS.Signals): void => {
    this[Symbol.dispose]();
    process.kill(process.pid, signal);
  };

  #attempt<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      rmSync(this.#temporary, { force: true });
      return fail(cannotWriteFile({ file: this.#file }, reasonOf(error)), error);
    }
  }
}

function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

/** Writes a text file, whole or not at all. Raises cli/write. */
export function writeWhole(file: string, text: string): void {
  using out = new OutputFile(file);
  out.write(new TextEncoder().encode(text));
  out.commit();
}
