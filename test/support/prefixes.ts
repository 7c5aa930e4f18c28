// Prefixes for tests of LPM tries, and what the trie must answer: a list, searched from end to end.
import { toHex } from '../../src/base/bytes.ts';

export interface Prefix {
  readonly bits: number;
  readonly data: Uint8Array;
}

/** Numbers below a limit, the same for the same seed. */
export function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The key that names a prefix in a map. */
export function prefixKey({ bits, data }: Prefix): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(4 + data.length);
  new DataView(key.buffer).setUint32(0, bits, true);
  key.set(data, 4);
  return key;
}

/** The data with all bits after the first `bits` 0. */
const masked = ({ bits, data }: Prefix): Uint8Array =>
  data.map((byte, at) => byte & (0xff00 >> Math.max(0, Math.min(8, bits - 8 * at))) & 0xff);

function covers({ bits, data }: Prefix, key: Uint8Array): boolean {
  const whole = bits >>> 3;
  for (let at = 0; at < whole; at++) if (data[at] !== key[at]) return false;
  return (bits & 7) === 0 || (data[whole] ^ key[whole]) >>> (8 - (bits & 7)) === 0;
}

export class PrefixList {
  readonly #bytes: number;
  readonly #entries = new Map<string, { readonly prefix: Prefix; readonly value: number }>();

  /** @param bytes of the data of a key */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Any prefix, often one that shares much with another: its first bytes come from few, and it often ends at a byte. */
  random(random: (below: number) => number): Prefix {
    const common = random(this.#bytes + 1);
    const data = Uint8Array.from({ length: this.#bytes }, (_, at) =>
      at < common ? 0x20 + (random(8) >>> 2) : random(256),
    );
    const bits = random(3) === 0 ? 8 * random(this.#bytes + 1) : random(8 * this.#bytes + 1);
    return { bits, data };
  }

  /** One of the list, or where it is empty none of it. */
  pick(random: (below: number) => number): Prefix {
    return this.prefixes()[random(this.#entries.size)] ?? this.random(random);
  }

  prefixes(): Prefix[] {
    return [...this.#entries.values()].map(({ prefix }) => prefix);
  }

  set(prefix: Prefix, value: number): void {
    this.#entries.set(this.#name(prefix), { prefix, value });
  }

  delete(prefix: Prefix): boolean {
    return this.#entries.delete(this.#name(prefix));
  }

  /** Value of the longest prefix that all of `key` has, no longer than the key. */
  longest(key: Prefix): number | undefined {
    let best = -1;
    let found: number | undefined;
    for (const { prefix, value } of this.#entries.values()) {
      if (prefix.bits <= best || prefix.bits > key.bits || !covers(prefix, key.data)) continue;
      best = prefix.bits;
      found = value;
    }
    return found;
  }

  #name(prefix: Prefix): string {
    return `${prefix.bits} ${toHex(masked(prefix))}`;
  }
}
