import { readFile } from 'node:fs/promises';
import { ERRNO } from '../../spec/errno.ts';
import { strerror } from '../../spec/strerror.ts';
import { readAll } from '../files.ts';
import type { Io } from '../io.ts';
import { refuse } from './errors.ts';

/** The bytes of a file, which may be empty; `-` is standard input. */
export async function readBytes(file: string, io: Io): Promise<Uint8Array> {
  if (file === '-') return readAll(file, io);
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) =>
    refuse(`failed to open ${file}: ${strerror(-(error.errno ?? -ERRNO.EIO))}`),
  );
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
