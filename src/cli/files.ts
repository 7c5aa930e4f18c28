// Files that the user names, with failures as findings.
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { concatBytes } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { cannotRead, emptyFile } from '../base/messages/cli.ts';
import { tooLarge } from '../base/messages/input.ts';
import type { Io } from './io.ts';

/** Larger inputs that must be wholly in memory are refused. */
const MAX_WHOLE_BYTES = 64 << 20;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'no space left on the device',
  EROFS: 'the file system is read-only',
};

/** Why the system refused, as a phrase. */
export function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}

/** The bytes of a whole file. Raises cli/read or input/too-large. */
export async function readWhole(file: string): Promise<Uint8Array> {
  const bytes = await attempt(file, async () => {
    const { size } = await stat(file);
    if (size > MAX_WHOLE_BYTES) fail(tooLarge({ file }, 'the file', size, MAX_WHOLE_BYTES));
    return readFile(file);
  });
  if (bytes.length === 0) fail(emptyFile({ file }));
  // A plain view: Node's Buffer slices differently.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export interface OpenedStream {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes of the file, undefined for what is no ordinary file. */
  readonly size: number | undefined;
}

/** A file as a stream of chunks; `-` is standard input. Raises cli/read. */
export async function openStream(file: string, io: Io): Promise<OpenedStream> {
  if (file === '-') return { chunks: io.stdin, size: undefined };
  return attempt(file, async () => {
    const found = await stat(file);
    if (found.isDirectory()) fail(cannotRead({ file }, REASONS.EISDIR));
    await (await open(file)).close();
    return { chunks: readable(file), size: found.isFile() ? found.size : undefined };
  });
}

async function* readable(file: string): AsyncGenerator<Uint8Array> {
  try {
    // Plain views: Buffers take several times as long to slice.
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 }) as AsyncIterable<Uint8Array>) {
      yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    }
  } catch (error) {
    rethrow(file, error);
  }
}

async function attempt<T>(file: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    return rethrow(file, error);
  }
}

/** Errors of the system become findings; others pass. */
function rethrow(file: string, error: unknown): never {
  if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
  return fail(cannotRead({ file }, reasonOf(error)), error);
}

/** The bytes of a whole file, or with `-` of standard input. Raises as readWhole. */
export async function readAll(file: string, io: Io): Promise<Uint8Array> {
  if (file !== '-') return readWhole(file);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of io.stdin) {
    size += chunk.length;
    if (size > MAX_WHOLE_BYTES) fail(tooLarge({ file }, 'standard input', size, MAX_WHOLE_BYTES));
    chunks.push(chunk);
  }
  return concatBytes(chunks);
}
