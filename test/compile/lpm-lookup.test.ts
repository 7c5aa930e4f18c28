// Lookups in LPM tries that are compiled, against the list of prefixes that the other engines are held to.
import { describe, expect, test } from 'vitest';
import { loadText, mapSpec } from '../run/support.ts';
import { generator, PrefixList, prefixKey } from '../support/prefixes.ts';

/** The value of the key that `keys` holds, or -1. */
const TEXT = `*(u32 *)(r10 - 4) = 0
r2 = r10
r2 += -4
r1 = map[keys] ll
call bpf_map_lookup_elem
if r0 == 0 goto none
r2 = r0
r1 = map[prefixes] ll
call bpf_map_lookup_elem
if r0 == 0 goto none
r0 = *(u32 *)(r0 + 0)
exit
none: r0 = -1
exit`;

const NONE = 0xffff_ffff;

describe.each([
  { engine: 'reference', trusted: false },
  { engine: 'compile', trusted: false },
  { engine: 'compile', trusted: true },
] as const)('$engine, trusted: $trusted', (options) => {
  test.each([1, 2, 3, 4, 5, 7, 8, 16, 33, 60, 100])('keys of %i bytes', (bytes) => {
    const maps = [
      mapSpec('keys', 'array', { valueSize: 4 + bytes, maxEntries: 1 }),
      mapSpec('prefixes', 'lpm_trie', { keySize: 4 + bytes, maxEntries: 2000, flags: 1 }),
    ];
    using object = loadText('xdp', TEXT, { maps, options });
    const [keys, prefixes] = [object.map('keys'), object.map('prefixes')];
    const program = object.program();
    const data = new Uint8Array(64);
    const model = new PrefixList(bytes);
    const random = generator(bytes);
    const ask = (bits: number): void => {
      const key = { bits, data: model.random(random).data };
      keys.set(0, prefixKey(key));
      const expected = bits > bytes * 8 ? NONE : (model.longest(key) ?? NONE);
      expect(program.run({ data }).retval >>> 0).toBe(expected);
    };
    ask(bytes * 8);
    for (let i = 0; i < 800; i++) {
      const prefix = model.random(random);
      prefixes.set(prefixKey(prefix), i);
      model.set(prefix, i);
      if (i % 3 === 0) {
        const gone = model.pick(random);
        prefixes.delete(prefixKey(gone));
        model.delete(gone);
      }
      ask(bytes * 8);
      if (i % 4 === 0) ask(random(bytes * 8 + 3));
    }
    for (const gone of model.prefixes()) {
      prefixes.delete(prefixKey(gone));
      model.delete(gone);
      if (random(8) === 0) ask(bytes * 8);
    }
  });
});

describe.each(['reference', 'compile'] as const)('%s: few prefixes below each slot of a table', (engine) => {
  /** Two bytes that tell 256 groups apart, then zeros but for the last bytes: five prefixes a group, the longer the later. */
  test.each([4, 8, 16, 24, 60])('keys of %i bytes', (bytes) => {
    const maps = [
      mapSpec('keys', 'array', { valueSize: 4 + bytes, maxEntries: 1 }),
      mapSpec('prefixes', 'lpm_trie', { keySize: 4 + bytes, maxEntries: 2000, flags: 1 }),
    ];
    using object = loadText('xdp', TEXT, { maps, options: { engine, trusted: true } });
    const [keys, prefixes] = [object.map('keys'), object.map('prefixes')];
    const program = object.program();
    const data = (group: number, last: number): Uint8Array =>
      Uint8Array.from({ length: bytes }, (_, at) => [group, 255 - group][at] ?? (at === bytes - 1 ? last : 0));
    const lengths = [0, 1, 2, 3, 4].map((less) => bytes * 8 - less);
    const put = (group: number, change: number): void => {
      for (const bits of lengths) {
        const kept = bytes * 8 - bits;
        prefixes.set(prefixKey({ bits, data: data(group, (0xa5 >> kept) << kept) }), group * 1000 + bits + change);
      }
    };
    const ask = (group: number, last: number): number => {
      keys.set(0, prefixKey({ bits: bytes * 8, data: data(group, last) }));
      return program.run({ data: new Uint8Array(64) }).retval >>> 0;
    };
    /** 0xa5, and bytes that differ from it at bit 0 to 4. */
    const check = (group: number, change: number): void => {
      lengths.forEach((bits, less) => {
        const last = less === 0 ? 0xa5 : 0xa5 ^ (1 << (less - 1));
        expect(ask(group, last)).toBe(group * 1000 + bits + change);
      });
      expect(ask(group, 0xa5 ^ 0x10)).toBe(NONE);
    };
    for (let group = 0; group < 256; group++) put(group, 0);
    for (let group = 0; group < 256; group += 5) check(group, 0);
    // Values that are replaced, more than once.
    for (const change of [500, 600, 700]) {
      for (let group = 0; group < 256; group += 3) put(group, change);
      for (let group = 0; group < 256; group++) check(group, group % 3 === 0 ? change : 0);
    }
    // The longest goes: the next one is found.
    for (let group = 0; group < 256; group++) prefixes.delete(prefixKey({ bits: bytes * 8, data: data(group, 0xa5) }));
    for (let group = 1; group < 256; group += 3) expect(ask(group, 0xa5)).toBe(group * 1000 + bytes * 8 - 1);
  });
});
