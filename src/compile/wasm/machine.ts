// What all compiled programs of one linear memory share: the control block, the stack and the table of programs.
import type { Address, Memory } from '../../spec/memory.ts';
import type { CodeBatch, EnteredRun, Invocation } from '../../spec/backend.ts';
import type { RingBufferMap } from '../../spec/map.ts';
import { RING } from '../../spec/map-layout.ts';
import { FRAME_STRIDE, MAX_FRAMES, STACK_SIZE } from '../limits.ts';
import { HostTable } from './host-table.ts';

/**
 * What bounds a run, as WebAssembly globals that all modules of a memory share: no store of a program reaches them, whatever
 * it was verified to be. Modules import them in this order.
 */
export const GLOBALS = [
  /** Instructions that may still be executed, counted down where loops go back and functions are entered. */
  'FUEL',
  /** Set by the host in a tail call: id of the program to go on with, 0 for none. */
  'TAIL',
  /** Base of the frame of the function that called the helper now running, for callbacks. */
  'FRAME',
  /** Times that the run may still pass its may_goto instructions. */
  'MAY_GOTO',
  /** Tail calls that the run may still make. */
  'TAILS',
  /** In a batch: where it has the address of the context that runs. */
  'CONTEXT',
] as const;
export type GlobalName = (typeof GLOBALS)[number];

/** Index of a global in every module. */
export const globalIndex = (name: GlobalName): number => GLOBALS.indexOf(name);

const WINDOW_SIZE = 8;
export const WINDOWS_SIZE = 10 * 2 * WINDOW_SIZE;

/**
 * Fields of the control block, a few words of the memory that compiled code and the host both read and write, at
 * Machine.control plus these offsets. A program that is not checked can spoil them, and with them no more than its own results.
 */
export const CONTROL = {
  /** CPU of the run. */
  CPU: 0,
  /** Result of a helper that no number holds exactly, u64; the helper's import then gives NaN. */
  RESULT: 8,
  /**
   * Checked code: for each register r0 to r9 and for reading and writing, the bounds (u32 each, the end outside) within which
   * an access through it needs no question to the host. Zeros: none.
   * Emptied when regions have changed.
   */
  WINDOWS: 16,
  /** Address of the record that compiled code has reserved by itself and that nobody has submitted since, as far as it knows; or 0. */
  RECORD: 16 + WINDOWS_SIZE,
  /** Which windows may be of a record of a ring buffer: a bit each, in their order. */
  RECORD_WINDOWS: 20 + WINDOWS_SIZE,
  /** Id of the program whose entry the last run came in by that the host has not begun. */
  ENTERED: 24 + WINDOWS_SIZE,
} as const;

/** What a program's entry says of its runs, at an address of the program's own: r1 of the last, and how many there were, u32 each. */
export const ENTRY = { WITH: 0, COUNT: 4, SIZE: 8 } as const;

const CONTROL_SIZE = CONTROL.ENTERED + 4;

/** The place of a register's window among all. */
const windowIndex = (register: number, write: boolean): number => register * 2 + (write ? 1 : 0);

/** Offset of a register's window from the control block. */
export const windowOffset = (register: number, write: boolean): number =>
  CONTROL.WINDOWS + windowIndex(register, write) * WINDOW_SIZE;

const newGlobal = (): WebAssembly.Global => new WebAssembly.Global({ value: 'i32', mutable: true }, 0);

/** The state behind every compiled program of a memory. Never given back: it lives as long as the memory. */
export class Machine {
  readonly memory: Memory;
  readonly control: Address;
  /** Lowest frame; the first function's is the highest. */
  readonly stack: Address;
  /** Base of the frame of a run's first function. */
  readonly topFrame: Address;
  /** Programs by id, for tail calls between modules. */
  readonly table: WebAssembly.Table;
  /** Functions of the host that the programs call. */
  readonly host = new HostTable();
  readonly globals: { readonly [N in GlobalName]: WebAssembly.Global };
  /** The run that is under way. */
  invocation: Invocation | undefined;
  /** The batch that is under way, and the index of its context that the invocation stands for. */
  batch: CodeBatch | undefined;
  selected = -1;

  private constructor(memory: Memory, parts: Partial<Pick<Machine, 'globals' | 'table'>>) {
    this.memory = memory;
    this.control = memory.alloc(CONTROL_SIZE);
    const size = MAX_FRAMES * FRAME_STRIDE;
    this.stack = memory.alloc(size);
    this.topFrame = this.stack + (MAX_FRAMES - 1) * FRAME_STRIDE;
    memory.addRegion({
      base: this.stack,
      size,
      kind: 'stack',
      name: 'stack',
      writable: true,
      stride: FRAME_STRIDE,
      slot: STACK_SIZE,
    });
    this.globals =
      parts.globals ?? (Object.fromEntries(GLOBALS.map((name) => [name, newGlobal()])) as Machine['globals']);
    this.table = parts.table ?? new WebAssembly.Table({ element: 'anyfunc', initial: 16 });
  }

