// What Linux's verifier says (verbose() in kernel/bpf/verifier.c), as our codes and words: a row a message. The first that fits
// counts. Often a second
// line names the register.
import type { FixKind } from '../explain/explanation.ts';

export interface Reading {
  readonly code: string;
  /** The register that is wrong. */
  readonly register?: number;
  readonly text: string;
  /** The instruction that it is about, where it is not the last. */
  readonly at?: number;
  readonly fix?: { readonly kind: FixKind; readonly text: string };
}

interface Row {
  readonly pattern: RegExp;
  readonly code: string;
  /** Sentence; the register and what else the pattern caught. */
  readonly text: (found: Readonly<Record<string, string>>) => string;
  readonly fix?: readonly [FixKind, string];
}

const row = (pattern: RegExp, code: string, text: Row['text'], fix?: Row['fix']): Row => ({
  pattern,
  code,
  text,
  ...(fix === undefined ? {} : { fix }),
});

const bytes = (size: string): string => `${size} byte${size === '1' ? '' : 's'}`;
const count = (size: string): string => `${bytes(size)} ${size === '1' ? 'is' : 'are'}`;

export const LIMIT_FIRST = [
  'bounds-check',
  'limit the number first, on the very variable that is used and as an unsigned one: compare it with a constant, or mask it',
] as const;
const NULL_CHECK = ['null-check', 'compare the pointer with NULL where it comes from, and leave where it is'] as const;
const PACKET_CHECK = [
  'bounds-check',
  'before the access: if ((void *)(p + 1) > data_end) return ...; on the very pointer that is used',
] as const;
const INITIALISE = ['initialise', 'give the variable a value on every path'] as const;

