// Integers of any width at any bit of a value, in either byte order.
import type { Endian } from '../base/bytes.ts';
import type { BtfComposite, BtfMember, BtfType } from './format.ts';

/** A run of bits in a value. In big-endian BTF bit 0 is the most significant bit of the first byte. */
export interface BitRange {
  readonly offset: number;
  readonly bits: number;
}

/** The bytes that a range touches, and how far its lowest bit is from the lowest bit of their number. */
function cover({ offset, bits }: BitRange, endian: Endian): { first: number; count: number; shift: bigint } {
  const first = Math.floor(offset / 8);
  const count = Math.ceil((offset + bits) / 8) - first;
  const lead = offset - first * 8;
  return { first, count, shift: BigInt(endian === 'little' ? lead : count * 8 - lead - bits) };
}

/** Bytes after `first + count` as one number. */
function readNumber(bytes: Uint8Array, first: number, count: number, endian: Endian): bigint {
  let value = 0n;
  for (let i = 0; i < count; i++) {
    value = (value << 8n) | BigInt(bytes[endian === 'little' ? first + count - 1 - i : first + i]);
  }
  return value;
}

/** The unsigned value of the bits. The range must lie inside the bytes. */
export function readBits(bytes: Uint8Array, range: BitRange, endian: Endian): bigint {
  const { first, count, shift } = cover(range, endian);
  return BigInt.asUintN(range.bits, readNumber(bytes, first, count, endian) >> shift);
}

/** Overwrites the bits, and only them. The range must lie inside the bytes. */
export function writeBits(bytes: Uint8Array, range: BitRange, value: bigint, endian: Endian): void {
  const { first, count, shift } = cover(range, endian);
  const mask = ((1n << BigInt(range.bits)) - 1n) << shift;
  let all = (readNumber(bytes, first, count, endian) & ~mask) | ((value << shift) & mask);
  for (let i = 0; i < count; i++) {
    bytes[endian === 'little' ? first + i : first + count - 1 - i] = Number(all & 0xffn);
    all >>= 8n;
  }
}

/**
 * Where a member that is a bitfield stands, undefined for ordinary ones. Structs without kind_flag say it in the
 * member's integer type.
 */
export function bitfieldOf(owner: BtfComposite, member: BtfMember, type: BtfType): BitRange | undefined {
  if (member.bitSize > 0) return { offset: member.bitOffset, bits: member.bitSize };
  if (owner.kindFlag || type.kind !== 'int') return undefined;
  const isWhole = type.offset === 0 && type.bits === type.size * 8 && member.bitOffset % 8 === 0;
  return isWhole ? undefined : { offset: member.bitOffset + type.offset, bits: type.bits };
}
