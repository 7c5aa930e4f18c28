// eBPF for Windows' own names: ebpf_result_t, and the GUIDs of program and attach types.
// Source: ebpf_result.h and ebpf_program_attach_type_guids.h of eBPF for Windows.
import { ERRNO, type ErrnoName } from './errno.ts';
import type { AttachTypeName, ProgramTypeName } from './program-types.ts';
import { EXECUTION_TYPES, type ObjectKind } from './session.ts';

/** ebpf_result_t. */
export const EBPF_RESULT = {
  EBPF_SUCCESS: 0,
  EBPF_VERIFICATION_FAILED: 1,
  EBPF_JIT_COMPILATION_FAILED: 2,
  EBPF_PROGRAM_LOAD_FAILED: 3,
  EBPF_INVALID_FD: 4,
  EBPF_INVALID_OBJECT: 5,
  EBPF_INVALID_ARGUMENT: 6,
  EBPF_OBJECT_NOT_FOUND: 7,
  EBPF_OBJECT_ALREADY_EXISTS: 8,
  EBPF_FILE_NOT_FOUND: 9,
  EBPF_ALREADY_PINNED: 10,
  EBPF_NOT_PINNED: 11,
  EBPF_NO_MEMORY: 12,
  EBPF_PROGRAM_TOO_LARGE: 13,
  EBPF_RPC_EXCEPTION: 14,
  EBPF_ALREADY_INITIALIZED: 15,
  EBPF_ELF_PARSING_FAILED: 16,
  EBPF_FAILED: 17,
  EBPF_OPERATION_NOT_SUPPORTED: 18,
  EBPF_KEY_NOT_FOUND: 19,
  EBPF_ACCESS_DENIED: 20,
  EBPF_BLOCKED_BY_POLICY: 21,
  EBPF_ARITHMETIC_OVERFLOW: 22,
  EBPF_EXTENSION_FAILED_TO_LOAD: 23,
  EBPF_INSUFFICIENT_BUFFER: 24,
  EBPF_NO_MORE_KEYS: 25,
  EBPF_KEY_ALREADY_EXISTS: 26,
  EBPF_NO_MORE_TAIL_CALLS: 27,
  EBPF_PENDING: 28,
  EBPF_OUT_OF_SPACE: 29,
  EBPF_CANCELED: 30,
  EBPF_INVALID_POINTER: 31,
  EBPF_TIMEOUT: 32,
  EBPF_STALE_ID: 33,
  EBPF_INVALID_STATE: 34,
  EBPF_TRY_AGAIN: 35,
} as const;

export type EbpfResult = (typeof EBPF_RESULT)[keyof typeof EBPF_RESULT];

/** What an errno is there, the other way round of ebpf_result_to_errno; EBPF_FAILED for all others. */
const OF_ERRNO: { readonly [E in ErrnoName]?: keyof typeof EBPF_RESULT } = {
  ENOMEM: 'EBPF_NO_MEMORY',
  EINVAL: 'EBPF_INVALID_ARGUMENT',
  EBADF: 'EBPF_INVALID_FD',
  EOPNOTSUPP: 'EBPF_OPERATION_NOT_SUPPORTED',
  ENOTSUPP: 'EBPF_OPERATION_NOT_SUPPORTED',
  ENOENT: 'EBPF_OBJECT_NOT_FOUND',
  EEXIST: 'EBPF_OBJECT_ALREADY_EXISTS',
  EACCES: 'EBPF_VERIFICATION_FAILED',
  EFAULT: 'EBPF_INVALID_POINTER',
  ENOSPC: 'EBPF_OUT_OF_SPACE',
  EPERM: 'EBPF_ACCESS_DENIED',
  E2BIG: 'EBPF_PROGRAM_TOO_LARGE',
  EAGAIN: 'EBPF_TRY_AGAIN',
};

/** The result for a status of libbpf's functions: 0 and above is success. */
export function ebpfResult(status: number): EbpfResult {
  if (status >= 0) return EBPF_RESULT.EBPF_SUCCESS;
  const names = Object.keys(ERRNO) as ErrnoName[];
  const name = names.find((n) => ERRNO[n] === -status);
  return EBPF_RESULT[(name === undefined ? undefined : OF_ERRNO[name]) ?? 'EBPF_FAILED'];
}

/** ebpf_program_type_t. Types of extensions whose GUID is not published with the headers have none here. */
export const PROGRAM_GUIDS: { readonly [T in ProgramTypeName]?: string } = {
  unspec: '00000000-0000-0000-0000-000000000000',
  xdp: 'f1832a85-85d5-45b0-98a0-7069d63013b0',
  bind: '608c517c-6c52-4a26-b677-bb1c34425adf',
  cgroup_sock_addr: '92ec8e39-aeec-11ec-9a30-18602489beee',
  sock_ops: '43fb224d-68f8-46d6-aa3f-c856518cbb32',
  sample: 'f788ef4a-207d-4dc3-85cf-0f2ea107213c',
};

/** ebpf_attach_type_t. */
export const ATTACH_GUIDS: { readonly [A in AttachTypeName]?: string } = {
  xdp: '85e0d8ef-579e-4931-b072-8ee226bb2e9d',
  bind: 'b9707e04-8127-4c72-833e-05b1fb439496',
  cgroup_inet4_connect: 'a82e37b1-aee7-11ec-9a30-18602489beee',
  cgroup_inet6_connect: 'a82e37b2-aee7-11ec-9a30-18602489beee',
  cgroup_inet4_recv_accept: 'a82e37b3-aee7-11ec-9a30-18602489beee',
  cgroup_inet6_recv_accept: 'a82e37b4-aee7-11ec-9a30-18602489beee',
  cgroup_sock_ops: '837d02cd-3251-4632-8d94-60d3b45769f2',
  sample: 'f788ef4b-207d-4dc3-85cf-0f2ea107213c',
};

const keyOf = <K extends string>(table: { readonly [N in K]?: string }, guid: string): K | undefined =>
  (Object.keys(table) as K[]).find((name) => table[name] === guid.toLowerCase());

export const programTypeOfGuid = (guid: string): ProgramTypeName | undefined =>
  keyOf<ProgramTypeName>(PROGRAM_GUIDS, guid);
export const attachTypeOfGuid = (guid: string): AttachTypeName | undefined => keyOf<AttachTypeName>(ATTACH_GUIDS, guid);

/** ebpf_object_type_t. */
export const EBPF_OBJECT: { readonly [K in ObjectKind | 'unknown']: number } = {
  unknown: 0,
  map: 1,
  link: 2,
  prog: 3,
  btf: 0,
};

/** ebpf_execution_type_t: any, jit, interpret, native. */
export const executionNumber = (name: (typeof EXECUTION_TYPES)[number]): number => EXECUTION_TYPES.indexOf(name);
