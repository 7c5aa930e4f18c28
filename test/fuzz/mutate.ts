// Mutations of binary inputs: some blind, some at the places where a format keeps its offsets, sizes and counts.
import { concatBytes } from '../../src/base/bytes.ts';
import { readElfSections } from '../../src/elf/read.ts';
import type { Random } from '../support/random.ts';

/** A whole input, and the offsets of fields in it that are worth an extreme value. */
export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly fields: readonly number[];
}

const EXTREMES = [0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];

const every = (start: number, end: number, step: number): number[] =>
  Array.from({ length: Math.max(0, Math.floor((end - start) / step)) }, (_, i) => start + i * step);

/** Header, section header table, and the beginnings of sections (headers of .BTF and .BTF.ext, symbols, relocations). */
export function elfSeed(name: string, bytes: Uint8Array): Seed {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = bytes[5] === 1;
  const table = Number(view.getBigUint64(40, little));
  const count = view.getUint16(60, little);
  const sections = readElfSections(bytes).sections;
  return {
    name,
    bytes,
    fields: [
      ...every(4, 64, 2),
      ...every(table, Math.min(bytes.length, table + 64 * count), 4),
      ...sections.flatMap((s) => (s.data.length === 0 ? [] : every(s.offset, s.offset + Math.min(s.size, 96), 4))),
    ],
  };
}

/** The header, and every word of the type part. */
export function btfSeed(name: string, bytes: Uint8Array): Seed {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = bytes[0] === 0x9f;
  const start = view.getUint32(4, little) + view.getUint32(8, little);
  const end = start + view.getUint32(12, little);
  return { name, bytes, fields: [...every(0, 24, 4), ...every(start, Math.min(end, bytes.length), 4)] };
}

/** Captures are made of words throughout; the first ones matter most. */
export const captureSeed = (name: string, bytes: Uint8Array): Seed => ({
  name,
  bytes,
  fields: [...every(0, 64, 2), ...every(0, 64, 4), ...every(0, bytes.length, 4)],
});

type Mutation = (bytes: Uint8Array, seed: Seed, random: Random, other: Seed) => Uint8Array;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function extremeAt(bytes: Uint8Array, at: number, random: Random): Uint8Array {
  const size = random.pick([1, 2, 4, 4, 8]);
  if (at + size > bytes.length) return bytes;
  const view = viewOf(bytes);
  const low = random.chance(0.7) ? random.pick(EXTREMES) : random.u32();
  const little = random.chance(0.8);
  if (size === 1) bytes[at] = low;
  else if (size === 2) view.setUint16(at, low & 0xffff, little);
  else view.setUint32(at, low, little);
  if (size === 8) view.setUint32(at + 4, random.chance(0.5) ? 0 : random.pick(EXTREMES), little);
  return bytes;
}

/** Near what is there: one more or less, twice, half. */
function nudgeAt(bytes: Uint8Array, at: number, random: Random): Uint8Array {
  if (at + 4 > bytes.length) return bytes;
  const view = viewOf(bytes);
  const old = view.getUint32(at, true);
  view.setUint32(at, random.pick([old + 1, old - 1, old * 2, old >>> 1, old + 4, old + 8, old ^ 0x80]) >>> 0, true);
  return bytes;
}

const MUTATIONS: readonly { readonly weight: number; readonly apply: Mutation }[] = [
  {
    weight: 3,
    apply: (bytes, _seed, random) => {
      for (let i = random.below(8); i >= 0; i--) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
      return bytes;
    },
  },
  { weight: 6, apply: (bytes, seed, random) => extremeAt(bytes, random.pick(seed.fields), random) },
  { weight: 5, apply: (bytes, seed, random) => nudgeAt(bytes, random.pick(seed.fields), random) },
  { weight: 2, apply: (bytes, _seed, random) => extremeAt(bytes, random.below(bytes.length), random) },
  { weight: 1, apply: (bytes, _seed, random) => bytes.slice(0, random.below(bytes.length + 1)) },
  {
    weight: 2,
    apply: (bytes, _seed, random) => {
      const size = 1 + random.below(Math.min(256, bytes.length));
      const from = random.below(bytes.length - size + 1);
      bytes.copyWithin(random.below(bytes.length - size + 1), from, from + size);
      return bytes;
    },
  },
  {
    weight: 1,
    apply: (bytes, _seed, random, other) => {
      const cut = random.below(bytes.length + 1);
      return concatBytes([bytes.subarray(0, cut), other.bytes.subarray(random.below(other.bytes.length + 1))]);
    },
  },
  {
    // A field that holds what another one holds: sizes become offsets, links lead in circles.
    weight: 2,
    apply: (bytes, seed, random) => {
      const from = random.pick(seed.fields);
      const to = random.pick(seed.fields);
      if (Math.max(from, to) + 4 <= bytes.length) bytes.copyWithin(to, from, from + 4);
      return bytes;
    },
  },
];
const BAG = MUTATIONS.flatMap(({ weight, apply }) => Array.from({ length: weight }, () => apply));

/** One to four mutations of a seed; the seed is not changed. */
export function mutate(seed: Seed, seeds: readonly Seed[], random: Random): Uint8Array {
  let bytes: Uint8Array = seed.bytes.slice();
  for (let i = random.below(4); i >= 0 && bytes.length > 0; i--)
    bytes = random.pick(BAG)(bytes, seed, random, random.pick(seeds));
  return bytes;
}
