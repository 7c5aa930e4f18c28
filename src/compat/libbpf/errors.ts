// libbpf's error numbers and their texts. Source: libbpf.h (enum libbpf_errno), libbpf_errno.c, Linux errno.h and glibc's texts.
import { AnyBpfError } from '../../base/diagnostic.ts';
import { ERRNO, type ErrnoName } from '../../spec/errno.ts';

/** enum libbpf_errno: what libbpf itself refuses, with libbpf_strerror()'s text. */
export const LIBBPF_ERRNO = {
  LIBELF: { number: 4000, text: 'Something wrong in libelf' },
  FORMAT: { number: 4001, text: 'BPF object format invalid' },
  KVERSION: { number: 4002, text: "'version' section incorrect or lost" },
  ENDIAN: { number: 4003, text: 'Endian mismatch' },
  INTERNAL: { number: 4004, text: 'Internal error in libbpf' },
  RELOC: { number: 4005, text: 'Relocation failed' },
  LOAD: { number: 4006, text: 'Failed to load program' },
  VERIFY: { number: 4007, text: 'Kernel verifier blocks program loading' },
  PROG2BIG: { number: 4008, text: 'Program too big' },
  KVER: { number: 4009, text: 'Incorrect kernel version' },
  PROGTYPE: { number: 4010, text: "Kernel doesn't support this program type" },
  WRNGPID: { number: 4011, text: 'Wrong pid in netlink message' },
  INVSEQ: { number: 4012, text: 'Invalid netlink sequence' },
  NLPARSE: { number: 4013, text: 'Incorrect netlink message parsing' },
} as const satisfies Record<string, { readonly number: number; readonly text: string }>;

/** The first number above ERRNO's that is libbpf's, and the first that is none any more. */
const LIBBPF_FIRST = 4000;
const LIBBPF_END = 4014;

/** strerror() of the numbers that bpf(2) and libbpf give. ENOTSUPP has none: it is the kernel's own. */
const TEXTS: { readonly [N in ErrnoName]: string } = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  EINTR: 'Interrupted system call',
  EIO: 'Input/output error',
  ENXIO: 'No such device or address',
  E2BIG: 'Argument list too long',
  EBADF: 'Bad file descriptor',
  EAGAIN: 'Resource temporarily unavailable',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EFAULT: 'Bad address',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  EXDEV: 'Invalid cross-device link',
  ENODEV: 'No such device',
  ENOTDIR: 'Not a directory',
  EINVAL: 'Invalid argument',
  EMFILE: 'Too many open files',
  ENOSPC: 'No space left on device',
  EROFS: 'Read-only file system',
  EDOM: 'Numerical argument out of domain',
  ERANGE: 'Numerical result out of range',
  ENOSYS: 'Function not implemented',
  ELOOP: 'Too many levels of symbolic links',
  ENOTEMPTY: 'Directory not empty',
  ENOMSG: 'No message of desired type',
  EPROTO: 'Protocol error',
  EBADMSG: 'Bad message',
  EOVERFLOW: 'Value too large for defined data type',
  EILSEQ: 'Invalid or incomplete multibyte or wide character',
  EMSGSIZE: 'Message too long',
  EPROTOTYPE: 'Protocol wrong type for socket',
  EPROTONOSUPPORT: 'Protocol not supported',
  ESOCKTNOSUPPORT: 'Socket type not supported',
  EOPNOTSUPP: 'Operation not supported',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENETUNREACH: 'Network is unreachable',
  ECONNREFUSED: 'Connection refused',
  EHOSTUNREACH: 'No route to host',
  EALREADY: 'Operation already in progress',
  ENOLINK: 'Link has been severed',
  ESTALE: 'Stale file handle',
  ENAMETOOLONG: 'File name too long',
  ENOTSUPP: 'Unknown error 524',
};

const BY_NUMBER = new Map<number, string>([
  ...(Object.keys(TEXTS) as ErrnoName[]).map((name) => [ERRNO[name], TEXTS[name]] as const),
  ...Object.values(LIBBPF_ERRNO).map(({ number, text }) => [number, text] as const),
]);

/** Text of an error number of either sign, and whether libbpf_strerror() knows it. */
export function errorText(error: number): { readonly text: string; readonly known: boolean } {
  const number = Math.abs(error);
  const text = BY_NUMBER.get(number);
  if (text !== undefined) return { text, known: true };
  if (number >= LIBBPF_FIRST) return { text: `Unknown libbpf error ${number}`, known: number < LIBBPF_END };
  return { text: `Unknown error ${number}`, known: true };
}

/** Where a finding without an errno of its own comes from, by the stage in its code. */
const BY_STAGE: readonly (readonly [prefix: string, errno: number])[] = [
  ['elf/', LIBBPF_ERRNO.FORMAT.number],
  ['link/', LIBBPF_ERRNO.FORMAT.number],
  ['btf/', ERRNO.EINVAL],
  ['verify/', ERRNO.EACCES],
  ['session/unsupported', ERRNO.EOPNOTSUPP],
  ['session/closed', ERRNO.EBADF],
];

/** The positive error number that libbpf would give for what the session or a stage raised. Anything else is a bug: thrown on. */
export function errnoOf(error: unknown): number {
  if (!(error instanceof AnyBpfError)) throw error;
  const { errno, code } = error.diagnostic;
  if (errno !== undefined) return errno;
  return BY_STAGE.find(([prefix]) => code.startsWith(prefix))?.[1] ?? ERRNO.EINVAL;
}
