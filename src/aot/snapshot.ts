// What a memory holds, as few pieces: runs of bytes between zeros.
import { concatBytes, utf8 } from '../base/bytes.ts';
import { PAGE } from '../run/memory.ts';
import type { Memory } from '../spec/memory.ts';
import { sha256 } from './loader/check.ts';

/** Zeros up to this many in a row stay within a run: a run of its own costs about as much. */
const SMALL_GAP = 16;

export interface Run {
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The bytes of a range that are not zero; `from` and `to` are multiples of 8. */
export function runsOf(memory: Uint8Array, from: number, to: number): Run[] {
  const words = new BigUint64Array(memory.buffer, memory.byteOffset + from, (to - from) >>> 3);
  const runs: Run[] = [];
  let start = -1;
  let last = -1;
  const close = (): void => {
    if (start < 0) return;
    const at = from + start * 8;
    runs.push({ at, bytes: memory.slice(at, from + (last + 1) * 8) });
  };
  for (let i = 0; i < words.length; i++) {
    if (words[i] === 0n) continue;
    if (start < 0 || (i - last - 1) * 8 > SMALL_GAP) {
      close();
      start = i;
    }
    last = i;
  }
  close();
  return runs;
}

/** SHA-256 of what a memory holds: where its runs are, and their bytes. */
export async function memoryDigest({ u8 }: Pick<Memory, 'u8'>): Promise<string> {
  const runs = runsOf(u8, PAGE, u8.length);
  const index = utf8(JSON.stringify(runs.map(({ at, bytes }) => [at, bytes.length])));
  return sha256(concatBytes([index, ...runs.map(({ bytes }) => bytes)]));
}
