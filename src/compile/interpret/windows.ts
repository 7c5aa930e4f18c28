// The ranges that interpreted code may access without asking, kept equal to the regions of the memory.
import type { Address, Memory } from '../../spec/memory.ts';
import { FRAME_STRIDE, MAX_FRAMES, STACK_SIZE } from '../limits.ts';
import {
  GRANULE_BITS,
  GRANULE_HASH,
  RANGE_BITS,
  RECORD,
  SAVE,
  SAVE_SIZE,
  STATE,
  WINDOW,
  WINDOW_SIZE,
} from './layout.ts';

export class Windows {
  readonly #memory: Memory;
  readonly #state: Address;
  readonly #stack: Address;
  /** The window that allows nothing: where records begin. */
  readonly nothing: Address;
  readonly #frames: Address;
  /** The first of those that follow from addresses. */
  readonly ranges: Address;
  /** Those of the ranges that are in use. */
  readonly #open = new Set<Address>();
  /** State of the memory's regions that the windows hold for. */
  #generation = -1;

  constructor(memory: Memory, state: Address, stack: Address) {
    this.#memory = memory;
    this.#state = state;
    this.#stack = stack;
    this.nothing = state + STATE.WINDOWS;
    this.#frames = this.nothing + WINDOW_SIZE;
    this.ranges = this.#frames + MAX_FRAMES * WINDOW_SIZE;
    const { view } = memory;
    for (let i = 0; i < MAX_FRAMES; i++) {
      const base = stack + i * FRAME_STRIDE;
      const save = state + STATE.SAVES + (i + 1) * SAVE_SIZE;
      const window = this.#frames + i * WINDOW_SIZE;
      view.setUint32(window + WINDOW.FROM, base, true);
      view.setUint32(save + SAVE.WINDOW, window, true);
      view.setBigUint64(save + SAVE.TOP, BigInt(base + STACK_SIZE), true);
    }
  }

  /** To be called wherever regions may have come or gone: forgets what no longer holds. */
  refresh(): void {
    const { generation } = this.#memory;
    if (generation === this.#generation) return;
    this.#generation = generation;
    if (this.#open.size === 0) return;
    const { view } = this.#memory;
    for (const window of this.#open) setWindow(view, window, 0, 0, false);
    this.#open.clear();
  }

  /** Closes the frames that an aborted run left open. */
  closeFrames(): void {
    const { view } = this.#memory;
    for (let i = 0; i < MAX_FRAMES; i++) setSize(view, this.#frames + i * WINDOW_SIZE, 0, true);
  }

  /** Answers the instruction at `record`, whose window does not have the access: whether it is allowed after all. */
  admit(record: Address, address: Address, size: number, write: boolean): boolean {
    const memory = this.#memory;
    if (!memory.accessible(address, size, write)) return false;
    const window = this.open(address);
    if (window === undefined) return false;
    memory.view.setUint32(record + RECORD.WINDOW, window, true);
    return true;
  }

  /** Opens the window of an address, where a region or frame in use has it. */
  open(address: Address): Address | undefined {
    const region = this.#memory.regionAt(address);
    if (region === undefined) return undefined;
    if (region.base === this.#stack) return this.#frameAt(address);
    const { base, stride, writable } = region;
    const from = stride === undefined ? base : address - ((address - base) % stride);
    const bits = stride === undefined ? GRANULE_BITS.WHOLE : GRANULE_BITS.SLOTS;
    const granule = Math.imul(address >>> bits, GRANULE_HASH) >>> (32 - RANGE_BITS);
    const window = this.ranges + granule * WINDOW_SIZE;
    this.#open.add(window);
    setWindow(this.#memory.view, window, from, stride === undefined ? region.size : (region.slot ?? stride), writable);
    return window;
  }

  /** The window of the frame, where a function is using it. */
  #frameAt(address: Address): Address | undefined {
    const { view } = this.#memory;
    const frame = Math.floor((address - this.#stack) / FRAME_STRIDE);
    const open = (view.getUint32(this.#state + STATE.SAVE, true) - this.#state - STATE.SAVES) / SAVE_SIZE;
    return frame < open ? this.#frames + frame * WINDOW_SIZE : undefined;
  }
}

function setSize(view: DataView, window: Address, size: number, writable: boolean): void {
  view.setUint32(window + WINDOW.READ, size, true);
  view.setUint32(window + WINDOW.WRITE, writable ? size : 0, true);
}

function setWindow(view: DataView, window: Address, from: Address, size: number, writable: boolean): void {
  view.setUint32(window + WINDOW.FROM, from, true);
  setSize(view, window, size, writable);
}
