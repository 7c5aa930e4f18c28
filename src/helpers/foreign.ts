// Reads at addresses that no verifier has checked: the program's own memory where the address is there, else the host's.
import { U32_MAX } from '../base/u64.ts';
import type { HelperEnv } from '../spec/helper.ts';

/** Which address space an address belongs to; `any` decides by the address, as Linux's old probe_read helpers do. */
export type Space = 'kernel' | 'user' | 'any';

/** TASK_SIZE_MAX on x86-64: user addresses are below. */
const USER_LIMIT = 1n << 47n;

/** The bytes at an address, or undefined where they cannot all be read. */
export function readForeign(env: HelperEnv, address: bigint, size: number, space: Space): Uint8Array | undefined {
  if (size === 0) return new Uint8Array(0);
  if (address <= U32_MAX && env.memory.accessible(Number(address), size, false)) {
    return env.memory.u8.slice(Number(address), Number(address) + size);
  }
  return env.host.readForeign(address, size, space === 'any' ? (address < USER_LIMIT ? 'user' : 'kernel') : space);
}

/** Strings are read in pieces that do not cross this boundary, so that a string at the end of a page can be read. */
const PIECE = 64;

/**
 * A NUL-terminated string of fewer than `limit` bytes with its NUL, or its first `limit` bytes where no NUL is among them.
 * Undefined where a byte before the NUL cannot be read.
 */
export function readForeignString(env: HelperEnv, from: bigint, limit: number, space: Space): Uint8Array | undefined {
  const bytes: number[] = [];
  let address = from;
  while (bytes.length < limit) {
    const room = Math.min(PIECE - Number(address % BigInt(PIECE)), limit - bytes.length);
    let piece = readForeign(env, address, room, space);
    // The region or mapping may end within the piece.
    piece ??= readForeign(env, address, 1, space);
    if (piece === undefined) return undefined;
    for (const byte of piece) {
      bytes.push(byte);
      if (byte === 0) return Uint8Array.from(bytes);
    }
    address += BigInt(piece.length);
  }
  return Uint8Array.from(bytes);
}
