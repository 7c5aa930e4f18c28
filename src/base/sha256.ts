// SHA-256 (FIPS 180-4), at once: the platform's own is a promise.

/** The first 32 bits of the fractional parts of the square roots (section 5.3.3) and cube roots (4.2.2) of the first primes. */
function constants(count: number, root: 2 | 3): Uint32Array {
  const found = new Uint32Array(count);
  for (let candidate = 2, i = 0; i < count; candidate++) {
    let prime = true;
    for (let by = 2; by * by <= candidate; by++) if (candidate % by === 0) prime = false;
    if (!prime) continue;
    found[i++] = fraction(BigInt(candidate), root);
  }
  return found;
}

/** The integer root of n * 2^(32 * root), without its integer part. */
function fraction(n: bigint, root: 2 | 3): number {
  const shifted = n << BigInt(32 * root);
  let [low, high] = [0n, 1n << 40n];
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** BigInt(root) <= shifted) low = middle;
    else high = middle;
  }
  return Number(BigInt.asUintN(32, low));
}

const INITIAL = constants(8, 2);
const ROUND = constants(64, 3);
const BLOCK = 64;

const rotate = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits));

function compress(state: Uint32Array, view: DataView, at: number, schedule: Uint32Array): void {
  for (let t = 0; t < 16; t++) schedule[t] = view.getUint32(at + 4 * t);
  for (let t = 16; t < 64; t++) {
    const [w15, w2] = [schedule[t - 15], schedule[t - 2]];
    const small0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    const small1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    schedule[t] = schedule[t - 16] + small0 + schedule[t - 7] + small1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t++) {
    const large1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const first = (h + large1 + ((e & f) ^ (~e & g)) + ROUND[t] + schedule[t]) | 0;
    const large0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const second = (large0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] += word;
  });
}

/** The digest of bytes, or of a text as UTF-8, in hexadecimal. */
export function sha256(data: Uint8Array | string): string {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / BLOCK) * BLOCK);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  const state = INITIAL.slice();
  const schedule = new Uint32Array(64);
  for (let at = 0; at < padded.length; at += BLOCK) compress(state, view, at, schedule);
  return [...state].map((word) => word.toString(16).padStart(8, '0')).join('');
}
