// What all compiled programs of one linear memory share: the control block, the stack and the table of programs.
import type { Address, Memory } from '../../spec/memory.ts';
import type { Invocation } from '../../spec/backend.ts';

/** Most functions on the stack at once, the program included (Linux: MAX_CALL_FRAMES). */
export const MAX_FRAMES = 8;
/** Bytes of stack below r10 in each function (Linux: MAX_BPF_STACK). */
export const STACK_SIZE = 512;
/** Bytes from one frame to the next: what lies between belongs to nobody. */
export const FRAME_STRIDE = STACK_SIZE + 64;

/**
 * Fields of the control block, a few words of the memory that compiled code and the host both read and write. All are u32 and
 * stand at Machine.control plus these offsets.
 */
export const CONTROL = {
  /** Instructions that may still be executed, counted down where loops go back and functions are entered. */
  FUEL: 0,
  /** Set by the host in a tail call: id of the program to go on with, 0 for none. */
  TAIL: 4,
  /** Base of the frame of the function that called the helper now running, for callbacks. */
  FRAME: 8,
  /** Times that the run may still pass its may_goto instructions. */
  MAY_GOTO: 12,
  /** Tail calls that the run may still make. */
  TAILS: 16,
  /** CPU of the run. */
  CPU: 20,
  /**
   * Checked code: for each register r0 to r9 and for reading and writing, the bounds (u64 each, the end outside) within which
   * an access through it needs no question to the host. All ones: none. Emptied at the start of a run and by every helper.
   */
  WINDOWS: 24,
} as const;

const WINDOW_SIZE = 16;
const WINDOWS_SIZE = 10 * 2 * WINDOW_SIZE;
const CONTROL_SIZE = CONTROL.WINDOWS + WINDOWS_SIZE;

/** Offset of a register's window from the control block. */
export const windowOffset = (register: number, write: boolean): number =>
  CONTROL.WINDOWS + (register * 2 + (write ? 1 : 0)) * WINDOW_SIZE;

/** The state behind every compiled program of a memory. Never given back: it lives as long as the memory. */
export class Machine {
  readonly memory: Memory;
  readonly control: Address;
  /** Lowest frame; the first function's is the highest. */
  readonly stack: Address;
  /** Programs by id, for tail calls between modules. */
  readonly table: WebAssembly.Table;
  /** The run that is under way. */
  invocation: Invocation | undefined;

  private constructor(memory: Memory) {
    this.memory = memory;
    this.control = memory.alloc(CONTROL_SIZE);
    const size = MAX_FRAMES * FRAME_STRIDE;
    this.stack = memory.alloc(size);
    memory.addRegion({
      base: this.stack,
      size,
      kind: 'stack',
      name: 'stack',
      writable: true,
      stride: FRAME_STRIDE,
      slot: STACK_SIZE,
    });
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: 16 });
  }

  static readonly #machines = new WeakMap<Memory, Machine>();

  static of(memory: Memory): Machine {
    let machine = Machine.#machines.get(memory);
    if (machine === undefined) {
      machine = new Machine(memory);
      Machine.#machines.set(memory, machine);
    }
    return machine;
  }

  /** Base of the frame of a run's first function. */
  get topFrame(): Address {
    return this.stack + (MAX_FRAMES - 1) * FRAME_STRIDE;
  }

  read(field: keyof typeof CONTROL): number {
    return this.memory.u32[(this.control + CONTROL[field]) >>> 2];
  }

  write(field: keyof typeof CONTROL, value: number): void {
    this.memory.u32[(this.control + CONTROL[field]) >>> 2] = value;
  }

  emptyWindows(): void {
    const from = this.control + CONTROL.WINDOWS;
    this.memory.u8.fill(0xff, from, from + WINDOWS_SIZE);
  }

  /**
   * Answers checked code: whether an access is allowed; the bounds of what was found become the register's window.
   */
  admit(register: number, address: Address, size: number, write: boolean): boolean {
    const { memory } = this;
    if (!memory.accessible(address, size, write)) return false;
    const region = memory.regionAt(address);
    if (region === undefined) return false;
    const { stride, slot } = region;
    const from = stride === undefined ? region.base : address - ((address - region.base) % stride);
    const to = from + (stride === undefined ? region.size : (slot ?? stride));
    const at = this.control + windowOffset(register, write);
    memory.view.setBigUint64(at, BigInt(from), true);
    memory.view.setBigUint64(at + 8, BigInt(to), true);
    return true;
  }

  /** Puts a program's main function where tail calls find it. */
  enter(id: number, main: unknown): void {
    if (id >= this.table.length) this.table.grow(Math.max(id + 1 - this.table.length, this.table.length));
    this.table.set(id, main);
  }
}
