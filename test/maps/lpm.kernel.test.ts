// Tries large enough to have tables, against the kernel's: every update, delete and lookup gives the same, and so does the order
// of all keys.
import { describe, expect, test } from 'vitest';
import { DESCRIPTOR } from '../../src/spec/map-layout.ts';
import { close, mapCreate, mapDelete, mapLookup, mapNextKey, mapUpdate } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { generator, PrefixList, prefixKey } from '../support/prefixes.ts';
import { place, spec, u32 } from './support.ts';

const NO_PREALLOC = 1;
const OPERATIONS = 1500;
const LOOKUPS = 4;
const SEED = Number(process.env.ANYBPF_SEED ?? Date.now() % 2 ** 32);

describe.skipIf(requireCapability('kernel-bpf') !== undefined).each([4, 16, 7])('keys of %i bytes', (bytes) => {
  test(`as the kernel, seed ${SEED}`, () => {
    const random = generator(SEED + bytes);
    const p = place();
    const attributes = spec('lpm_trie', 4 + bytes, 4, 600, NO_PREALLOC);
    const ours = p.make(attributes);
    const fd = mapCreate({ type: 'lpm_trie', keySize: 4 + bytes, valueSize: 4, maxEntries: 600, flags: NO_PREALLOC });
    expect(fd).toBeGreaterThan(0);
    // Only to make prefixes that share much with each other: the kernel is the oracle.
    const list = new PrefixList(bytes);
    let tables = 0;
    try {
      for (let i = 0; i < OPERATIONS; i++) {
        const adds = random(100) < (i * 2 < OPERATIONS ? 75 : 40);
        const prefix = !adds && random(4) > 0 ? list.pick(random) : list.random(random);
        const key = prefixKey(prefix);
        if (adds) {
          const flags = random(8) === 0 ? 1 + random(2) : 0;
          const status = mapUpdate(fd, key, u32(i), flags);
          expect(ours.update(key, u32(i), flags)).toBe(status);
          if (status === 0) list.set(prefix, i);
        } else {
          expect(ours.delete(key)).toBe(mapDelete(fd, key));
          list.delete(prefix);
        }
        for (let n = 0; n < LOOKUPS; n++) {
          const { data } = list.random(random);
          const probe = prefixKey({ bits: n > 0 ? bytes * 8 : random(bytes * 8 + 1), data });
          expect(ours.lookup(probe)).toEqual(mapLookup(fd, probe, 4));
        }
        if (p.memory.u32[(ours.handle + DESCRIPTOR.EXTRA) >>> 2] !== 0) tables++;
      }
      for (let last: Uint8Array | undefined; ; ) {
        const next = mapNextKey(fd, last, 4 + bytes);
        expect(ours.nextKey(last)).toEqual(next);
        if (typeof next === 'number') break;
        last = next;
      }
      expect(tables).toBeGreaterThan(OPERATIONS / 2);
    } finally {
      close(fd);
    }
  });
});
