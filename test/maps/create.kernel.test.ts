// Creation: for every type, the kernel and ours refuse the same attributes with the same errno.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAP_TYPE_ROWS } from '../../src/maps/index.ts';
import { ERRNO } from '../../src/spec/errno.ts';
import { MAP_FLAGS, MAP_TYPES, type MapTypeName } from '../../src/spec/map-types.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { btfLoad, close, mapCreate } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { TYPICAL } from './support.ts';

/** Where ours answers differently on purpose. */
const DIFFERENCES: readonly { readonly why: string; readonly applies: (s: MapSpec, kernel: number) => boolean }[] = [
  {
    why: 'memory: the kernel takes it all at creation, ours when elements are used, or refuses in createMap',
    applies: (_, kernel) => kernel === -ERRNO.ENOMEM,
  },
  {
    why: 'a token is refused at once with EINVAL; the kernel checks the attributes first, then finds no token',
    applies: (s) => (s.flags & MAP_FLAGS.TOKEN_FD) !== 0,
  },
  {
    why: 'NR_CPUS is 8192 here as in the usual configurations; kernels are built with others',
    applies: (s, kernel) => s.type === 'cpumap' && kernel === -ERRNO.E2BIG && s.maxEntries <= 8192,
  },
];

/** BTF with type 1: int of 4 bytes, type 2: int of 8 bytes, both unsigned. */
function intBtf(): Uint8Array {
  const words = [0x0001_eb9f, 24, 0, 32, 32, 5];
  for (const size of [4, 8]) words.push(1, 1 << 24, size, size * 8);
  const bytes = new Uint8Array(words.length * 4 + 5);
  words.forEach((word, i) => new DataView(bytes.buffer).setUint32(4 * i, word, true));
  bytes.set([0, 0x69, 0x6e, 0x74, 0], words.length * 4);
  return bytes;
}

const FLAG_BITS = Object.values(MAP_FLAGS);
const STORAGE = /^(sk|inode|task|cgrp)_storage$/;

/** Attributes that are right for the type, with up to three fields changed. */
function attributes(type: MapTypeName): fc.Arbitrary<MapSpec> {
  const right = TYPICAL[type];
  const change = fc.oneof(
    fc.record({ keySize: fc.oneof(fc.constantFrom(0, 3, 4, 5, 8, 16, 260, 261, 512, 513), fc.nat({ max: 70_000 })) }),
    fc.record({
      valueSize: fc.oneof(
        fc.constantFrom(0, 4, 8, 12, 32, 1016, 1024, 4096, 32_768, 32_769, 65_407, 65_408, 0x8000_0000),
        fc.constantFrom(
          4 << 20,
          (4 << 20) + 1,
          (4 << 20) - 48,
          (4 << 20) - 52,
          (4 << 20) - 53,
          (4 << 20) - 280,
          (4 << 20) - 279,
        ),
        fc.nat({ max: 70_000 }),
      ),
    }),
    fc.record({
      maxEntries: fc.oneof(
        fc.constantFrom(0, 1, 2, 64, 4096, 8192, 8193, 65_536),
        fc.constantFrom(0x0800_0001, 0x8000_0001, 0xffff_ffff),
      ),
    }),
    fc.record({ flags: fc.constantFrom(...FLAG_BITS).map((bit) => right.flags ^ bit) }),
    fc.record({
      flags: fc
        .array(fc.constantFrom(...FLAG_BITS), { maxLength: 3 })
        .map((bits) => bits.reduce((a, b) => a | b, right.flags)),
    }),
    fc.record({ flags: fc.nat({ max: 0x7f_ffff }) }),
    fc.record({ flags: fc.constant(right.flags | MAP_FLAGS.NUMA_NODE), numaNode: fc.constantFrom(0, 0, 1) }),
    fc.record({ extra: fc.constantFrom(1, 3, 15, 16) }),
  );
  return fc.array(change, { maxLength: 3 }).map((changes) => Object.assign({}, right, ...changes) as MapSpec);
}

/**
 * Whether the kernel may be asked: it takes all memory at creation, so that a large map could starve the machine. Only of the
 * hash types is it known that they look at the number before they allocate.
 */
function affordable(s: MapSpec): boolean {
  if (s.maxEntries > 65_536) return /^(lru_)?(percpu_)?hash$/.test(s.type) && MAP_TYPE_ROWS[s.type].check(s) !== 0;
  const bytes = (s.keySize + s.valueSize * (s.type.includes('percpu') ? 8 : 1) + 64) * s.maxEntries;
  return bytes < 2 ** 22 || MAP_TYPE_ROWS[s.type].check(s) !== 0;
}

const types = (Object.keys(MAP_TYPES) as MapTypeName[]).filter((type) => MAP_TYPE_ROWS[type].unsupported === undefined);

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('creation, against the kernel', () => {
  let innerFd = 0;
  let btfFd = 0;
  beforeAll(() => {
    innerFd = mapCreate(TYPICAL.array);
    btfFd = btfLoad(intBtf()).fd;
    expect(innerFd).toBeGreaterThan(0);
    expect(btfFd).toBeGreaterThan(0);
  });
  afterAll(() => {
    close(innerFd);
    close(btfFd);
  });

  test.each(types)('%s', (type) => {
    const seen = new Set<number>();
    const ofMaps = type === 'array_of_maps' || type === 'hash_of_maps';
    fc.assert(
      fc.property(attributes(type), (random) => {
        fc.pre(affordable(random));
        const valueTypeId = { 4: 1, 8: 2 }[random.valueSize];
        const btf = STORAGE.test(type) && valueTypeId !== undefined ? { keyTypeId: 1, valueTypeId } : {};
        const s = { ...random, ...btf };
        const fd = mapCreate({
          ...s,
          numaNode: (s.flags & MAP_FLAGS.NUMA_NODE) !== 0 ? (s.numaNode ?? 0) : 0,
          ...(ofMaps ? { innerFd } : {}),
          ...('keyTypeId' in btf ? { btfFd, btfKeyTypeId: btf.keyTypeId, btfValueTypeId: btf.valueTypeId } : {}),
        });
        if (fd >= 0) close(fd);
        const kernel = Math.min(fd, 0);
        if (DIFFERENCES.some((difference) => difference.applies(s, kernel))) return;
        seen.add(kernel);
        expect(MAP_TYPE_ROWS[type].check(s)).toBe(kernel);
      }),
      { numRuns: 300 },
    );
    expect([...seen]).toEqual(expect.arrayContaining([0, -ERRNO.EINVAL]));
  });
});
