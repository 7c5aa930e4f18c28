// Messages of the verifier: why a program is refused. The first clause says what is wrong, in the terms of the C source.
import { message } from '../diagnostic.ts';
import { takenName } from '../taken.ts';

const r = (register: number): string => `r${register}`;

export const uninitialisedRegister = message(
  'verify/uninitialised-register',
  (register: number) => `${r(register)} is read but holds nothing here`,
  { hint: 'give the variable a value on every path; calls leave r1 to r5 without one' },
);

export const writesFramePointer = message(
  'verify/frame-pointer',
  () => 'r10 is the frame pointer and cannot be changed',
);

export const notAPointer = message(
  'verify/not-a-pointer',
  (register: number, access: string, what: string) =>
    `${r(register)} is ${what}, not a pointer: it cannot be ${access}`,
);

export const maybeNull = message(
  'verify/null',
  (register: number, what: string) => `${r(register)} may be NULL here: it is ${what}`,
  { hint: 'compare the pointer with NULL before it is used' },
);

export const outOfBounds = message(
  'verify/bounds',
  (register: number, access: string, size: number, where: string, why: string) =>
    `${size} byte${size === 1 ? '' : 's'} ${access} through ${r(register)} may lie outside ${where}: ${why}`,
);

/** What is known of the packet's length. */
const lengthText = (proven: number, varies: boolean): string =>
  proven === 0
    ? 'but nothing is proven of how long the packet is there'
    : varies
      ? `but only ${proven} byte${proven === 1 ? ' is' : 's are'} proven to lie behind that varying part`
      : `but the packet is only proven to be ${proven} byte${proven === 1 ? '' : 's'} long there`;

export const packetBounds = message(
  'verify/packet-bounds',
  (register: number, access: string, size: number, from: string, proven: number, varies: boolean) =>
    `${size} byte${size === 1 ? '' : 's'} ${access} through ${r(register)} at packet offset ${from}, ${lengthText(proven, varies)}`,
  {
    hint: 'compare the pointer plus the size of the access with data_end first, on the same variable that is accessed',
  },
);

export const contextAccess = message(
  'verify/context-access',
  (context: string, access: string, offset: number, size: number, why: string) =>
    `${size} bytes at offset ${offset} of ${context} may not be ${access}: ${why}`,
);

export const readOnly = message(
  'verify/read-only',
  (register: number, where: string) => `${r(register)} points into ${where}, which this program may only read`,
);

export const noAccess = message(
  'verify/no-access',
  (register: number, where: string, why: string) => `${r(register)} points to ${where}: ${why}`,
);

export const uninitialisedStack = message(
  'verify/uninitialised-stack',
  (offset: number, size: number) => `the stack bytes from r10${offset} on (${size} read) were not all stored to before`,
  { hint: 'initialise the whole variable, padding included' },
);

export const spilledPointerPart = message(
  'verify/spilled-pointer',
  (offset: number) => `part of the pointer that was stored at r10${offset} is read: only all 8 bytes of it can be`,
);

export const stackAccess = message(
  'verify/stack-access',
  (offset: string, size: number, why: string) => `${size} stack bytes at r10${offset}: ${why}`,
);

/** `where`: distance from r10; `over`: bytes of it that lie above r10. */
export const stackBounds = message('verify/stack-access', (where: string, size: number, over: number, limit: number) =>
  over > 0
    ? `${size} stack bytes from r10${where} on reach ${over} byte${over === 1 ? '' : 's'} beyond r10, where the frame ends`
    : `${size} stack bytes at r10${where}: the frame is the ${limit} bytes below r10`,
);

export const stackLimit = message(
  'verify/stack-limit',
  (size: number, limit: number) => `the functions called here need ${size} bytes of stack together, of ${limit}`,
  {
    hint: 'move large variables into a per-CPU array',
  },
);

export const pointerArithmetic = message(
  'verify/pointer-arithmetic',
  (register: number, operation: string, why: string) => `${why} (${operation} on ${r(register)})`,
);

export const divisionByZero = message(
  'verify/division-by-zero',
  (operation: string) => `${operation} by the constant 0: its result is defined, but Linux does not load it`,
);

export const misaligned = message(
  'verify/misaligned',
  (size: number, what: string) => `${what} needs an address that is a multiple of ${size}`,
);

/** A helper as C calls it. */
const inC = (name: string): string => (/^(?:bpf_|helper )/.test(name) ? name : `bpf_${name}`);

export const helperNotAllowed = message(
  'verify/helper',
  (name: string, type: string) => `${type} programs may not call ${inC(name)}`,
);

export const helperLicence = message(
  'verify/licence',
  (name: string, licence: string) =>
    `${inC(name)} is for programs with a GPL-compatible licence, this one has '${licence}'`,
  {
    hint: 'declare a GPL-compatible licence in the section `license`',
  },
);

export const helperArgument = message(
  'verify/helper-argument',
  (name: string, argument: number, wanted: string, is: string) =>
    `argument ${argument} of ${inC(name)} must be ${wanted}, but r${argument} is ${is}`,
);

export const helperMap = message(
  'verify/helper-map',
  (name: string, type: string, map: string) => `${inC(name)} does not work on map '${map}' of type ${type}`,
);

export const kfuncNotKnown = message('verify/kfunc', (name: string) => `the kernel function ${name} is not known here`);

export const referenceLeak = message(
  'verify/reference-leak',
  (what: string, slot: number) => `the ${takenName(what)} taken at instruction ${slot} is not given back on this path`,
  {
    hint: 'release it on every path before the program ends',
  },
);

export const notOwned = message(
  'verify/release',
  (name: string, register: number, what: string) =>
    `${inC(name)} gives back what was acquired, but r${register} is ${what}`,
);

export const lockRule = message('verify/lock', (why: string) => why);

export const returnValue = message(
  'verify/return-value',
  (value: string, allowed: string) => `the return value is ${value}, but must be ${allowed}`,
);

export const unboundedLoop = message(
  'verify/unbounded-loop',
  (slot: number) => `the loop at instruction ${slot} may never end: nothing that it changes is bounded`,
  {
    hint: 'count the rounds against a constant, or use bpf_loop',
  },
);

export const callDepth = message(
  'verify/call-depth',
  (limit: number) => `more than ${limit} functions call each other`,
);

export const recursion = message(
  'verify/recursion',
  (slot: number) => `the function at instruction ${slot} calls itself`,
);

export const overBudget = message(
  'verify/budget',
  (what: string, limit: number) => `the analysis was given up after ${limit} ${what}: nothing is proven about the rest`,
);

export const badCallback = message('verify/callback', (why: string) => why);

export const badAtomic = message(
  'verify/atomic',
  (register: number, where: string) => `atomic operations do not work on ${where} (${r(register)})`,
);

export const tailCallInSubprogram = message('verify/tail-call', (why: string) => why);

export const unsupportedInsn = message('verify/unsupported', (what: string) => `${what} is not supported`);

export const packetLoad = message('verify/packet-load', (why: string) => why);

export const notRelocated = message(
  'verify/not-relocated',
  (count: number) =>
    `${count} CO-RE relocation${count === 1 ? ' is' : 's are'} not applied: offsets are those that the program was compiled with`,
  { severity: 'warning', hint: 'give the BTF of the kernel with --btf' },
);

/** Where Linux's verifier says something that no row of kernel-log/messages.ts reads. */
export const kernelRefusal = message('verify/kernel', (text: string) => text);