/** In the sentences `R` is the register, as `r3`. */
const ROWS: readonly Row[] = [
  row(
    /^R(?<register>\d+) (?:unbounded memory access, use|min value is negative, either use unsigned or 'var)/,
    'verify/helper-argument',
    ({ R }) => `the size in ${R} has no bound`,
    LIMIT_FIRST,
  ),
  row(/^div by zero/, 'verify/division-by-zero', () => 'a division by the constant 0'),
  row(/^read from map forbidden/, 'verify/no-access', () => 'programs may not read this map'),
  row(
    /^(?<what>\w+) pointer offset (?<off>-?\d+) is not allowed/,
    'verify/pointer-arithmetic',
    ({ what, off }) => `a ${what} pointer is moved by ${off}, out of all bounds`,
  ),
  row(
    /^(?:negative offset|variable) ctx (?:ptr |access )(?:R(?<register>\d+))?/,
    'verify/context-access',
    () => 'the context is accessed from before its start, or at an offset that varies',
  ),
  row(
    /^R(?<register>\d+) invalid (?<what>\w*sock\w*) access off=(?<off>-?\d+) size=(?<size>\d+)/,
    'verify/context-access',
    ({ what, off, size }) => `${bytes(size)} at offset ${off} of a ${what} may not be accessed so`,
  ),
  row(
    /^R(?<register>\d+) (?:invalid variable buffer offset|invalid \w+ buffer access)/,
    'verify/bounds',
    ({ R }) => `the access through ${R} may lie outside of the buffer`,
    LIMIT_FIRST,
  ),
  row(
    /^invalid (?:unbounded )?variable-offset .*stack R(?<register>\d+)/,
    'verify/stack-access',
    ({ R }) => `the offset in ${R} may lead out of the frame`,
    LIMIT_FIRST,
  ),
  row(
    /^(?:only read (?:from \w+ )?is supported|R(?<register>\d+) is \S+ invalid (?:negative access|variable offset))/,
    'verify/no-access',
    () => 'the fields of this kernel object may only be read, where they are',
  ),
  row(
    /^same insn cannot be used with different pointers/,
    'verify/no-access',
    () => 'one instruction accesses different kinds of memory on different paths',
    ['other', 'compilers join branches that do the same: keep them apart (asm volatile("") in one of them)'],
  ),
  row(
    /^missing btf func_info/,
    'verify/callback',
    () => 'a callback, or a function that is verified on its own, needs the BTF of functions',
    ['other', 'compile with -g'],
  ),
  row(
    /^(?:get_local_storage\(\) doesn't support|helper access to the packet is not allowed|R(?<register>\d+) must have zero offset)/,
    'verify/helper-argument',
    () => 'an argument is not what the function takes',
  ),
  row(
    /^(?<type>tracing|socket filter) progs cannot use (?<what>\S+)/,
    'verify/helper',
    ({ type, what }) => `${type} programs may not use maps with ${what}`,
  ),
  row(
    /^(?:fd -?\d+ is not pointing to valid bpf_map|R\d+ is invalid)/,
    'verify/unsupported',
    () => 'the code names what is not there: it was not linked, or not by a loader that knows it',
  ),
  row(/^LD_ABS is only allowed/, 'verify/packet-load', () => 'ld_abs is only for functions that return int'),
  row(
    /^invalid access to packet, off=(?<off>-?\d+) size=(?<size>\d+), R(?<register>\d+)\(id=(?<id>\d+),off=-?\d+,r=(?<range>\d+)\)/,
    'verify/packet-bounds',
    ({ R, off, size, range }) =>
      `${count(size)} accessed through ${R} at packet offset ${off}, but ${range === '0' ? 'nothing is proven of how long the packet is there' : `only ${range} bytes are proven`}`,
    PACKET_CHECK,
  ),
  row(
    /^R(?<register>\d+) offset is outside of the packet/,
    'verify/packet-bounds',
    ({ R }) => `${R} lies outside of what is proven of the packet`,
    PACKET_CHECK,
  ),
  row(
    /^R(?<register>\d+) invalid mem access '(?<what>\w*_or_null)'/,
    'verify/null',
    ({ R }) => `${R} may be NULL here`,
    NULL_CHECK,
  ),
  row(
    /^R(?<register>\d+) pointer arithmetic on (?<what>\S+) prohibited, null-check it first/,
    'verify/null',
    ({ R }) => `${R} may be NULL here, and is moved`,
    NULL_CHECK,
  ),
  row(
    /^R(?<register>\d+) invalid mem access '(?:inv|scalar|imm)'/,
    'verify/not-a-pointer',
    ({ R }) => `${R} is a number, not a pointer`,
    [
      'other',
      'a pointer that was stored in part, computed with other operators than + and -, or read before a helper moved the packet is a number to the verifier',
    ],
  ),
  row(
    /^R(?<register>\d+) invalid mem access '(?<what>[^']+)'/,
    'verify/no-access',
    ({ R, what }) => `${R} is ${what}, which cannot be dereferenced`,
  ),
  row(
    /^invalid access to map value, value_size=(?<limit>\d+) off=(?<off>-?\d+) size=(?<size>\d+)/,
    'verify/bounds',
    ({ off, size, limit }) => `${bytes(size)} at offset ${off} do not all lie in the map value, which has ${limit}`,
    ['bounds-check', 'compare the index with the number of elements before it is used: if (i >= N) return ...;'],
  ),
  row(
    /^invalid access to (?<what>map key|memory|flow keys|map value pointer)[, ]*(?:\w+_size=(?<limit>\d+) )?off=(?<off>-?\d+)(?: size=(?<size>\d+))?/,
    'verify/bounds',
    ({ what, off, size, limit }) =>
      `${size ?? 'the'} bytes at offset ${off} do not all lie in the ${what}${limit === undefined ? '' : `, which has ${limit}`}`,
  ),
  row(
    /^R(?<register>\d+) max value is outside of the (?:allowed memory range|array range)/,
    'verify/bounds',
    ({ R }) => `the offset in ${R} may be too large`,
    LIMIT_FIRST,
  ),
  row(
    /^R(?<register>\d+) min value is (?:outside of the|negative)/,
    'verify/bounds',
    ({ R }) => `${R} may be negative`,
    LIMIT_FIRST,
  ),
  row(/^R(?<register>\d+) unbounded memory access/, 'verify/bounds', ({ R }) => `${R} has no bound`, LIMIT_FIRST),
  row(
    /^R(?<register>\d+) invalid zero-sized read/,
    'verify/helper-argument',
    ({ R }) => `the size in ${R} may be 0`,
    LIMIT_FIRST,
  ),
  row(
    /^invalid (?:indirect )?read from stack (?:R(?<register>\d+) )?(?:off|var_off)/,
    'verify/uninitialised-stack',
    () => 'stack bytes are read that nothing was stored to',
    [
      'initialise',
      'initialise the whole variable, padding included (__builtin_memset, or = {} where there is no padding)',
    ],
  ),
  row(
    /^invalid(?: (?<how>\w+|indirect access))?(?: to| from)? stack (?:type )?R(?<register>\d+)? ?(?:var_off \S+|off ?=? ?(?<off>-?\d+))?.*size[ =](?<size>\d+)/,
    'verify/stack-access',
    ({ R, size, off }) =>
      `${size} stack bytes${off === undefined ? '' : ` at r10${off}`} (${R}) do not all lie in the frame or hold nothing`,
    [
      'bounds-check',
      'give the size of the variable (sizeof); of a size that varies, limit it to that first; and initialise it whole',
    ],
  ),
  row(
    /^(?:combined stack size of (?<count>\d+) calls is (?<size>\d+)|stack size (?:of subprog \d+ is )?(?<size2>\d+)).*[Tt]oo large/,
    'verify/stack-limit',
    ({ size, size2 }) => `${size ?? size2} bytes of stack are needed, of 512`,
    ['less-stack', 'move large variables into a per-CPU array with one element'],
  ),
  row(
    /^R(?<register>\d+) !read_ok/,
    'verify/uninitialised-register',
    ({ R }) => `${R} is read but holds nothing here`,
    INITIALISE,
  ),
  row(/^frame pointer is read only/, 'verify/frame-pointer', () => 'r10 is the frame pointer and cannot be changed'),
  row(
    /^invalid bpf_context access off=(?<off>-?\d+) size=(?<size>\d+)/,
    'verify/context-access',
    ({ off, size }) => `${size} bytes at offset ${off} of the context may not be accessed so`,
  ),
  row(
    /^dereference of modified (?<what>\S+) ptr R?(?<register>\d+)?/,
    'verify/context-access',
    ({ what }) => `a ${what} pointer that was moved is dereferenced`,
  ),
  row(
    /^(?:cannot write into|the prog does not allow writes to) packet/,
    'verify/read-only',
    () => 'this program may only read the packet',
  ),
  row(
    /^(?:write into map forbidden|R(?<register>\d+) cannot write into (?<what>\S+)|write to change key)/,
    'verify/read-only',
    ({ what }) => `${what ?? 'the map'} may only be read`,
  ),
  row(
    /^(?:unknown func|program of this type cannot use helper) (?<name>\w+)#(?<number>\d+)/,
    'verify/helper',
    ({ name }) => `programs of this type may not call ${name}`,
    [
      'other-program-type',
      'use a helper that this program type has (anybpf verify OBJ names the types that have this one), or another program type',
    ],
  ),
  row(
    /^invalid func (?<name>\w+)#(?<number>\d+)/,
    'verify/helper',
    ({ name, number }) => `this kernel has no helper ${number}${name === 'unknown' ? '' : ` (${name})`}`,
    [
      'other-program-type',
      'the helper is newer than the kernel, or was a CO-RE relocation that nothing in the kernel matches (195896080 is 0xbad2310)',
    ],
  ),
  row(
    /^(?:cannot call GPL(?:-restricted| only) function|cannot call kernel function) from non-GPL compatible program/,
    'verify/licence',
    () => 'the function is for programs with a GPL-compatible licence',
    ['licence', 'char LICENSE[] SEC("license") = "GPL";'],
  ),
  row(
    /^R(?<register>\d+) type=(?<is>\S+) expected=(?<wanted>.*)/,
    'verify/helper-argument',
    ({ R, is, wanted }) => `${R} is ${is}, but the function takes ${wanted.trim()}`,
  ),
  row(
    /^R(?<register>\d+) is (?:not|of type|ptr_).*/,
    'verify/helper-argument',
    ({ R }) => `${R} is not what the function takes`,
  ),
  row(
    /^cannot pass map_type (?<type>\d+) into func (?<name>\w+)#\d+/,
    'verify/helper-map',
    ({ name, type }) => `${name} does not work on maps of type ${type}`,
  ),
  row(
    /^Unreleased reference id=(?<id>\d+) alloc_insn=(?<at>\d+)/,
    'verify/reference-leak',
    ({ at }) => `what was taken at instruction ${at} is not given back on this path`,
    [
      'release',
      'release it on every path before the program ends (bpf_sk_release; bpf_ringbuf_submit or _discard; ...)',
    ],
  ),
  row(
    /would lead to reference leak/,
    'verify/reference-leak',
    () => 'something that was taken is not given back on this path',
    ['release', 'release it on every path before the program ends'],
  ),
  row(
    /^(?:release func|func \S+ reference|R(?<register>\d+) must be referenced)/,
    'verify/release',
    () => 'something is given back that was not taken',
  ),
  row(
    /^(?:bpf_spin_(?:un)?lock|BPF_EXIT instruction .* cannot be used inside bpf_spin_lock|function calls are not allowed while holding a lock)/,
    'verify/lock',
    () => 'the rules of spin locks are broken',
  ),
  row(
    /^(?:infinite loop detected at insn (?<at>\d+)|back-edge from insn (?<from>\d+) to (?<to>\d+))/,
    'verify/unbounded-loop',
    ({ at, to }) => `the loop at instruction ${at ?? to} may never end`,
    [
      'bound-loop',
      'count the rounds against a constant, or use bpf_loop; kernels before 5.3 take no loop: unroll it (#pragma unroll)',
    ],
  ),
  row(
    /^(?:BPF program is too (?:large|complex)|The sequence of \d+ jumps is too complex|too many states)/i,
    'verify/budget',
    () => 'the analysis was given up: there are too many paths',
    [
      'bound-loop',
      'bound loops tighter, keep less in variables while they run, or put their body into a function of its own (not static) or bpf_loop',
    ],
  ),
  row(
    /^(?:At program exit|At callback return|At async callback return)?.*the register R0 has (?<is>.*?) should have been in \[?(?<allowed>[^\]]*)\]?/,
    'verify/return-value',
    ({ is, allowed }) =>
      `the return value is ${is.replace(/smin=(\S+) smax=(\S+)/, '$1 to $2')}, but must be ${allowed.replace(', ', ' to ')}`,
    ['return-value', 'return a constant that is allowed, or compare the value first'],
  ),
  row(
    /^R0 (?:leaks addr as return value|not a scalar value)|^At (?:program|subprogram) exit the register R0 is not/,
    'verify/return-value',
    () => 'a pointer is returned',
  ),
  row(
    /^R(?<register>\d+) leaks addr/,
    'verify/pointer-arithmetic',
    ({ R }) => `${R} is an address, which an unprivileged program may not give away`,
  ),
  row(
    /^R(?<register>\d+) (?:pointer|bitwise operator|32-bit pointer|tried to|sign-extension part|partial copy|subtraction from stack|has pointer with).*/,
    'verify/pointer-arithmetic',
    ({ R }) => `this arithmetic on the pointer ${R} is not allowed`,
  ),
  row(
    /^(?:math between (?<what>\S+) pointer and (?:register with unbounded min value|-?\d+) is not allowed|value -?\d+ makes \S+ pointer be out of bounds)/,
    'verify/pointer-arithmetic',
    ({ what }) => `the distance that a ${what ?? ''} pointer is moved by has no bound`.replace('  ', ' '),
    LIMIT_FIRST,
  ),
  row(/^misaligned/, 'verify/misaligned', () => 'the access is misaligned'),
  row(
    /^(?:the call stack of (?<depth>\d+) frames is too deep)/,
    'verify/call-depth',
    () => 'too many functions call each other',
  ),
  row(
    /^(?:attempt to corrupt spilled pointer|corrupted spill memory|leaking pointer from stack|invalid size of register (?:spill|fill))/,
    'verify/spilled-pointer',
    () => 'part of a stored pointer is read or overwritten',
  ),
  row(/^BPF_(?:ATOMIC|XADD|STX)/, 'verify/atomic', () => 'the atomic operation or store does not work there'),
  row(
    /^(?:BPF_LD_|at the time of BPF_LD_)/,
    'verify/packet-load',
    () => 'loads with ld_abs or ld_ind are not allowed here',
  ),
  row(/^tail_call/, 'verify/tail-call', () => 'a tail call is not allowed here'),
  row(
    /^(?:calling (?:kernel function|invalid kernel)|kernel function|arg#\d+|kfunc|kernel func)/,
    'verify/kfunc',
    () => 'the call of a kernel function is not as that takes it',
  ),
  row(
    /^(?:arg\d+ expected pointer to func|callback)/,
    'verify/callback',
    () => 'the callback is not as the helper takes it',
  ),
  row(
    /^(?:jump (?:out of range|into the middle)|unreachable insn (?<at>\d+)|last insn is not|unknown opcode|invalid BPF_|BPF_\w+ uses reserved)/,
    'verify/unsupported',
    () => 'the code is not well-formed for this kernel',
  ),
];

/** Reads the kernel's lines about a refusal; undefined where no row fits. */
export function readMessages(messages: readonly string[]): Reading | undefined {
  let best: Reading | undefined;
  for (const message of messages) {
    const reading = readMessage(message);
    if (reading === undefined) continue;
    // The first line says most; a second one may name the register.
    if (best === undefined) best = reading;
    else if (best.register === undefined && reading.register !== undefined)
      best = { ...best, register: reading.register };
  }
  return best;
}

function readMessage(message: string): Reading | undefined {
  for (const { pattern, code, text, fix } of ROWS) {
    const found = pattern.exec(message);
    if (found === null) continue;
    const groups = found.groups ?? {};
    const register = groups.register === undefined ? undefined : Number(groups.register);
    return {
      code,
      text: text({ ...groups, R: register === undefined ? 'the register' : `r${register}` }),
      ...(register === undefined ? {} : { register }),
      ...(code === 'verify/unbounded-loop' ? { at: Number(groups.at ?? groups.to) } : {}),
      ...(fix === undefined ? {} : { fix: { kind: fix[0], text: fix[1] } }),
    };
  }
  return undefined;
}
