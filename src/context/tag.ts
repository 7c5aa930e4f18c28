// The tag of a program: the first eight bytes of a digest of its instructions without the handles of maps (kernel/bpf/core.c:
// bpf_prog_calc_tag). The digest is SHA-256 since Linux 6.18, whose tags these are; before it was SHA-1. WebCrypto's digest answers
// later, which a load cannot wait for; so SHA-256 stands here (FIPS 180-4, section 6.2).
import { toHex } from '../base/bytes.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import { WIDE_OPCODE } from '../isa/opcodes.ts';

const BLOCK = 64;
const ROUNDS = 64;
const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

/** The first primes; their roots' fractions are the constants of the rounds and the words that a digest begins with. */
function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}
const fraction = (root: number): number => Math.trunc((root % 1) * 2 ** 32) | 0;
const CONSTANTS = primes(ROUNDS).map((prime) => fraction(Math.cbrt(prime)));
const BEGINNING = primes(8).map((prime) => fraction(Math.sqrt(prime)));

/** SHA-256, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / BLOCK) * BLOCK);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  const hash = Int32Array.from(BEGINNING);
  const words = new Int32Array(ROUNDS);
  for (let at = 0; at < padded.length; at += BLOCK) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(at + i * 4);
    for (let i = 16; i < ROUNDS; i++)
      words[i] = words[i - 16] + small(words[i - 15], 7, 18, 3) + words[i - 7] + small(words[i - 2], 17, 19, 10);
    mix(hash, words);
  }
  const digest = new DataView(new ArrayBuffer(32));
  hash.forEach((word, i) => digest.setInt32(i * 4, word));
  return new Uint8Array(digest.buffer);
}

const small = (word: number, first: number, second: number, shift: number): number =>
  rotate(word, first) ^ rotate(word, second) ^ (word >>> shift);
const large = (word: number, first: number, second: number, third: number): number =>
  rotate(word, first) ^ rotate(word, second) ^ rotate(word, third);

function mix(hash: Int32Array, words: Int32Array): void {
  let [a, b, c, d, e, f, g, h] = hash;
  for (let i = 0; i < ROUNDS; i++) {
    const first = h + large(e, 6, 11, 25) + ((e & f) ^ (~e & g)) + CONSTANTS[i] + words[i];
    const second = large(a, 2, 13, 22) + ((a & b) ^ (a & c) ^ (b & c));
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    hash[i] += word;
  });
}

/** RFC 9669's forms of map references in a ProgramSpec, and the kernel's pseudo sources in their place. */
const KERNEL_SOURCE: { readonly [source: number]: number } = { 5: 1, 6: 2 };

/**
 * The instructions with other numbers at their references to maps, as the kernel shows them: BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE.
 * @param code of a ProgramSpec
 * @param number for the map with this index; 0 and no offset into its value without it
 */
export function kernelCode(code: Uint8Array, number?: (map: number) => number): Uint8Array {
  const shown = code.slice();
  const view = new DataView(shown.buffer);
  for (let at = 0; at < shown.length; at += SLOT_SIZE) {
    if (shown[at] !== WIDE_OPCODE) continue;
    const source = KERNEL_SOURCE[shown[at + 1] >> 4];
    if (source !== undefined) {
      shown[at + 1] = (shown[at + 1] & 0xf) | (source << 4);
      view.setUint32(at + 4, number?.(view.getUint32(at + 4, true)) ?? 0, true);
      if (number === undefined) view.setUint32(at + SLOT_SIZE + 4, 0, true);
    }
    at += SLOT_SIZE;
  }
  return shown;
}

/** Indices of the maps that the code refers to, in the order of their first use. */
export function usedMaps(code: Uint8Array): number[] {
  const used = new Set<number>();
  kernelCode(code, (map) => {
    used.add(map);
    return 0;
  });
  return [...used];
}

/** 16 hexadecimal digits. */
export const programTag = (code: Uint8Array): string => toHex(sha256(kernelCode(code)).subarray(0, 8));
