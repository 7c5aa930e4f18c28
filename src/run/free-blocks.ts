// Blocks of a linear memory that were given back. Objects of a run come in few sizes, so that most blocks are used again as they are;
// only where memory is short, or much of it lies idle, larger ones are split and neighbours are joined.
import type { Address } from '../spec/memory.ts';

export class FreeBlocks {
  /** By exact size. */
  #bySize = new Map<number, Address[]>();
  /** Blocks were added since neighbours were joined last. */
  #unjoined = false;

  add(block: Address, size: number): void {
    const list = this.#bySize.get(size);
    if (list === undefined) this.#bySize.set(size, [block]);
    else list.push(block);
    this.#unjoined = true;
  }

  /** A block of exactly this size. */
  exactly(size: number): Address | undefined {
    return this.#bySize.get(size)?.pop();
  }

  /** A block of this size out of a larger one: the smallest that holds it. */
  outOfLarger(size: number): Address | undefined {
    const found = this.#smallestAbove(size);
    if (found !== undefined) return this.#split(found, size);
    if (!this.#unjoined) return undefined;
    this.#join();
    const joined = this.#smallestAbove(size);
    return joined === undefined ? undefined : this.#split(joined, size);
  }

  #smallestAbove(size: number): number | undefined {
    let best: number | undefined;
    for (const [one, blocks] of this.#bySize) {
      if (one >= size && blocks.length > 0 && (best === undefined || one < best)) best = one;
    }
    return best;
  }

  #split(from: number, size: number): Address {
    const block = this.#bySize.get(from)?.pop() as Address;
    if (from > size) this.add(block + size, from - size);
    return block;
  }

  #join(): void {
    const all = [...this.#bySize].flatMap(([size, blocks]) => blocks.map((block) => ({ block, size })));
    all.sort((a, b) => a.block - b.block);
    this.#bySize = new Map();
    let last: { block: Address; size: number } | undefined;
    for (const one of all) {
      if (last !== undefined && last.block + last.size === one.block) {
        last.size += one.size;
        continue;
      }
      if (last !== undefined) this.add(last.block, last.size);
      last = one;
    }
    if (last !== undefined) this.add(last.block, last.size);
    this.#unjoined = false;
  }
}
