// The memory of a module, as its programs may use it.
import { RING } from '../../spec/map-layout.ts';
import { fail } from './errors.ts';
import type { ModuleRecord, RegionRecord } from './record.ts';

/** Bytes between any two blocks, as in AnyBPF: an overflow of one never lands in the next. */
const GAP = 16;
const PAGE = 65_536;

export const aligned = (value: number): number => Math.ceil(value / 8) * 8;

export const decode64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** The module's memory: blocks above what it brought, and the regions that programs may access. */
export class ModuleMemory {
  readonly wasm: WebAssembly.Memory;
  u8: Uint8Array;
  view: DataView;
  readonly regions: RegionRecord[];
  readonly #record: ModuleRecord['memory'];
  #top: number;

  constructor({ memory: record }: ModuleRecord) {
    const { pages, maximum, top, regions } = record;
    this.#record = record;
    this.wasm = new WebAssembly.Memory({ initial: pages, maximum });
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.view = new DataView(this.wasm.buffer);
    this.regions = [...regions].sort((a, b) => a.base - b.base);
    this.#top = aligned(top);
  }

  /** Zeroed bytes that are never given back. */
  alloc(size: number): number {
    const address = this.#top;
    const end = aligned(address + size + GAP);
    if (end > this.#record.maximum * PAGE)
      fail('aot/out-of-memory', `${size} more bytes do not fit in the module's memory`);
    const missing = end - this.wasm.buffer.byteLength;
    if (missing > 0) this.wasm.grow(Math.ceil(missing / PAGE));
    this.#top = end;
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.view = new DataView(this.wasm.buffer);
    return address;
  }

  /** Forgets what checked code has learned about addresses: regions have moved. */
  forgetWindows(): void {
    this.u8.fill(0, ...this.#record.windows);
  }

  /** The region that holds an address; of a ring buffer only the record that is open. */
  regionAt(address: number): RegionRecord | undefined {
    const region = this.regions.find(({ base, size }) => address >= base && address < base + size);
    if (region?.kind !== 'ring-record') return region;
    const base = this.view.getUint32(this.#record.openRecord, true);
    if (base === 0) return undefined;
    const size = this.view.getUint32(base - RING.HEADER, true) & RING.LARGEST;
    return address >= base && address < base + size ? { ...region, base, size } : undefined;
  }

  /** Whether a program may read a range of bytes. */
  accessible(address: number, size: number): boolean {
    const region = this.regionAt(address);
    if (region === undefined) return false;
    const offset = address - region.base;
    if (region.stride === undefined) return offset + size <= region.size;
    return (offset % region.stride) + size <= (region.slot ?? region.stride);
  }

  /** Whether an access may be; its bounds become the window of the register, within which code does not ask again. */
  admit(register: number, address: number, size: number, write: boolean): boolean {
    const region = this.regionAt(address);
    if (region === undefined || (write && !region.writable)) return false;
    const { base, stride, slot } = region;
    const from = stride === undefined ? base : address - ((address - base) % stride);
    const to = from + (stride === undefined ? region.size : (slot ?? stride));
    if (address + size > to) return false;
    const { windows, openWindows } = this.#record;
    const index = register * 2 + (write ? 1 : 0);
    this.view.setUint32(windows[0] + index * 8, from, true);
    this.view.setUint32(windows[0] + index * 8 + 4, to, true);
    if (region.kind === 'ring-record') {
      this.view.setUint32(openWindows, this.view.getUint32(openWindows, true) | (1 << index), true);
    }
    return true;
  }

  /** Discards the ring buffer record that a run has left open, if there is one. */
  discardRecord(): void {
    const { openRecord } = this.#record;
    const record = this.view.getUint32(openRecord, true);
    if (record === 0) return;
    this.view.setUint32(openRecord, 0, true);
    const word = this.view.getUint32(record - RING.HEADER, true);
    this.view.setUint32(record - RING.HEADER, (word & RING.LARGEST) | RING.DISCARD, true);
  }
}
