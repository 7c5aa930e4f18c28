// The tag of a program: the first eight bytes of the SHA-1 of its instructions, without the handles of maps (kernel/bpf/core.c:
// bpf_prog_calc_tag). WebCrypto's digest answers later, which a load cannot wait for; so SHA-1 stands here (FIPS 180-4, section 6.1).
import { toHex } from '../base/bytes.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import { WIDE_OPCODE } from '../isa/opcodes.ts';

const BLOCK = 64;
const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** Function and constant of each twenty rounds. */
const ROUNDS: readonly (readonly [mix: (b: number, c: number, d: number) => number, constant: number])[] = [
  [(b, c, d) => (b & c) | (~b & d), 0x5a827999],
  [(b, c, d) => b ^ c ^ d, 0x6ed9eba1],
  [(b, c, d) => (b & c) | (b & d) | (c & d), 0x8f1bbcdc],
  [(b, c, d) => b ^ c ^ d, 0xca62c1d6],
];

/** SHA-1, 20 bytes. */
export function sha1(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / BLOCK) * BLOCK);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  const hash = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const words = new Int32Array(80);
  for (let at = 0; at < padded.length; at += BLOCK) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(at + i * 4);
    for (let i = 16; i < 80; i++) words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    let [a, b, c, d, e] = hash;
    for (let i = 0; i < 80; i++) {
      const [mix, constant] = ROUNDS[Math.trunc(i / 20)];
      const next = (rotate(a, 5) + mix(b, c, d) + e + words[i] + constant) | 0;
      [a, b, c, d, e] = [next, a, rotate(b, 30), c, d];
    }
    [a, b, c, d, e].forEach((word, i) => {
      hash[i] += word;
    });
  }
  const digest = new DataView(new ArrayBuffer(20));
  hash.forEach((word, i) => digest.setInt32(i * 4, word));
  return new Uint8Array(digest.buffer);
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
export const programTag = (code: Uint8Array): string => toHex(sha1(kernelCode(code)).subarray(0, 8));
