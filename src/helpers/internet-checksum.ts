// One's complement sums (RFC 1071) in the exact arithmetic of the kernel (include/net/checksum.h, lib/checksum.c): which of the
// two zeros (0 and all ones) comes out is visible to programs.

/** csum_add: 32-bit one's complement sum. */
export function add32(a: number, b: number): number {
  const sum = a + b;
  return sum > 0xffff_ffff ? sum - 0xffff_ffff : sum;
}

/** ~x for an unsigned 32-bit value. */
export const not32 = (value: number): number => ~value >>> 0;

/** csum_partial: adds 16-bit little-endian words (an odd last byte counts as the low half) to a 32-bit sum. */
export function partial(bytes: Uint8Array, seed: number): number {
  let sum = 0;
  const even = bytes.length & ~1;
  // 2^37 bytes would be needed to lose a bit of a double.
  for (let i = 0; i < even; i += 2) sum += bytes[i] | (bytes[i + 1] << 8);
  if (even < bytes.length) sum += bytes[even];
  while (sum > 0xffff_ffff) sum = (sum % 0x1_0000_0000) + Math.floor(sum / 0x1_0000_0000);
  return add32(sum, seed);
}

/** csum_from32to16: end-around carry, no complement. */
export function fold16(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** csum_fold: the checksum field for a 32-bit sum. */
export const fold = (sum: number): number => ~fold16(sum) & 0xffff;

/** csum16_add. */
const add16 = (a: number, b: number): number => {
  const sum = a + b;
  return (sum & 0xffff) + (sum >>> 16);
};

/** csum_replace2: a checksum field after a 16-bit word of what it covers changed. */
export const replace2 = (check: number, from: number, to: number): number =>
  ~add16(add16(~check & 0xffff, ~from & 0xffff), to) & 0xffff;

/** csum_replace4: the same for a 32-bit word. */
export const replace4 = (check: number, from: number, to: number): number =>
  fold(add32(add32(not32(check), not32(from)), to));

/** csum_replace_by_diff: the same for a difference that bpf_csum_diff gave. */
export const replaceByDifference = (check: number, difference: number): number => fold(add32(difference, not32(check)));

/** The checksum field (RFC 1071) for bytes, as a little-endian 16-bit value to store: 0 where the sum is already complete. */
export const checksum = (bytes: Uint8Array, seed = 0): number => fold(partial(bytes, seed));

/** The sum of what is added less what is taken away, as bpf_csum_diff (net/core/filter.c). */
export function checksumDifference(from: Uint8Array, to: Uint8Array, seed: number): number {
  if (from.length > 0 && to.length > 0) return fold16(add32(partial(to, seed), not32(partial(from, 0))));
  if (to.length > 0) return fold16(partial(to, seed));
  if (from.length > 0) return fold16(not32(partial(from, not32(seed))));
  return fold16(seed);
}
