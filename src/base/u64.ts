// 64-bit values are bigint at every public edge; these are the conversions and constants used everywhere.

export const U32_MAX = 0xffff_ffffn;

/** The value modulo 2^64, as an unsigned number. */
export const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
/** The low 64 bits read as two's complement. */
export const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);
/** The value modulo 2^32, as an unsigned bigint. */
export const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);
/** The low 32 bits read as two's complement. */
export const s32 = (value: bigint): bigint => BigInt.asIntN(32, value);
/** A number (possibly a negative errno) as a 64-bit register value. */
export const fromNumber = (value: number): bigint => BigInt.asUintN(64, BigInt(value));
/** `0x…` with lower-case digits, no padding. */
export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
