// What all of libbpf's functions here share: the session they ask, whose numbers they speak, errno, and how failures come back.
import { AnyBpfError, formatDiagnostic } from '../../base/diagnostic.ts';
import { ERRNO, type ErrnoName } from '../../spec/errno.ts';
import type { Dialect } from '../../spec/object.ts';
import type { AttachTarget, Session } from '../../spec/session.ts';
import type { Arena } from './arena.ts';
import type { BpfObject } from './handles.ts';
import { errnoOf } from './errors.ts';

/** A variable that C passes by address. */
export interface Out<T> {
  value: T;
}

/** A variable to pass where C takes an address: `const id = out(0); await bpf_map_get_next_id(0, id)`. */
export const out = <T>(value: T): Out<T> => ({ value });

/** enum libbpf_print_level. */
export const PRINT_LEVEL = { LIBBPF_WARN: 0, LIBBPF_INFO: 1, LIBBPF_DEBUG: 2 } as const;

/** libbpf_print_fn_t: the line is already formatted. */
export type PrintFunction = (level: number, line: string) => void;

export interface LibbpfOptions {
  /** Whose numbers of types go in and out. Linux' where absent. */
  readonly dialect?: Dialect;
  /** Reads a file for bpf_object__open(), btf__parse() and their like; without it they fail with EOPNOTSUPP. Gives undefined, or raises as Node's readFile does, where there is none. */
  readonly readFile?: (path: string) => Promise<Uint8Array | undefined>;
}

/** The state behind one object of functions. */
export interface Library {
  readonly session: Session;
  readonly dialect: Dialect;
  readonly readFile: ((path: string) => Promise<Uint8Array | undefined>) | undefined;
  readonly arena: Arena;
  /** Attach targets that stand for descriptors which are no session's (cgroups, network namespaces, perf events). */
  readonly targets: Map<number, AttachTarget>;
  /** Objects that are open, for bpf_object__next(). */
  readonly objects: Set<BpfObject>;
  /** The last error, positive; as in C it is not reset by success. */
  errno: number;
  print: PrintFunction | null;
  /** Number of possible CPUs, once it was asked for. */
  cpus: number | undefined;
}

/** Fails as functions do that return int. */
export function refuse(lib: Library, name: ErrnoName | number): number {
  lib.errno = typeof name === 'number' ? name : ERRNO[name];
  return -lib.errno;
}

/** Fails as functions do that return a pointer. */
export function nothing(lib: Library, name: ErrnoName | number): null {
  refuse(lib, name);
  return null;
}

function failed(lib: Library, error: unknown): number {
  const status = refuse(lib, errnoOf(error));
  if (error instanceof AnyBpfError)
    lib.print?.(PRINT_LEVEL.LIBBPF_DEBUG, `libbpf: ${formatDiagnostic(error.diagnostic)}\n`);
  return status;
}

/**
 * Runs the body of a function that returns int: what is raised becomes -errno. `badHandle`: what Linux says for a handle that is none,
 * where that is not EBADF; eBPF for Windows says that of all.
 */
export async function status(lib: Library, body: () => Promise<number>, badHandle?: number): Promise<number> {
  try {
    return await body();
  } catch (error) {
    const result = failed(lib, error);
    const other = lib.dialect === 'linux' && result === -ERRNO.EBADF ? badHandle : undefined;
    return other === undefined ? result : refuse(lib, other);
  }
}

/** Runs the body of a function that returns a pointer: what is raised becomes null and errno. */
export async function pointer<T>(lib: Library, body: () => Promise<T | null>): Promise<T | null> {
  try {
    return await body();
  } catch (error) {
    failed(lib, error);
    return null;
  }
}

/** The same for functions that ask nobody. */
export function plainPointer<T>(lib: Library, body: () => T | null): T | null {
  try {
    return body();
  } catch (error) {
    failed(lib, error);
    return null;
  }
}

export function plainStatus(lib: Library, body: () => number): number {
  try {
    return body();
  } catch (error) {
    return failed(lib, error);
  }
}

export const warn = (lib: Library, line: string): void => lib.print?.(PRINT_LEVEL.LIBBPF_WARN, `libbpf: ${line}\n`);

/** The errno in an error as Node's file functions raise them. */
function errnoNameOf(error: unknown): ErrnoName | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return Object.hasOwn(ERRNO, error.code) ? (error.code as ErrnoName) : undefined;
}

/** Reads a file through the option; -errno where it cannot be read. */
export async function fileBytes(lib: Library, path: string): Promise<Uint8Array | number> {
  if (lib.readFile === undefined) return refuse(lib, 'EOPNOTSUPP');
  try {
    return (await lib.readFile(path)) ?? refuse(lib, 'ENOENT');
  } catch (error) {
    const name = errnoNameOf(error);
    if (name === undefined) throw error;
    return refuse(lib, name);
  }
}

/** Copies what the session gave into the caller's memory. Where that is too small, C would overrun it: EFAULT. */
export function copyOut(lib: Library, target: Uint8Array, bytes: Uint8Array): number {
  if (bytes.length > target.length) return refuse(lib, 'EFAULT');
  target.set(bytes);
  return 0;
}
