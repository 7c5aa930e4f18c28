// Accesses to memory that threads share, each of them at once and in order: more than a plain load or store promises, and all that
// an atomic operation, a load-acquire or a store-release does.
import type { AccessSize } from '../../isa/reference.ts';
import type { Address, Memory } from '../../spec/memory.ts';

/** All addresses are multiples of the size. */
export class SharedWords {
  readonly #narrow: { readonly [S in Exclude<AccessSize, 8>]: Uint8Array | Uint16Array | Uint32Array };
  readonly #wide: BigUint64Array;

  /** @param memory shared, and so of one size for ever */
  constructor({ u8: { buffer } }: Memory) {
    this.#narrow = { 1: new Uint8Array(buffer), 2: new Uint16Array(buffer), 4: new Uint32Array(buffer) };
    this.#wide = new BigUint64Array(buffer);
  }

  load(at: Address, size: AccessSize): bigint {
    if (size === 8) return Atomics.load(this.#wide, at / 8);
    return BigInt(Atomics.load(this.#narrow[size], at / size));
  }

  store(at: Address, size: AccessSize, value: bigint): void {
    if (size === 8) Atomics.store(this.#wide, at / 8, value);
    else Atomics.store(this.#narrow[size], at / size, Number(value));
  }

  /** Replaces the value by what `update` makes of it; gives the old one. */
  update(at: Address, size: AccessSize, update: (old: bigint) => bigint): bigint {
    for (;;) {
      const old = this.load(at, size);
      if (this.#exchange(at, size, old, update(old))) return old;
    }
  }

  #exchange(at: Address, size: AccessSize, old: bigint, value: bigint): boolean {
    if (size === 8) return Atomics.compareExchange(this.#wide, at / 8, old, value) === old;
    return Atomics.compareExchange(this.#narrow[size], at / size, Number(old), Number(value)) === Number(old);
  }
}
