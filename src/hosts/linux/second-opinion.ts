// What the verifier of the running kernel says of programs: they are loaded there, and given back at once.
import { release } from 'node:os';
import { fail } from '../../base/diagnostic.ts';
import { noKernelVerifier } from '../../base/messages/verifier-process.ts';
import { ERRNO, errnoName } from '../../spec/errno.ts';
import type { ProgramTypeName } from '../../spec/program-types.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import { close, progLoad } from './bpf.ts';
import { KernelObject } from './kernel-object.ts';
import { native } from './native.ts';

/** `accepted`, `refused`, or not asked, for a reason that says nothing about the program. */
export interface KernelOpinion {
  /** uname -r. */
  readonly release: string;
  readonly verdict: 'accepted' | 'refused' | 'not asked';
  /** Why not, where the kernel's log does not say. */
  readonly reason?: string;
  /** The verifier's log of a refusal. */
  readonly log?: string;
}

/** Programs of these types are for something in the kernel that must be named when they are loaded. */
const FOR_SOMETHING: ReadonlySet<ProgramTypeName> = new Set(['tracing', 'lsm', 'ext', 'struct_ops']);

/** r0 = 0; exit */
const SMALLEST = Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

/**
 * Asks about programs of an object, in their order. CO-RE relocations must be resolved for this kernel.
 *
 * @throws AnyBpfError verify/no-kernel where this is no Linux, koffi is not installed, or bpf(2) is not permitted
 */
export function kernelOpinions(object: ObjectSpec, programs: readonly ProgramSpec[]): KernelOpinion[] {
  mayAsk();
  const kernel = new KernelObject(object);
  try {
    return programs.map((program) => ({ release: release(), ...opinion(kernel, program) }));
  } finally {
    kernel.dispose();
  }
}

function mayAsk(): void {
  try {
    native();
  } catch (error) {
    fail(noKernelVerifier({}, (error as Error).message), error);
  }
  const { fd } = progLoad({ type: 'socket_filter', code: SMALLEST, license: 'GPL' });
  if (fd < 0) {
    const what = fd === -ERRNO.EPERM ? 'this user may not load programs' : 'programs cannot be loaded';
    fail(noKernelVerifier({}, `${what} (${errnoName(fd)})`));
  }
  close(fd);
}

function opinion(kernel: KernelObject, program: ProgramSpec): Omit<KernelOpinion, 'release'> {
  if (program.dialect !== 'linux') return { verdict: 'not asked', reason: 'it is a program for Windows' };
  if (FOR_SOMETHING.has(program.type)) {
    return { verdict: 'not asked', reason: `a ${program.type} program is loaded for something in the kernel` };
  }
  const { fd, reason } = kernel.load(program);
  if (reason !== undefined) return { verdict: 'not asked', reason };
  if (fd >= 0) return { verdict: 'accepted' };
  const log = kernel.log(program);
  // Without a word of the verifier, something else refuses: the program's type, its attributes.
  if (log === '') return { verdict: 'refused', reason: `bpf(2) gives ${errnoName(fd)}, and its verifier says nothing` };
  return { verdict: 'refused', log };
}
