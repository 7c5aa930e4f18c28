// What a memory holds, in few pieces: runs of bytes between zeros, and rows of words that grow evenly (each element of an empty
// hash table has the address of its value).
import { concatBytes, utf8 } from '../base/bytes.ts';
import { Emitter } from '../compile/wasm/emitter.ts';
import { I32, I64, VOID } from '../compile/wasm/encoding.ts';
import type { ModuleBuilder } from '../compile/wasm/module.ts';
import { PAGE } from '../run/memory.ts';
import type { Memory } from '../spec/memory.ts';
import { sha256 } from './loader/check.ts';

const WORD = 8;
/** Zero words up to this many in a row stay within a run: a run of its own costs about as much. */
const SMALL_GAP = 2;
/** Words from which on a row of them is cheaper as code. */
const LEAST_SERIES = 16;

export interface Run {
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** 64-bit words `first`, `first + step`, ... at `at`, `at + stride`, ... */
export interface Series {
  readonly at: number;
  readonly stride: number;
  readonly count: number;
  readonly first: bigint;
  readonly step: bigint;
}

export interface Snapshot {
  readonly runs: readonly Run[];
  readonly series: readonly Series[];
}

/** All of a memory but its first page, which is nobody's. */
export function snapshotOf({ u8 }: Pick<Memory, 'u8'>): Snapshot {
  const words = new BigUint64Array(u8.buffer, u8.byteOffset, u8.length >>> 3);
  const used: number[] = [];
  for (let i = PAGE / WORD; i < words.length; i++) if (words[i] !== 0n) used.push(i);
  const runs: Run[] = [];
  const series: Series[] = [];
  let start = 0;
  const close = (end: number): void => {
    if (end > start)
      runs.push({ at: used[start] * WORD, bytes: u8.slice(used[start] * WORD, (used[end - 1] + 1) * WORD) });
  };
  for (let i = 0; i < used.length; ) {
    const count = evenly(used, words, i);
    if (count >= LEAST_SERIES) {
      close(i);
      const [a, b] = [used[i], used[i + 1]];
      series.push({ at: a * WORD, stride: (b - a) * WORD, count, first: words[a], step: words[b] - words[a] });
      i += count;
      start = i;
      continue;
    }
    if (i > start && used[i] - used[i - 1] - 1 > SMALL_GAP) {
      close(i);
      start = i;
    }
    i++;
  }
  close(used.length);
  return { runs, series };
}

/** How many words from index `from` on lie and grow evenly. */
function evenly(used: readonly number[], words: BigUint64Array, from: number): number {
  const [a, b] = [used[from], used[from + 1]];
  if (b === undefined) return 1;
  const stride = b - a;
  const step = words[b] - words[a];
  let at = from + 1;
  while (used[at + 1] - used[at] === stride && words[used[at + 1]] - words[used[at]] === step) at++;
  return at - from + 1;
}

/** Lets a module write what the memory holds when it is made ready. */
export function addSnapshot(builder: ModuleBuilder, { runs, series }: Snapshot): void {
  for (const { at, bytes } of runs) builder.data(at, bytes);
  if (series.length === 0) return;
  const e = new Emitter(0);
  const [address, value] = [e.local(I32), e.local(I64)];
  for (const { at, stride, count, first, step } of series) {
    e.i32(at).set(address).i64(first).set(value).loop(VOID);
    e.get(address).get(value).memory('i64.store').get(value).i64(step).op('i64.add').set(value);
    e.get(address).i32(stride).op('i32.add').tee(address);
    e.i32(at + stride * count)
      .op('i32.ne')
      .brIf(0)
      .op('end');
  }
  const index = builder.declare({ params: [], results: [] });
  builder.define(index, e.op('end'));
  builder.start(index);
}

/** SHA-256 of what a memory holds. */
export async function memoryDigest(memory: Pick<Memory, 'u8'>): Promise<string> {
  const { runs, series } = snapshotOf(memory);
  const index = {
    runs: runs.map(({ at, bytes }) => [at, bytes.length]),
    series: series.map(({ at, stride, count, first, step }) => [at, stride, count, `${first}`, `${step}`]),
  };
  return sha256(concatBytes([utf8(JSON.stringify(index)), ...runs.map(({ bytes }) => bytes)]));
}
