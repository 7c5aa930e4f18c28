import { U32_MAX } from '../base/u64.ts';
import { ERRNO } from '../spec/errno.ts';
import { type ArgKind, helper, type HelperEnv, type HelperFamily, type HelperRow } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import { readForeign, readForeignString, type Space } from './foreign.ts';

const ARGS = ['memOut', 'sizeOrZero', 'unsafePointer'] as const satisfies readonly ArgKind[];

/** Of no bytes nobody has asked where they would go: it may be anywhere. */
function put({ memory }: HelperEnv, to: Address, bytes: Uint8Array): void {
  if (bytes.length > 0) memory.u8.set(bytes, to);
}

function read(env: HelperEnv, to: Address, size: number, from: bigint, space: Space): number {
  const bytes = readForeign(env, from, size, space);
  if (bytes === undefined) {
    env.memory.u8.fill(0, to, to + size);
    return -ERRNO.EFAULT;
  }
  put(env, to, bytes);
  return 0;
}

function readString(env: HelperEnv, to: Address, size: number, from: bigint, space: Space): number {
  const bytes = readForeignString(env, from, size, space);
  if (bytes === undefined) {
    env.memory.u8.fill(0, to, to + size);
    return -ERRNO.EFAULT;
  }
  if (bytes.length > 0) bytes[bytes.length - 1] = 0;
  put(env, to, bytes);
  return bytes.length;
}

const SPACES: { readonly [S in Space]: string } = {
  any: 'an address of the kernel or of the process',
  kernel: 'a kernel address',
  user: 'an address of the process',
};

const readRow = (name: string, linux: number, space: Space): HelperRow =>
  helper({
    name,
    numbers: { linux },
    args: ARGS,
    returns: 'integer',
    gplOnly: true,
    doc: `Copies bytes from ${SPACES[space]}; where they cannot be read, zeros and -EFAULT.`,
    body: (env, to, size, from) => read(env, to, size, from, space),
  });

const stringRow = (name: string, linux: number, space: Space): HelperRow =>
  helper({
    name,
    numbers: { linux },
    args: ARGS,
    returns: 'integer',
    gplOnly: true,
    doc:
      `Copies a NUL-terminated string from ${SPACES[space]}, cut to the size; its bytes with the NUL, or -EFAULT and zeros ` +
      'where it cannot be read.',
    body: (env, to, size, from) => readString(env, to, size, from, space),
  });

export const probeReadHelpers: HelperFamily = {
  family: 'probe-read',
  doc: 'Memory that the verifier knows nothing about',
  helpers: [
    readRow('probe_read_user', 112, 'user'),
    readRow('probe_read_kernel', 113, 'kernel'),
    stringRow('probe_read_user_str', 114, 'user'),
    stringRow('probe_read_kernel_str', 115, 'kernel'),
    helper({
      name: 'copy_from_user',
      numbers: { linux: 148 },
      args: ARGS,
      returns: 'integer',
      sleepable: true,
      doc: 'As probe_read_user, and may wait for memory to be paged in. For sleepable programs.',
      body: (env, to, size, from) => read(env, to, size, from, 'user'),
    }),
  ],
};

export const probeWriteHelpers: HelperFamily = {
  family: 'probe-write',
  doc: 'Changing the memory of a process',
  helpers: [
    helper({
      name: 'probe_write_user',
      numbers: { linux: 36 },
      args: ['unsafePointer', 'mem', 'size'],
      returns: 'integer',
      gplOnly: true,
      doc: 'Writes bytes at an address of the process; -EFAULT where that is not possible.',
      body: (env, to, from, size) => {
        const { memory, host } = env;
        const bytes = memory.u8.slice(from, from + size);
        if (to <= U32_MAX && memory.accessible(Number(to), size, true)) memory.u8.set(bytes, Number(to));
        else if (!host.writeForeign(to, bytes)) return -ERRNO.EFAULT;
        return 0;
      },
    }),
  ],
};

export const probeReadAnyHelpers: HelperFamily = {
  family: 'probe-read-any',
  doc: 'The same without saying which address space is meant',
  helpers: [readRow('probe_read', 4, 'any'), stringRow('probe_read_str', 45, 'any')],
};
