// What every map type promises, type by type.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { createMap } from '../../src/maps/create.ts';
import { MAP_TYPE_ROWS } from '../../src/maps/index.ts';
import { DESCRIPTOR } from '../../src/spec/map-layout.ts';
import { loaderDefaults } from '../../src/maps/loader-defaults.ts';
import type { HandleMap, SocketMap, StorageMap } from '../../src/spec/map.ts';
import { MAP_FLAGS, MAP_TYPES, type MapTypeName } from '../../src/spec/map-types.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { place, spec, TYPICAL, u32, u32At, withFlags } from './support.ts';

const STORAGE = /^(sk|inode|task|cgrp)_storage$/;
const typical = (type: MapTypeName): MapSpec => ({
  ...TYPICAL[type],
  ...(STORAGE.test(type) ? { keyTypeId: 1, valueTypeId: 2 } : {}),
});
const makeable = (Object.keys(MAP_TYPES) as MapTypeName[]).filter(
  (type) => MAP_TYPE_ROWS[type].unsupported === undefined,
);
/** Types whose values programs look up and write. */
const VALUES = ['array', 'percpu_array', 'hash', 'percpu_hash', 'lru_hash', 'lru_percpu_hash', 'lpm_trie'] as const;

const codeOf = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    if (error instanceof AnyBpfError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'no error';
};

test('the table has a row for every type, under its own name, with a doc line', () => {
  expect(Object.keys(MAP_TYPE_ROWS).sort()).toEqual(Object.keys(MAP_TYPES).sort());
  for (const [name, row] of Object.entries(MAP_TYPE_ROWS)) {
    expect(row.type).toBe(name);
    expect(row.doc.length).toBeGreaterThan(5);
  }
});

describe.each(makeable)('%s', (type) => {
  test('its descriptor says what generated code needs', () => {
    const p = place(3);
    const map = p.make(typical(type));
    const field = (name: keyof typeof DESCRIPTOR): number => p.memory.u32[(map.handle + DESCRIPTOR[name]) >>> 2];
    const s = map.spec;
    const row = MAP_TYPES[type] as { readonly linux?: number };
    expect(field('TYPE')).toBe(row.linux);
    expect(field('ID')).toBe(map.id);
    expect([field('KEY_SIZE'), field('VALUE_SIZE'), field('MAX_ENTRIES'), field('FLAGS')]).toEqual([
      s.keySize,
      s.valueSize,
      s.maxEntries,
      s.flags,
    ]);
    expect(field('CPUS')).toBe(type.includes('percpu') ? 3 : 1);
    expect(p.memory.accessible(map.handle, 4, false)).toBe(false);
  });

  test('attributes that Linux refuses are refused with the errno and the place', () => {
    const wrong = { ...typical(type), flags: 0x4000_0000 };
    expect(codeOf(() => createMap(MAP_TYPE_ROWS[type], wrong, place()))).toMatch(
      new RegExp(`^map/refused map test_${type}: .*EINVAL`),
    );
  });

  test('fields that are no u32 are refused, not believed', () => {
    for (const bad of [Number.NaN, -1, 2 ** 32, 1.5]) {
      expect(MAP_TYPE_ROWS[type].check({ ...typical(type), maxEntries: bad })).toBe(-22);
      expect(MAP_TYPE_ROWS[type].check({ ...typical(type), keySize: bad })).toBe(-22);
      expect(MAP_TYPE_ROWS[type].check({ ...typical(type), valueSize: bad })).toBe(-22);
    }
  });

  test('keys and values of the wrong size are refused', () => {
    const map = place().make(typical(type));
    const s = map.spec;
    const tooLong = new Uint8Array(s.keySize + 1);
    if (type !== 'bloom_filter') expect(map.lookup(tooLong)).toBe(-22);
    expect(map.delete(tooLong)).toBe(-22);
    expect(map.nextKey(tooLong)).toBe(-22);
    expect(map.update(new Uint8Array(s.keySize), new Uint8Array(map.userValueSize + 1))).toBe(-22);
  });

  test('destroy gives all memory back', () => {
    const p = place();
    const before = p.memory.used;
    const map = p.make(typical(type));
    const key = new Uint8Array(map.spec.keySize);
    if (map.spec.keySize >= 4) key[0] = 1;
    map.update(key, new Uint8Array(map.userValueSize).fill(1));
    expect(p.memory.used).toBeGreaterThan(before);
    map.destroy();
    expect(p.memory.used).toBe(before);
    // Nothing of it is accessible any more: the same memory can be handed out and made accessible again.
    for (let address = 65_536; address < 65_536 + 4096; address += 8) {
      expect(p.memory.regionAt(address)).toBeUndefined();
    }
  });

  test('a memory that is too small is an error, and leaves nothing behind', () => {
    const p = place(2, 65_536 * 2);
    const before = p.memory.used;
    const big = { ...typical(type), ...(typical(type).maxEntries > 0 ? { maxEntries: 1 << 20 } : {}) };
    let made = false;
    if (MAP_TYPE_ROWS[type].check(big) !== 0) return;
    const outcome = codeOf(() => {
      createMap(MAP_TYPE_ROWS[type], big, p);
      made = true;
    });
    if (!made) {
      expect(outcome).toMatch(/^(run\/out-of-memory|map\/too-large)/);
      expect(p.memory.used).toBe(before);
    }
  });
});

