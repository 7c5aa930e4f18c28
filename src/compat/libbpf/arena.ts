// An address space for `bpf(cmd, attr, size)`: the 64-bit pointers inside attr are addresses of bytes that were placed here.
import { alignUp, cString, utf8 } from '../../base/bytes.ts';

/** Where the first block begins: no number that an application would take for one by chance. */
const FIRST = 0x1000_0000;
/** Between blocks nothing is mapped, so that running off an end is noticed. */
const GUARD = 4096;
const ALIGN = 16;

interface Block {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/**
 * Blocks of memory with addresses. `place(bytes)` gives a pointer to the very bytes (nothing is copied: what bpf() writes shows in
 * them), pointers may point inside a block, 0 is NULL. Blocks live until `free`.
 */
export class Arena {
  /** Sorted by start: addresses are handed out upwards. */
  readonly #blocks: Block[] = [];
  #next = FIRST;

  /** Gives bytes an address. */
  place(bytes: Uint8Array): bigint {
    const start = this.#next;
    this.#next = alignUp(start + bytes.length, ALIGN) + GUARD;
    this.#blocks.push({ start, bytes });
    return BigInt(start);
  }

  /** A NUL-terminated string. */
  text(value: string): bigint {
    return this.place(utf8(`${value}\0`));
  }

  /** Takes the block away that begins at this address; false where none does. */
  free(address: bigint): boolean {
    const at = this.#blocks.findIndex((block) => block.start === Number(address));
    if (at >= 0) this.#blocks.splice(at, 1);
    return at >= 0;
  }

  /** The bytes from an address to the end of its block; undefined where nothing is there. */
  from(address: bigint): Uint8Array | undefined {
    if (address > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    const at = Number(address);
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#blocks[middle].start <= at) low = middle + 1;
      else high = middle;
    }
    const block = this.#blocks[low - 1];
    if (block === undefined || at > block.start + block.bytes.length) return undefined;
    return block.bytes.subarray(at - block.start);
  }

  /** `size` bytes at an address; undefined where they are not all there. */
  bytes(address: bigint, size: number): Uint8Array | undefined {
    const found = this.from(address);
    return found === undefined || found.length < size ? undefined : found.subarray(0, size);
  }

  /** The string at an address; undefined where there is none that ends. */
  string(address: bigint): string | undefined {
    const found = this.from(address);
    return found === undefined || !found.includes(0) ? undefined : cString(found);
  }
}
