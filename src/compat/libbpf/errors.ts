// libbpf's error numbers and their texts. Source: libbpf.h (enum libbpf_errno), libbpf_errno.c, Linux errno.h and glibc's texts.
import { AnyBpfError } from '../../base/diagnostic.ts';
import { ERRNO } from '../../spec/errno.ts';
import { strerror } from '../../spec/strerror.ts';

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

const OWN = new Map<number, string>(Object.values(LIBBPF_ERRNO).map(({ number, text }) => [number, text]));

/** Text of an error number of either sign, and whether libbpf_strerror() knows it. */
export function errorText(error: number): { readonly text: string; readonly known: boolean } {
  const number = Math.abs(error);
  const text = OWN.get(number);
  if (text !== undefined) return { text, known: true };
  if (number >= LIBBPF_FIRST) return { text: `Unknown libbpf error ${number}`, known: number < LIBBPF_END };
  return { text: strerror(number), known: true };
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