describe.each(VALUES)('values of %s', (type) => {
  const keyOf = (n: number): Uint8Array => (type === 'lpm_trie' ? u32(32, n) : u32(n));

  test('programs reach the value and no byte after it', () => {
    const p = place();
    const map = p.make(spec(type, type === 'lpm_trie' ? 8 : 4, 13, 5, type === 'lpm_trie' ? 1 : 0));
    expect(map.updateElem(p.put(keyOf(2)), p.put(new Uint8Array(13).fill(9)), 0n)).toBe(0);
    const address = map.lookupElem(p.put(keyOf(2)));
    expect(p.at(address, 13)).toEqual(new Uint8Array(13).fill(9));
    expect(p.memory.accessible(address, 13, true)).toBe(true);
    expect(p.memory.accessible(address + 5, 8, true)).toBe(true);
    expect(p.memory.accessible(address, 14, false)).toBe(false);
    expect(p.memory.accessible(address + 13, 1, false)).toBe(false);
    expect(p.memory.accessible(address - 1, 1, true)).toBe(false);
  });

  test('BPF_F_RDONLY_PROG: programs read values but do not write them', () => {
    const p = place();
    const map = p.make(withFlags(TYPICAL[type], MAP_FLAGS.RDONLY_PROG));
    map.update(keyOf(1), new Uint8Array(map.userValueSize));
    const address = map.lookupElem(p.put(keyOf(1)));
    expect(p.memory.accessible(address, map.spec.valueSize, false)).toBe(true);
    expect(p.memory.accessible(address, 1, true)).toBe(false);
  });

  test('the application sees what programs write, and the other way round', () => {
    const p = place();
    const map = p.make(TYPICAL[type]);
    const copies = type.includes('percpu') ? 2 : 1;
    map.update(
      keyOf(1),
      Uint8Array.from({ length: map.userValueSize }, (_, i) => i),
    );
    for (let cpu = 0; cpu < copies; cpu++) {
      p.cpu = cpu;
      const address = map.lookupElem(p.put(keyOf(1)));
      expect(p.memory.u8[address]).toBe(cpu * (map.userValueSize / copies));
      p.memory.u8[address] = 200 + cpu;
    }
    const seen = map.lookup(keyOf(1)) as Uint8Array;
    for (let cpu = 0; cpu < copies; cpu++) expect(seen[(cpu * map.userValueSize) / copies]).toBe(200 + cpu);
  });

  test('a frozen map is closed to the application only', () => {
    const p = place();
    const map = p.make(TYPICAL[type]);
    expect(map.freeze()).toBe(0);
    expect(map.update(keyOf(1), new Uint8Array(map.userValueSize))).toBe(-1);
    expect(map.updateElem(p.put(keyOf(1)), p.put(new Uint8Array(map.spec.valueSize).fill(4)), 0n)).toBe(0);
    expect((map.lookup(keyOf(1)) as Uint8Array)[0]).toBe(4);
  });
});

test.each(['hash', 'lru_hash', 'lpm_trie'] as const)(
  '%s: a deleted element that a program still holds is harmless',
  (type) => {
    const p = place();
    const map = p.make(TYPICAL[type]);
    const key = type === 'lpm_trie' ? u32(32, 7) : u32(7);
    map.update(key, u32(1, 1));
    const held = map.lookupElem(p.put(key));
    map.delete(key);
    expect(p.memory.accessible(held, 8, true)).toBe(true);
    p.memory.u32[held >>> 2] = 99;
    expect(map.lookup(key)).toBe(-2);
    map.update(key, u32(2, 2));
    expect(map.lookup(key)).toEqual(u32(2, 2));
  },
);

