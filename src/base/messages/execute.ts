// Messages of the engines: why code cannot be loaded, and why a run was aborted.
import { message } from '../diagnostic.ts';
import { hex } from '../u64.ts';

export const jumpOutside = message(
  'run/jump-outside',
  (target: number, slots: number) =>
    `jumps to slot ${target}, which is not the start of an instruction of this program (slots 0 to ${slots - 1})`,
);

export const noWebAssembly = message(
  'run/no-webassembly',
  (engine: string, why: string) => `this host does not let the engine '${engine}' compile WebAssembly: ${why}`,
  { hint: "the engine 'auto' goes on without it" },
);

export const emptyProgram = message('run/empty-program', () => 'the program has no instructions');

export const unlinkedReference = message(
  'run/unlinked-reference',
  (op: string) => `${op} refers to something by a kernel's number; only linked references (by index) can be run`,
);

export const missingMap = message('run/missing-map', (index: number) => `refers to map ${index}, which is not there`);

export const missingMapValue = message(
  'run/missing-map-value',
  (index: number, offset: number) => `refers to byte ${offset} of the value of map ${index}, which has no such byte`,
);

export const missingExtern = message(
  'run/missing-extern',
  (index: number) => `refers to extern ${index}, which this host does not have`,
);

export const missingHelper = message(
  'run/missing-helper',
  (helper: number, type: string) => `calls helper ${helper}, which programs of type ${type} do not have here`,
);

export const missingKfunc = message(
  'run/missing-kfunc',
  (index: number) => `calls the kfunc that is extern ${index}, which this host does not have`,
);

export const badAccess = message(
  'run/bad-access',
  (access: 'read' | 'write', size: number, address: bigint, near: string) =>
    `may not ${access} ${size} ${size === 1 ? 'byte' : 'bytes'} at ${hex(address)}: ${near}`,
);

export const misalignedAtomic = message(
  'run/misaligned-atomic',
  (size: number, address: bigint) =>
    `an atomic operation on ${size} bytes needs an address that is a multiple, not ${hex(address)}`,
);

export const budgetSpent = message('run/budget', () => 'the budget of instructions for one run is spent');

export const fellOff = message(
  'run/fell-off',
  () => 'ran past the last instruction: the last one must be exit or a jump',
);

export const callDepth = message(
  'run/call-depth',
  (limit: number) => `calls are nested deeper than ${limit} functions`,
);

export const badCallTarget = message(
  'run/bad-call-target',
  (target: bigint) => `calls ${hex(target)}, which is neither a helper's number nor a function of this program`,
);

export const badPacketLoad = message(
  'run/bad-packet-load',
  (why: string) => `a packet load (LD_ABS, LD_IND) cannot be done: ${why}`,
);

export const frameWrite = message('run/frame-pointer', () => 'writes r10, the frame pointer, which is read-only');

export const noArena = message(
  'run/no-arena',
  () => 'addr_space_cast needs an arena map, which this engine does not have',
);

export const trapped = message('run/trap', (reason: string) => `was stopped by a trap: ${reason}`);
