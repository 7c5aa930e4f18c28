// xoshiro128** 1.1 (Blackman and Vigna), seeded by SplitMix32: small, well known, the same everywhere.

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

/** A generator of unsigned 32-bit numbers that depend on the seed only. */
export function seededRandom(seed: number): () => number {
  let split = seed | 0;
  const next = (): number => {
    split = (split + 0x9e37_79b9) | 0;
    let z = split;
    z = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
    return z ^ (z >>> 15);
  };
  let [a, b, c, d] = [next(), next(), next(), next()];
  return () => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result >>> 0;
  };
}
