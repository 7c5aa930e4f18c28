// Messages of helper calls: an argument that the helper's prototype does not allow, and calls that cannot be served.
import { message } from '../diagnostic.ts';
import { hex } from '../u64.ts';

export const helperPointer = message(
  'run/helper-argument-pointer',
  (name: string, argument: number, value: bigint) =>
    `bpf_${name}: argument ${argument} is ${hex(value)}, which is no address in the program's memory`,
);

export const helperMemory = message(
  'run/helper-argument-memory',
  (name: string, argument: number, value: bigint, size: number, access: 'read' | 'written') =>
    `bpf_${name}: the ${size} bytes of argument ${argument} at ${hex(value)} may not be ${access} by the program`,
);

export const helperSize = message(
  'run/helper-argument-size',
  (name: string, argument: number, value: bigint) =>
    `bpf_${name}: argument ${argument} is a size, and ${hex(value)} is not allowed for it`,
);

export const helperMap = message(
  'run/helper-argument-map',
  (name: string, argument: number, value: bigint) => `bpf_${name}: argument ${argument} (${hex(value)}) is not a map`,
);

export const helperMapType = message(
  'run/helper-argument-map-type',
  (name: string, argument: number, type: string) =>
    `bpf_${name}: argument ${argument} is a map of type ${type}, which this helper does not work on`,
);

export const helperContext = message(
  'run/helper-argument-context',
  (name: string, argument: number, value: bigint) =>
    `bpf_${name}: argument ${argument} (${hex(value)}) is not the program's context`,
);

export const spinLockStuck = message(
  'run/spin-lock',
  (address: number, why: string) => `the spin lock at 0x${address.toString(16)} cannot be taken: ${why}`,
);

export const helperString = message(
  'run/helper-argument-string',
  (name: string, argument: number, value: bigint) =>
    `bpf_${name}: argument ${argument} (${hex(value)}) is not a NUL-terminated string in the program's memory`,
);

/** The argument must point at the start of a thing of some kind: a socket, a ring buffer record, a dynptr on the stack. */
export const helperKind = message(
  'run/helper-argument-kind',
  (name: string, argument: number, value: bigint, wanted: string) =>
    `bpf_${name}: argument ${argument} (${hex(value)}) is not ${wanted}`,
);

/** What the kernel's verifier refuses for a reason that is only seen at run time here. */
export const helperRefused = message(
  'run/helper-refused',
  (name: string, why: string) => `bpf_${name} cannot be done: ${why}`,
);
