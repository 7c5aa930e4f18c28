// Generated codecs beside the general decoder of BTF values, over keys, values and globals of the examples and the corpus.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { Btf } from '../../src/btf/btf.ts';
import { type BtfValue, decodeValue } from '../../src/btf/value.ts';
import { linkObject } from '../../src/link/link.ts';
import { type Codec, decode, encode } from '../../src/skeleton/codec.ts';
import { generateSkeleton } from '../../src/skeleton/generate/file.ts';
import type { Skeleton } from '../../src/skeleton/skeleton.ts';
import type { Session } from '../../src/spec/session.ts';
import { Random } from '../support/random.ts';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';
import { importSkeleton } from './support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-skeleton-'));
afterAll(() => rmSync(folder, { recursive: true }));

const EXAMPLES = path.join(PROJECT_ROOT, 'examples');
const corpus = corpusFolder();
const objects = [
  ...filesBelow(EXAMPLES, '.bpf.o').map((file) => path.join(EXAMPLES, file)),
  ...('path' in corpus ? filesBelow(corpus.path, '.o').map((file) => path.join(corpus.path, file)) : []),
];

/** Where the two say the same thing in different words: text that ends early, arrays of bytes, booleans other than 0 and 1. */
function same(ours: unknown, theirs: BtfValue): boolean {
  if (ours instanceof Uint8Array)
    return typeof theirs === 'object' && JSON.stringify(Array.from(ours)) === JSON.stringify(theirs);
  if (typeof ours === 'string' && typeof theirs === 'object') return true;
  if (typeof ours === 'boolean') return ours === Boolean(theirs);
  if (Array.isArray(ours))
    return Array.isArray(theirs) && ours.length === theirs.length && ours.every((part, i) => same(part, theirs[i]));
  if (typeof ours === 'object' && ours !== null) {
    const other = theirs as { readonly [name: string]: BtfValue };
    return (
      JSON.stringify(Object.keys(ours)) === JSON.stringify(Object.keys(other)) &&
      Object.entries(ours).every(([name, part]) => same(part, other[name]))
    );
  }
  return Object.is(ours, theirs);
}

function compare(btf: Btf, typeId: number, codec: Codec<unknown>, random: (size: number) => Uint8Array): void {
  for (const bytes of [new Uint8Array(codec.size), random(codec.size), random(codec.size)]) {
    const ours = decode(codec, bytes);
    const theirs = decodeValue(btf, typeId, bytes);
    expect(same(ours, theirs), `${btf.nameOf(typeId)} (${typeId})`).toBe(true);
    // Encoding what was decoded: what the type names is as before.
    expect(decode(codec, encode(codec, ours))).toEqual(ours);
  }
}

it(`says what BTF says${'reason' in corpus ? ` (examples only: ${corpus.reason})` : ''}`, async () => {
  let compared = 0;
  const source = new Random(5);
  const random = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => source.u32() & 0xff);
  for (const [i, file] of objects.entries()) {
    const bytes = new Uint8Array(readFileSync(file));
    let text: string;
    try {
      text = await generateSkeleton(bytes, { file, producer: 'a test', embed: false, name: 'it' });
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      continue;
    }
    const spec = linkObject(bytes, { name: file });
    if (spec.btf === undefined) continue;
    const module = await importSkeleton(text, folder, `object${i}`);
    const { rows } = module.it as Skeleton<{}, Record<string, never>, Record<string, never>>;
    for (const map of spec.maps) {
      if (map.kind !== 'map') continue;
      const row = rows.maps[map.name] as { open(session: Session, name: string, fd: undefined): object };
      const { key, value } = row.open({} as Session, map.name, undefined) as { [part: string]: Codec<unknown> };
      for (const [codec, id, size] of [
        [key, map.keyTypeId, map.keySize],
        [value, map.valueTypeId, map.valueSize],
      ] as const) {
        if (codec === undefined) continue;
        expect(codec.size).toBe(size);
        if (id === undefined || id === 0 || spec.btf.sizeOf(id) !== size) continue;
        compare(spec.btf, id, codec, random);
        compared++;
      }
    }
  }
  expect(compared).toBeGreaterThanOrEqual('path' in corpus ? 300 : 8);
});
