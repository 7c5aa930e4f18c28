// What the interpreter's WebAssembly and the host agree on: decoded instructions, registers and state in the linear memory.
import { MAX_FRAMES, STACK_SIZE } from '../limits.ts';

/**
 * A decoded instruction. Registers are named by the addresses of their cells and jumps by the address of the record that they
 * lead to, so that a handler needs no arithmetic to get at its operands.
 */
export const RECORD = {
  /** u32: number of the handler. */
  HANDLER: 0,
  /** u32: address of the cell of each register. */
  DST: 4,
  SRC: 8,
  /** i32: `off` of accesses; address of the record that a jump or call leads to. */
  OFF: 12,
  TARGET: 12,
  /** i64: the immediate, sign-extended; bytes of stack that the function called may look at. */
  IMM: 16,
  FRAME_USE: 16,
  /** u32: address of the window that served the last access of this instruction. */
  WINDOW: 24,
  /** u32: slot in the program. */
  SLOT: 28,
} as const;
export const RECORD_SIZE = 32;

/**
 * A range that programs may access without asking the host: an access of `size` bytes at p is inside where p - FROM, unsigned,
 * is below the limit for that size, of which there is one for each power of two; 0 where nothing is allowed.
 */
export const WINDOW = {
  /** u32. */
  FROM: 0,
  /** u32 each: for sizes 1, 2, 4, 8. */
  READ: 4,
  WRITE: 20,
} as const;
export const WINDOW_SIZE = 40;

/** What a call of a function of the program leaves for its exit. Frame k of a run has its own save area, which never moves. */
export const SAVE = {
  /** u32: record to go on at. */
  RETURN: 0,
  /** u32: window of the frame. */
  WINDOW: 4,
  /** i64: r10 in this frame. Never changes. */
  TOP: 8,
  /** i64 each: r6 to r9 of the caller. */
  REGISTERS: 16,
} as const;
export const SAVE_SIZE = 48;

const REGISTERS = 11;
/** Windows besides those of the frames: what a run touches beyond them (context, packet, map values). */
export const RANGES = 32;

/** Offsets in the interpreter's state, which one memory has once. */
const SAVES = 16 + 8 * REGISTERS;
const WINDOWS = SAVES + SAVE_SIZE * (MAX_FRAMES + 1);
const EXIT = WINDOWS + WINDOW_SIZE * (MAX_FRAMES + 1 + RANGES);
export const STATE = {
  /** u32: record at which the WebAssembly part stopped, and what is left of its share of the budget. */
  PC: 0,
  FUEL: 4,
  /** u32: address of the save area of the function that runs. */
  SAVE: 8,
  /** i32: times that the run may still pass its may_goto instructions. */
  MAY_GOTO: 12,
  REGISTERS: 16,
  /** The first stands for no function. */
  SAVES,
  /** The first allows nothing, then one for each frame, then the RANGES. */
  WINDOWS,
  /** A record that exits from a function. */
  EXIT,
} as const;
export const STATE_SIZE = EXIT + RECORD_SIZE;

/** The four limits, for sizes 1, 2, 4 and 8, of a range of so many bytes. */
export const limitsOf = (size: number): readonly number[] =>
  [1, 2, 4, 8].map((access) => Math.max(0, size - access + 1));

/** The limits of a frame as two words of 64 bits, which is how calls write them. */
export const FRAME_LIMITS: readonly bigint[] = [0, 2].map((i) => {
  const limits = limitsOf(STACK_SIZE);
  return BigInt(limits[i]) | (BigInt(limits[i + 1]) << 32n);
});

/** Why the WebAssembly part stopped: at the record in PC, which has not been carried out but for what is said here. */
export const STOP = {
  /** The function that the host called has returned. */
  DONE: 0,
  BUDGET: 1,
  /** No window allows the access. */
  WINDOW: 2,
  MISALIGNED: 3,
  CALL_DEPTH: 4,
  HELPER: 5,
  CALL_REGISTER: 6,
  PACKET: 7,
  NO_ARENA: 8,
  FELL_OFF: 9,
} as const;
export type Stop = (typeof STOP)[keyof typeof STOP];
