// The context of a run in linear memory.
import type { Address, Memory, Region } from '../spec/memory.ts';
import type { ContextField, ContextLayout } from '../spec/program.ts';
import { hasWritable } from './fields.ts';

/** Memory of one context structure, its region, and access to its fields by their row. */
export class ContextBlock {
  readonly address: Address;
  readonly #memory: Memory;
  readonly #region: Region;
  readonly #capacity: number;

  /** @param capacity bytes of the block, for contexts whose size the caller chooses; else the layout's size */
  constructor(memory: Memory, layout: ContextLayout, capacity = layout.size) {
    this.#memory = memory;
    this.#capacity = capacity;
    this.address = memory.alloc(capacity);
    const region = {
      base: this.address,
      size: capacity,
      kind: 'context' as const,
      name: layout.name,
      writable: hasWritable(layout),
    };
    this.#region = region;
    memory.addRegion(region);
  }

  /** Bytes that the program may access. */
  get size(): number {
    return this.#region.size;
  }

  /** Sets the whole structure; what the image does not cover becomes zero. Nothing beyond `size` is accessible. */
  lay(image: Uint8Array, size: number = this.#capacity): void {
    const { u8 } = this.#memory;
    u8.fill(0, this.address, this.address + this.#capacity);
    u8.set(image, this.address);
    this.#memory.moveRegion(this.#region, this.address, size);
  }

  setU32({ offset }: Pick<ContextField, 'offset'>, value: number): void {
    this.#memory.view.setUint32(this.address + offset, value, true);
  }

  /** Writes a field of any integer size; the value is cut to it. */
  set({ offset, size }: Pick<ContextField, 'offset' | 'size'>, value: number | bigint): void {
    const { view } = this.#memory;
    const at = this.address + offset;
    if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    else if (size === 4) view.setUint32(at, Number(value), true);
    else if (size === 2) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
  }

  setBytes({ offset }: Pick<ContextField, 'offset'>, bytes: Uint8Array): void {
    this.#memory.u8.set(bytes, this.address + offset);
  }

  u32({ offset }: Pick<ContextField, 'offset'>): number {
    return this.#memory.view.getUint32(this.address + offset, true);
  }

  u64({ offset }: Pick<ContextField, 'offset'>): bigint {
    return this.#memory.view.getBigUint64(this.address + offset, true);
  }

  /** A copy of the accessible bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#memory.u8.slice(this.address, this.address + this.#region.size);
  }

  /** A copy of one field. */
  field({ offset, size }: Pick<ContextField, 'offset' | 'size'>): Uint8Array<ArrayBuffer> {
    return this.#memory.u8.slice(this.address + offset, this.address + offset + size);
  }

  dispose(): void {
    this.#memory.removeRegion(this.#region);
    this.#memory.free(this.address);
  }
}
