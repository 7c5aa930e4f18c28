// Damaged BTF must give only the project's own errors, and each answer in time: decoding, and everything that reads on.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { checkBtf } from '../../src/btf/check.ts';
import { relocateCore } from '../../src/btf/core.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import { decodeBtfExt } from '../../src/btf/ext.ts';
import { formatC } from '../../src/btf/format-c.ts';
import { formatRaw } from '../../src/btf/format-raw.ts';
import { formatValue } from '../../src/btf/format-value.ts';
import { declTags } from '../../src/btf/tags.ts';
import { decodeValue, encodeValue } from '../../src/btf/value.ts';
import { sectionByName } from '../../src/elf/lookup.ts';
import { readElf } from '../../src/elf/read.ts';
import { exampleObjects } from '../elf/objects.ts';
import { btfOf } from './arbitrary.ts';

const seeds = exampleObjects().flatMap(({ bytes, name }) => {
  const file = readElf(bytes);
  const [types, ext] = [sectionByName(file, '.BTF'), sectionByName(file, '.BTF.ext')];
  if (types === undefined || ext === undefined) return [];
  const btf = decodeBtf(types.data);
  const other = encodeBtf(
    [...btf.types()].map(([, type]) => type),
    { endian: 'big' },
  );
  return [
    { name, types: types.data, ext: ext.data, btf },
    { name: `${name}, big-endian`, types: other, ext: ext.data, btf },
  ];
});

/** Milliseconds that the longest single question took. */
let slowest = 0;

/** Runs it; its own errors are what it is for. */
function attempt<T>(act: () => T): T | undefined {
  const start = performance.now();
  try {
    return act();
  } catch (error) {
    if (error instanceof AnyBpfError) return undefined;
    throw error;
  } finally {
    slowest = Math.max(slowest, performance.now() - start);
  }
}

const damage = fc.array(
  fc.tuple(
    fc.nat({ max: 999_999 }).map((n) => n / 1_000_000),
    fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff)),
  ),
  { minLength: 1, maxLength: 10 },
);

function damaged(bytes: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array {
  const out = bytes.slice();
  for (const [at, value] of changes) out[Math.floor(at * out.length)] = value;
  return out;
}

/** Everything that can be asked of types. */
function readAll(bytes: Uint8Array): boolean {
  const btf = attempt(() => decodeBtf(bytes));
  if (btf === undefined) return false;
  attempt(() => formatRaw(btf));
  attempt(() => formatC(btf));
  attempt(() => checkBtf(btf));
  attempt(() => encodeBtf([...btf.types()].map(([, type]) => type)));
  const value = new Uint8Array(64);
  for (let id = 0; id < btf.count; id++) {
    attempt(() => btf.alignOf(id));
    attempt(() => encodeValue(btf, id, decodeValue(btf, id, value)));
    attempt(() => formatValue(btf, id, value));
    attempt(() => declTags(btf, id));
    attempt(() => relocateCore(btf, { offset: 0, typeId: id, access: '0:0', kind: 'field_byte_offset' }, [btf]));
    attempt(() => relocateCore(btf, { offset: 0, typeId: id, access: '0', kind: 'type_matches' }, [btf]));
  }
  return true;
}

describe('damaged BTF', () => {
  it('gives only errors of its own, each answer within a second', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.constantFrom(...seeds), damage, (seed, changes) => {
        if (readAll(damaged(seed.types, changes))) read++;
      }),
      { numRuns: 300 },
    );
    expect(read).toBeGreaterThan(20);
    expect(slowest).toBeLessThan(1000);
  });

  it('gives only errors of its own in .BTF.ext', () => {
    fc.assert(
      fc.property(fc.constantFrom(...seeds), damage, (seed, changes) => {
        attempt(() => decodeBtfExt(damaged(seed.ext, changes), seed.btf));
      }),
      { numRuns: 600 },
    );
  });

  it('ends where unions hold themselves twice at each of 30 levels', () => {
    const levels = 30;
    const btf = btfOf([
      { kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 },
      ...Array.from({ length: levels }, (_, i) => ({
        kind: 'union' as const,
        name: `u${i}`,
        size: 4,
        kindFlag: false,
        members: ['a', 'b'].map((name) => ({ name, type: i + 1, bitOffset: 0, bitSize: 0 })),
      })),
    ]);
    const start = performance.now();
    expect(() => decodeValue(btf, levels + 1, new Uint8Array(4))).toThrow(
      expect.objectContaining({ code: 'btf/value' }),
    );
    expect(() => formatValue(btf, levels + 1, new Uint8Array(4))).toThrow(
      expect.objectContaining({ code: 'btf/value' }),
    );
    expect(btf.alignOf(levels + 1)).toBe(4);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
