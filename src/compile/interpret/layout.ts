// What the interpreter's WebAssembly and the host agree on: decoded instructions, registers and state in the linear memory.
import { MAX_FRAMES } from '../limits.ts';

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
  /** Calls of helpers. u32: index in the table of the code that does it, or how often the host did. */
  CODE: 4,
  CALLS: 8,
} as const;
export const RECORD_SIZE = 32;

/**
 * A range that programs may access without asking the host: READ and WRITE say how many bytes from FROM on, u32 each; 0 where nothing
 * is allowed. An access of `size` bytes at p is inside where neither p - FROM nor READ - size - (p - FROM), of 64 bits, is negative.
 */
export const WINDOW = { FROM: 0, READ: 4, WRITE: 8 } as const;
export const WINDOW_SIZE = 16;

/**
 * Windows besides those of the frames: what a run touches beyond them (context, packet, map values). Which one may have an access
 * follows from the granule of memory that its address is in: a small one for regions of many slots, of which each has its own window.
 */
export const RANGE_BITS = 12;
export const RANGES = 1 << RANGE_BITS;
export const GRANULE_BITS = { WHOLE: 6, SLOTS: 3 } as const;
/** Spreads granules over the windows: 2^32 divided by the golden ratio (Knuth, The Art of Computer Programming 3, 6.4). */
export const GRANULE_HASH = 0x9e3779b1;

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

/** Offsets in the interpreter's state, which one memory has once. */
const FIRST_REGISTER = 40;
const SAVES = FIRST_REGISTER + 8 * REGISTERS;
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
  /** u32: r1 of the run, which tail calls hand on; tail calls that it may still make; its CPU. */
  CTX: 16,
  TAILS: 20,
  CPU: 24,
  /** u32: address and length of the table of programs: by id, the record that a tail call goes on at, or 0. */
  STARTS: 28,
  PROGRAMS: 32,
  /** u32: index of the run in its batch, where a batch has stopped. */
  INDEX: 36,
  REGISTERS: FIRST_REGISTER,
  /** The first stands for no function. */
  SAVES,
  /** The first allows nothing, then one for each frame, then the RANGES. */
  WINDOWS,
  /** A record that exits from a function. */
  EXIT,
} as const;
export const STATE_SIZE = EXIT + RECORD_SIZE;

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
