// Programs of a few instructions in a context of their own.
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { createRuntime } from '../../src/context/create.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { ERRNO, errnoName } from '../../src/spec/errno.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import type { AttachTarget, Fd, MethodName, Params, Result } from '../../src/spec/session.ts';

/** A context whose programs are not verified: what hooks do with verdicts is asked with programs that the verifier would refuse. */
export const unverified = () => createRuntime({ verify: 'off', engine: 'reference' });

export type Runtime = ReturnType<typeof createRuntime>;

export interface ProgramOptions {
  readonly type: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  readonly dialect?: 'linux' | 'windows';
}

/** Loads a program from assembler; gives its handle. */
export async function load(session: Runtime, text: string, options: ProgramOptions): Promise<Fd> {
  const { code } = assemble(text);
  const { fd } = await session.call('prog.load', { name: 'p', code, license: 'GPL', ...options });
  return fd;
}

/** A program that only returns a number. */
export const returning = (session: Runtime, value: number, options: ProgramOptions): Promise<Fd> =>
  load(session, `r0 = ${value}\nexit`, options);

export const idOf = async (session: Runtime, fd: Fd): Promise<number> => {
  const info = await session.call('object.info', { fd });
  return info.id;
};

/** The name of the errno that a call fails with, or `ok`. */
export async function outcome<M extends MethodName>(session: Runtime, method: M, params: Params<M>): Promise<string> {
  try {
    await session.call(method, params);
    return 'ok';
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    const { errno } = error.diagnostic;
    return errno === undefined ? error.code : errnoName(-errno);
  }
}

export const link = (
  session: Runtime,
  fd: Fd,
  attachType: AttachTypeName,
  target: AttachTarget = {},
  flags?: number,
): Promise<Result<'link.create'>> =>
  session.call('link.create', { fd, attachType, target, ...(flags === undefined ? {} : { flags }) });

export const FRAME = new Uint8Array(64);
export { ERRNO };
