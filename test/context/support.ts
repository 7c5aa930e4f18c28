// Sessions, maps and small programs for tests of contexts.
import { readFileSync } from 'node:fs';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { createRuntime, type EmbeddedOptions } from '../../src/context/create.ts';
import type { ContextSession } from '../../src/context/session.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { errnoName } from '../../src/spec/errno.ts';
import type { Fd, MapCreate, MapInfo, MethodName, Params, ProgramInfo, ProgramLoad } from '../../src/spec/session.ts';

export { createRuntime };
export type { ContextSession };

export const example = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../examples/${path}`, import.meta.url)));

export function u32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(i * 4, value, true));
  return bytes;
}
export const u32At = (bytes: Uint8Array, offset = 0): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true);

/** `ok`, or the name of the errno that a call fails with. */
export async function outcome<M extends MethodName>(
  session: ContextSession,
  method: M,
  params: Params<M>,
): Promise<string> {
  try {
    await session.call(method, params);
    return 'ok';
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    const { errno } = error.diagnostic;
    return errno === undefined ? `no errno: ${error.code}` : errnoName(-errno);
  }
}

export async function map(session: ContextSession, attributes: Partial<MapCreate> = {}): Promise<Fd> {
  const params = { name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 8, ...attributes } as const;
  return (await session.call('map.create', params)).fd;
}

/** Loads a program from assembler. */
export async function program(
  session: ContextSession,
  text = 'r0 = 0\nexit',
  options: Partial<ProgramLoad> = {},
): Promise<Fd> {
  const { code } = assemble(text);
  return (await session.call('prog.load', { name: 'p', type: 'xdp', license: 'GPL', code, ...options })).fd;
}

/** A program that returns the u32 in a map's element 0, or 0. */
export const reading = (mapFd: Fd): string => `
  r1 = 0
  *(u32 *)(r10 - 4) = r1
  r2 = r10
  r2 += -4
  r1 = map_by_fd(${mapFd}) ll
  call 1
  if r0 == 0 goto out
  r0 = *(u32 *)(r0 + 0)
out:
  exit`;

/** A program that tail-calls element 0 of a prog_array, and returns 7 where that is empty. */
export const jumping = (mapFd: Fd): string => `
  r2 = map_by_fd(${mapFd}) ll
  r3 = 0
  call 12
  r0 = 7
  exit`;

export const mapInfo = async (session: ContextSession, fd: Fd): Promise<MapInfo> =>
  (await session.call('object.info', { fd })) as MapInfo;
export const progInfo = async (session: ContextSession, fd: Fd): Promise<ProgramInfo> =>
  (await session.call('object.info', { fd })) as ProgramInfo;

export const run = async (session: ContextSession, fd: Fd, data: Uint8Array = new Uint8Array(64)): Promise<number> =>
  (await session.call('prog.testRun', { fd, data })).retval;

/** Objects of each kind that a context has. */
export const census = ({ context }: ContextSession): Record<string, number> => ({
  map: context.maps.size,
  prog: context.programs.size,
  link: context.links.size,
  btf: context.btfs.size,
});
export const NOTHING = { map: 0, prog: 0, link: 0, btf: 0 };

export const fresh = (options: EmbeddedOptions = {}): ContextSession => createRuntime(options);

/** A promise that is kept from outside. */
export function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((keep) => {
    resolve = keep;
  });
  return { promise, resolve };
}
