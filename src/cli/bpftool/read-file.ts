// Files that the grammar's words name: with bpftool's sentences where they cannot be read.
import { readFile, stat } from 'node:fs/promises';
import { fail } from '../../base/diagnostic.ts';
import { tooLarge } from '../../base/messages/input.ts';
import { readElf } from '../../elf/read.ts';
import { ERRNO } from '../../spec/errno.ts';
import { strerror } from '../../spec/strerror.ts';
import { readAll } from '../files.ts';
import type { Io } from '../io.ts';
import { refuse, systemErrno } from './errors.ts';

/** Larger files are refused. */
const MAX_BYTES = 64 << 20;

/**
 * The bytes of a file, which may be empty.
 *
 * @param refused what to do with the errno of a file that cannot be read
 */
async function bytesOf(file: string, refused: (errno: number) => never): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) fail(tooLarge({ file }, 'the file', size, MAX_BYTES));
    const bytes = await readFile(file);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return refused(systemErrno(error as NodeJS.ErrnoException));
  }
}

/** The bytes of a file; `-` is standard input. `what` begins the sentence where it cannot be read. */
export const readBytes = async (file: string, io: Io, what: string): Promise<Uint8Array> =>
  file === '-' ? readAll(file, io) : bytesOf(file, (errno) => refuse(`${what}: ${strerror(errno)}`));

/** The first byte of an ELF file. */
const ELF = 0x7f;

/** Raw BTF: of an object's section .BTF, or the file itself (/sys/kernel/btf/*). */
export async function readBtf(file: string, what: string): Promise<Uint8Array> {
  const refused = (errno: number): never => refuse(`${what}: ${strerror(errno)}`, -errno);
  const bytes = await bytesOf(file, refused);
  if (bytes[0] !== ELF) return bytes;
  const section = readElf(bytes, { file }).sections.find(({ name }) => name === '.BTF');
  return section?.data ?? refused(ERRNO.ENOENT);
}