test.each(['hash', 'lru_hash', 'lpm_trie'] as const)(
  '%s: an update leaves the old value to those who hold it',
  (type) => {
    const p = place();
    const map = p.make(TYPICAL[type]);
    const key = type === 'lpm_trie' ? u32(32, 7) : u32(7);
    map.update(key, u32(1, 1));
    const held = map.lookupElem(p.put(key));
    // The value that is put may be the held one itself.
    expect(map.updateElem(p.put(key), held, 0n)).toBe(0);
    expect(map.lookup(key)).toEqual(u32(1, 1));
    map.update(key, u32(2, 2));
    expect(map.lookup(key)).toEqual(u32(2, 2));
  },
);

test('per-CPU: a program sets its own copy, new elements begin with zeros on the others', () => {
  const p = place(3);
  const map = p.make(TYPICAL.percpu_hash);
  map.update(u32(1), new Uint8Array(24).fill(0xff));
  map.delete(u32(1));
  p.cpu = 1;
  map.updateElem(p.put(u32(1)), p.put(u32(5, 6)), 0n);
  expect(map.lookup(u32(1))).toEqual(u32(0, 0, 5, 6, 0, 0));
  expect(p.at(map.lookupPerCpuElem?.(p.put(u32(1)), 1) ?? 0, 8)).toEqual(u32(5, 6));
  expect(map.lookupPerCpuElem?.(p.put(u32(1)), 3)).toBe(0);
});

test('spin locks and timers in values belong to the kernel', () => {
  const p = place();
  const special = [{ kind: 'spin_lock', offset: 4, size: 4 }];
  for (const type of ['array', 'hash'] as const) {
    const map = p.make({ ...spec(type, 4, 12, 2), special });
    expect(map.update(u32(0), u32(1, 2, 3))).toBe(0);
    const address = map.lookupElem(p.put(u32(0)));
    expect(p.at(address, 12)).toEqual(u32(1, 0, 3));
    p.memory.u32[(address + 4) >>> 2] = 77;
    expect(map.lookup(u32(0))).toEqual(u32(1, 0, 3));
    expect(map.update(u32(0), u32(4, 5, 6), 4)).toBe(0);
    expect(p.at(address, 12)).toEqual(u32(4, 77, 6));
    expect(map.updateElem(p.put(u32(0)), p.put(u32(7, 8, 9)), 4n)).toBe(0);
    expect(p.at(address, 12)).toEqual(u32(7, 77, 9));
    expect(map.freeze()).toBe(-524);
  }
});

test('data-section maps give addresses of their bytes', () => {
  const p = place();
  const map = p.make(spec('array', 4, 40, 1, MAP_FLAGS.MMAPABLE));
  const start = map.lookupElem(p.put(u32(0)));
  expect(map.directValue?.(0)).toBe(start);
  expect(map.directValue?.(39)).toBe(start + 39);
  expect(map.directValue?.(40)).toBeUndefined();
});

test('mmapable arrays show their data, others do not', () => {
  const p = place();
  const map = p.make(spec('array', 4, 12, 3, MAP_FLAGS.MMAPABLE));
  map.update(u32(1), u32(7, 8, 9));
  const view = map.view?.() ?? new Uint8Array();
  expect(view.length).toBe(48);
  expect(u32At(view, 16)).toBe(7);
  view[16] = 70;
  expect(map.lookup(u32(1))).toEqual(u32(70, 8, 9));
  expect(p.make(spec('array', 4, 12, 3)).view?.()).toBeUndefined();
});

test('types that cannot be made say why', () => {
  for (const type of ['struct_ops', 'arena'] as const) {
    expect(codeOf(() => createMap(MAP_TYPE_ROWS[type], spec(type, 4, 4, 1), place()))).toMatch(
      /^map\/unsupported .*not supported/,
    );
  }
});

test('maps of maps hold maps like the template, by id, and programs get handles', () => {
  const p = place();
  const [a, b] = [p.make(spec('hash', 4, 8, 3)), p.make(spec('hash', 4, 8, 99))];
  const other = p.make(spec('hash', 8, 8, 3));
  for (const type of ['array_of_maps', 'hash_of_maps'] as const) {
    const outer = p.make(spec(type, 4, 4, 4, 0, { inner: a.spec })) as HandleMap;
    expect(outer.lookupElem(p.put(u32(1)))).toBe(0);
    expect(outer.update(u32(1), u32(a.id))).toBe(0);
    expect(outer.update(u32(2), u32(b.id))).toBe(0);
    expect(outer.update(u32(3), u32(other.id))).toBe(-22);
    expect(outer.update(u32(3), u32(12_345))).toBe(-9);
    expect(outer.lookupElem(p.put(u32(1)))).toBe(a.handle);
    expect(outer.lookupElem(p.put(u32(2)))).toBe(b.handle);
    expect(outer.handleAt(p.put(u32(2)))).toBe(b.id);
    expect(outer.lookup(u32(2))).toEqual(u32(b.id));
    expect(outer.delete(u32(2))).toBe(0);
    expect(outer.lookupElem(p.put(u32(2)))).toBe(0);
    expect(codeOf(() => p.make(spec(type, 4, 4, 4)))).toMatch(/EBADF/);
  }
});