  static readonly #machines = new WeakMap<Memory, Machine>();

  /** @param parts that are there already, where the programs were compiled ahead of time; for the first call of a memory */
  static of(memory: Memory, parts: Partial<Pick<Machine, 'globals' | 'table'>> = {}): Machine {
    let machine = Machine.#machines.get(memory);
    if (machine === undefined) {
      machine = new Machine(memory, parts);
      Machine.#machines.set(memory, machine);
    }
    return machine;
  }

  read(name: GlobalName): number {
    return this.globals[name].value >>> 0;
  }

  write(name: GlobalName, value: number): void {
    this.globals[name].value = value | 0;
  }

  set result(value: bigint) {
    this.memory.view.setBigUint64(this.control + CONTROL.RESULT, BigInt.asUintN(64, value), true);
  }

  /** The host's sides of programs with an entry, by program. */
  readonly #entries = new Map<number, { readonly run: EnteredRun; readonly at: Address; seen: number }>();

  /** @param at where the program's entry keeps what it says (ENTRY) */
  open(id: number, run: EnteredRun, at: Address): void {
    this.#entries.set(id, { run, at, seen: this.memory.u32[(at + ENTRY.COUNT) >>> 2] });
  }

  /** Whether the host has seen the last run by the program's entry. */
  hasSeen(id: number): boolean {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.seen === this.memory.u32[(entry.at + ENTRY.COUNT) >>> 2];
  }

  /** The run under way; one that came in without the host begins for it here. */
  running(): Invocation {
    if (this.invocation !== undefined) return this.invocation;
    const { u32 } = this.memory;
    const entry = this.#entries.get(u32[(this.control + CONTROL.ENTERED) >>> 2]);
    if (entry === undefined) throw new Error('no run is under way');
    const count = u32[(entry.at + ENTRY.COUNT) >>> 2];
    if (entry.seen !== count) {
      entry.seen = count;
      entry.run.begin(u32[(entry.at + ENTRY.WITH) >>> 2]);
    }
    return entry.run.invocation;
  }

  /** In a batch: makes the invocation that of the context which runs now. */
  select(): void {
    const { batch } = this;
    if (batch === undefined) return;
    const index = (this.read('CONTEXT') - batch.contexts) >>> 2;
    if (index === this.selected) return;
    this.selected = index;
    batch.select(index);
  }

  /** Generation of the memory's regions that the windows hold for. */
  #generation = -1;

  /** Forgets what checked code knows of the regions, where they may have changed. */
  refreshWindows(): void {
    if (this.memory.generation === this.#generation) return;
    this.#generation = this.memory.generation;
    const from = this.control + CONTROL.WINDOWS;
    this.memory.u8.fill(0, from, from + WINDOWS_SIZE);
  }

  /**
   * Answers checked code: whether an access is allowed; the bounds of what was found become the register's window.
   */
  admit(register: number, address: Address, size: number, write: boolean): boolean {
    const { memory } = this;
    const region = memory.regionAt(address);
    if (region === undefined || (write && !region.writable)) return false;
    const { base, stride, slot } = region;
    const from = stride === undefined ? base : address - ((address - base) % stride);
    const to = from + (stride === undefined ? region.size : (slot ?? stride));
    if (address + size > to) return false;
    const at = (this.control + windowOffset(register, write)) >>> 2;
    memory.u32[at] = from;
    memory.u32[at + 1] = to;
    if (region.kind === 'ring-record') {
      memory.u32[(this.control + CONTROL.RECORD_WINDOWS) >>> 2] |= 1 << windowIndex(register, write);
    }
    return true;
  }

  /** As `discardRecord`, after a run that came in without the host was stopped. */
  discardEntered(): void {
    const entry = this.#entries.get(this.memory.u32[(this.control + CONTROL.ENTERED) >>> 2]);
    this.discardRecord(entry?.run.invocation);
  }

  /** Discards the record that compiled code has reserved and the run under way leaves behind, if there is one. */
  discardRecord(invocation = this.invocation): void {
    const { memory } = this;
    const at = (this.control + CONTROL.RECORD) >>> 2;
    const record = memory.u32[at];
    if (record === 0) return;
    memory.u32[at] = 0;
    const ring = invocation?.mapAt(memory.u32[(record - RING.DATA + RING.MAP) >>> 2]);
    if (ring?.type === 'ringbuf') (ring as RingBufferMap).discard(record, 0n);
    this.refreshWindows();
  }

  /** Puts a program's main function where tail calls find it. */
  enter(id: number, main: unknown): void {
    this.#entries.delete(id);
    if (id >= this.table.length) this.table.grow(Math.max(id + 1 - this.table.length, this.table.length));
    this.table.set(id, main);
  }
}
