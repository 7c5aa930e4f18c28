// What every engine grants a run.
import { MAX_LOOPS } from '../spec/helper.ts';

/** Most functions on the stack at once, the program included (Linux: MAX_CALL_FRAMES). */
export const MAX_FRAMES = 8;
/** Bytes of stack below r10 in each function (Linux: MAX_BPF_STACK). */
export const STACK_SIZE = 512;
/** Bytes from one frame to the next: what lies between belongs to nobody, so that running off a frame is caught. */
export const FRAME_STRIDE = STACK_SIZE + 64;
/** Times that one run may pass its may_goto instructions. */
export const MAY_GOTO_LIMIT = MAX_LOOPS;