test('prog_array gives program ids and addresses by index', () => {
  const p = place();
  p.programs.set(7, 4096);
  const map = p.make(TYPICAL.prog_array) as HandleMap;
  expect(map.update(u32(2), u32(8))).toBe(-9);
  expect(map.update(u32(2), u32(7))).toBe(0);
  expect(map.handleAt(p.put(u32(2)))).toBe(7);
  expect(map.handleAt(p.put(u32(1)))).toBe(0);
  expect(map.handleAt(p.put(u32(4)))).toBe(0);
});

test.each([
  { type: 'xskmap', lookup: -95, empty: 0 },
  { type: 'sockmap', lookup: -28, empty: -22 },
  { type: 'sockhash', lookup: -28, empty: -2 },
  { type: 'reuseport_sockarray', lookup: u32(5, 0), empty: -2 },
] as const)('$type holds sockets by the handles of the host', ({ type, lookup, empty }) => {
  const p = place();
  Object.assign(p, { socketByHandle: (handle: number) => (handle === 33 ? { address: 4096, cookie: 5n } : undefined) });
  const map = p.make(TYPICAL[type]) as HandleMap;
  const value = (handle: number): Uint8Array => u32(handle, 0).subarray(0, map.userValueSize);
  expect(map.update(u32(1), value(34))).toBe(-9);
  expect(map.update(u32(1), value(33), 2)).toBe(-2);
  expect(map.update(u32(1), value(33))).toBe(0);
  expect(map.update(u32(1), value(33), 1)).toBe(-17);
  expect(map.lookup(u32(1))).toEqual(lookup);
  expect(map.lookupElem(p.put(u32(1)))).toBe(4096);
  expect(map.handleAt(p.put(u32(1)))).toBe(33);
  expect(map.delete(u32(1))).toBe(0);
  expect(map.delete(u32(1))).toBe(empty);
  expect(map.lookupElem(p.put(u32(1)))).toBe(0);
  // A host without sockets knows none.
  expect(place().make(TYPICAL[type]).update(u32(1), value(33))).toBe(-9);
});

test('cgroup_array holds what the host calls its cgroups', () => {
  const p = place();
  const map = p.make(spec('cgroup_array', 4, 4, 4)) as HandleMap;
  expect(map.update(u32(1), u32(0))).toBe(-9);
  expect(map.update(u32(1), u32(77))).toBe(0);
  expect(map.update(u32(4), u32(77))).toBe(-7);
  expect(map.delete(u32(1))).toBe(0);
  expect(map.delete(u32(1))).toBe(-2);
  // -ENOTSUPP: bpf_fd_array_map_lookup_elem of a map without map_fd_sys_lookup_elem (kernel/bpf/arraymap.c).
  expect(map.lookup(u32(1))).toBe(-524);
});

test.each(['sockmap', 'sockhash'] as const)('%s: programs put sockets and delete them', (type) => {
  const p = place();
  Object.assign(p, { socketByHandle: (handle: number) => (handle === 33 ? { address: 4096, cookie: 5n } : undefined) });
  const map = p.make(TYPICAL[type]) as SocketMap;
  const key = p.put(u32(2));
  expect(map.setSocket(key, 34, 0n)).toBe(-9);
  expect(map.setSocket(key, 33, 0n)).toBe(0);
  expect(map.setSocket(key, 33, 1n)).toBe(-17);
  expect(map.setSocket(key, 33, 1n << 40n)).toBe(-22);
  expect(map.lookupElem(key)).toBe(4096);
  expect(map.deleteElem(key)).toBe(0);
  expect(map.lookupElem(key)).toBe(0);
});

test('devmap and cpumap: what helpers read', () => {
  const p = place(4);
  p.programs.set(7, 4096);
  for (const type of ['devmap', 'devmap_hash', 'cpumap'] as const) {
    const map = p.make(spec(type, 4, 8, 4)) as HandleMap;
    expect(map.update(u32(2), u32(64, 7))).toBe(0);
    expect([map.handleAt(p.put(u32(2))), map.programAt?.(p.put(u32(2)))]).toEqual([64, 7]);
    expect([map.handleAt(p.put(u32(3))), map.programAt?.(p.put(u32(3)))]).toEqual([0, 0]);
    expect(map.updateElem(p.put(u32(3)), p.put(u32(1, 0)), 0n)).toBe(-95);
    const address = map.lookupElem(p.put(u32(2)));
    if (type === 'cpumap') expect(address).toBe(0);
    else {
      expect(p.at(address, 8)).toEqual(u32(64, 7));
      expect([p.memory.accessible(address, 8, false), p.memory.accessible(address, 1, true)]).toEqual([true, false]);
    }
  }
});

