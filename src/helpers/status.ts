// Result codes: Linux's helpers give negated errno values, Windows' negated ebpf_result_t values.
import { ERRNO, type ErrnoName } from '../spec/errno.ts';
import type { HelperEnv } from '../spec/helper.ts';

/** ebpf_result_t (eBPF for Windows, include/ebpf_result.h): the values that helpers give back, negated. */
export const EBPF_RESULT = {
  INVALID_ARGUMENT: 6,
  NO_MEMORY: 12,
  FAILED: 17,
  OPERATION_NOT_SUPPORTED: 18,
  KEY_NOT_FOUND: 19,
  ACCESS_DENIED: 20,
  INSUFFICIENT_BUFFER: 24,
  KEY_ALREADY_EXISTS: 26,
  NO_MORE_TAIL_CALLS: 27,
  OUT_OF_SPACE: 29,
} as const;

/** What Windows' maps and buffers say where Linux's say the errno. Errors not in the table are INVALID_ARGUMENT. */
const WINDOWS_RESULTS: { readonly [N in ErrnoName]?: keyof typeof EBPF_RESULT } = {
  ENOENT: 'KEY_NOT_FOUND',
  EEXIST: 'KEY_ALREADY_EXISTS',
  E2BIG: 'OUT_OF_SPACE',
  EAGAIN: 'OUT_OF_SPACE',
  ENOSPC: 'OUT_OF_SPACE',
  ENOMEM: 'NO_MEMORY',
  EPERM: 'ACCESS_DENIED',
  EACCES: 'ACCESS_DENIED',
  ENOTSUPP: 'OPERATION_NOT_SUPPORTED',
  EOPNOTSUPP: 'OPERATION_NOT_SUPPORTED',
};

const WINDOWS_BY_NUMBER: ReadonlyMap<number, number> = new Map(
  Object.entries(WINDOWS_RESULTS).map(([errno, result]) => [ERRNO[errno as ErrnoName], EBPF_RESULT[result]]),
);

/** A Linux status (0, a count, or a negated errno) in the convention of the program that asks. */
export function status(env: HelperEnv, linux: number): number {
  if (linux >= 0 || env.dialect === 'linux') return linux;
  return -(WINDOWS_BY_NUMBER.get(-linux) ?? EBPF_RESULT.INVALID_ARGUMENT);
}
