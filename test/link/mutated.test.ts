// A few hundred slightly damaged objects on every run: a spec or a typed error, at once. The long form is test/fuzz.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { linkObject } from '../../src/link/link.ts';
import { Random } from '../support/random.ts';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';

const EXTREMES = [0, 1, 2, 7, 8, 0x7f, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/** One to four changes: random bytes, extreme 32-bit words, moved pieces, a cut end; the ELF header more often. */
function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let out = bytes.slice();
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.chance(0.1) ? random.below(64) : random.below(out.length);
    const view = new DataView(out.buffer);
    switch (random.below(8)) {
      case 0:
        out = out.slice(0, at + 1);
        break;
      case 1:
        out.copyWithin(at, random.below(out.length), random.below(out.length));
        break;
      case 2:
      case 3:
      case 4:
        if (at + 4 <= out.length) view.setUint32(at & ~3, random.pick(EXTREMES), true);
        break;
      default:
        out[at] = random.u32() & 0xff;
    }
  }
  return out;
}

/** The examples of the project, and the outside objects below 200 kB where they are there. */
function inputs(): Uint8Array[] {
  const folders = [path.join(PROJECT_ROOT, 'examples')];
  for (const name of ['objects', 'elf-fixtures'] as const) {
    const folder = corpusFolder(name);
    if ('path' in folder) folders.push(folder.path);
  }
  const files = folders.flatMap((f) => ['.o', '.elf'].flatMap((end) => filesBelow(f, end).map((x) => path.join(f, x))));
  return files.map((f) => new Uint8Array(readFileSync(f))).filter((bytes) => bytes.length < 200_000);
}

it('links or refuses mutated objects, and nothing else', () => {
  const objects = inputs();
  const seed = Date.now() % 2 ** 31;
  let refused = 0;
  for (let i = 0; i < 600; i++) {
    const random = new Random(seed + i);
    const bytes = mutate(random.pick(objects), random);
    const start = performance.now();
    try {
      linkObject(bytes);
    } catch (error) {
      expect(error, `seed ${seed + i}: ${error instanceof Error ? error.stack : error}`).toBeInstanceOf(AnyBpfError);
      refused++;
    }
    expect(performance.now() - start, `seed ${seed + i}`).toBeLessThan(1000);
  }
  expect(refused).toBeGreaterThan(50);
});