test('flags beyond 32 bits are refused by both sides', () => {
  const p = place();
  for (const type of VALUES) {
    const map = p.make(TYPICAL[type]);
    const key = type === 'lpm_trie' ? u32(32, 1) : u32(1);
    for (const high of [2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 40]) {
      expect(map.update(key, new Uint8Array(map.userValueSize), high)).toBe(-22);
      expect(map.lookup(key, high)).toBe(-22);
      expect(map.updateElem(p.put(key), p.put(new Uint8Array(16)), BigInt(high))).toBe(-22);
    }
  }
});

test('a value that is a view of the memory survives its growth', () => {
  const p = place();
  const source = p.make(spec('array', 4, 8, 1, MAP_FLAGS.MMAPABLE));
  source.update(u32(0), u32(7, 8));
  const map = p.make(spec('hash', 4, 8, 100_000));
  for (let i = 0; i < 20_000; i++) {
    expect(map.update(u32(i), (source.view?.() ?? new Uint8Array()).subarray(0, 8))).toBe(0);
    if ((map.lookup(u32(i)) as Uint8Array)[0] !== 7) throw new Error(`lost at ${i}`);
  }
});

test.each(['sk_storage', 'inode_storage', 'task_storage', 'cgrp_storage'] as const)('%s belongs to owners', (type) => {
  const p = place();
  const map = p.make(typical(type)) as StorageMap;
  const owner = 0xffff_ffff_ffff_fff0n;
  expect(map.storageOf(owner, false)).toBe(0);
  const address = map.storageOf(owner, true, p.put(u32(1, 2)));
  expect(p.at(address, 8)).toEqual(u32(1, 2));
  expect(p.memory.accessible(address, 8, true)).toBe(true);
  expect(map.storageOf(owner, true)).toBe(address);
  expect(map.removeStorage(owner)).toBe(0);
  expect(map.removeStorage(owner)).toBe(-2);
  // A new owner gets zeros, whatever was there.
  expect(p.at(map.storageOf(5n, true), 8)).toEqual(u32(0, 0));
  expect(map.update(u32(5), u32(3, 4), 1)).toBe(-17);
  expect(map.update(u32(6), u32(3, 4), 2)).toBe(-2);
  expect(map.update(u32(6), u32(3, 4), 1)).toBe(0);
  expect(map.lookup(u32(6))).toEqual(u32(3, 4));
  expect(map.delete(u32(6))).toBe(0);
  expect(map.nextKey(undefined)).toBe(-524);
});

test.each(['cgroup_storage', 'percpu_cgroup_storage'] as const)(
  '%s: the host makes values, the application changes them',
  (type) => {
    const p = place();
    const map = p.make(TYPICAL[type]) as StorageMap;
    const value = new Uint8Array(map.userValueSize).fill(3);
    expect(map.update(u32(9, 0), value)).toBe(-2);
    expect(map.storageOf(9n, true)).toBeGreaterThan(0);
    expect(map.update(u32(9, 0), value)).toBe(0);
    expect(map.lookup(u32(9, 0))).toEqual(value);
    expect(map.update(u32(9, 0), value, 1)).toBe(-22);
    expect(map.nextKey(undefined)).toEqual(u32(9, 0));
    expect(map.nextKey(u32(9, 0))).toBe(-2);
    expect(map.nextKey(u32(8, 0))).toBe(-2);
    expect(map.delete(u32(9, 0))).toBe(-22);
  },
);

test('libbpf completes attributes before it creates maps', () => {
  expect(loaderDefaults(spec('perf_event_array', 4, 4, 0), 6).maxEntries).toBe(6);
  expect(loaderDefaults(spec('perf_event_array', 4, 4, 2), 6).maxEntries).toBe(2);
  expect(loaderDefaults(spec('ringbuf', 0, 0, 5000), 6).maxEntries).toBe(8192);
  expect(loaderDefaults(spec('ringbuf', 0, 0, 4096), 6).maxEntries).toBe(4096);
  expect(loaderDefaults(spec('ringbuf', 0, 0, 1), 6).maxEntries).toBe(4096);
  expect(loaderDefaults(spec('hash', 4, 4, 5), 6).maxEntries).toBe(5);
});
