// Operations: random sequences give the same status and the same contents on the kernel's maps and on ours.
import { createServer, type Server } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import type { BpfMap } from '../../src/spec/map.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import {
  close,
  mapCreate,
  mapDelete,
  mapFreeze,
  mapLookup,
  mapLookupAndDelete,
  mapNextKey,
  mapUpdate,
  possibleCpus,
  progLoad,
} from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { place, type Place, spec, TYPICAL, u32, u32At, withFlags } from './support.ts';

/** A value of the test: what the kernel is given and what ours is. They differ where values are handles. */
interface Value {
  readonly kernel: Uint8Array;
  readonly ours: Uint8Array;
}

interface Case {
  readonly name: string;
  readonly spec: MapSpec;
  readonly keys: readonly Uint8Array[];
  /** Random bytes of the value's size where there are none. */
  readonly values?: () => readonly Value[];
  /** What a kernel value read means in ours; undefined: the same bytes. */
  readonly read?: (value: Uint8Array) => Uint8Array;
  /** get_next_key gives the same keys in the same order, else the same set. */
  readonly ordered: boolean;
  readonly innerFd?: () => number;
}

const u32Keys = [0, 1, 2, 3, 4, 5, 6, 7, 0xffff_ffff].map((key) => u32(key));
const longKeys = ['', 'a', 'ab', 'network', 'zz'].map((text) => {
  const key = new Uint8Array(19);
  key.set(utf8(text));
  return key;
});

/** IPv4-like prefixes that branch, nest and carry bits beyond their length. */
const prefixes = [
  [0, 0, 0, 0, 0],
  [8, 10, 0, 0, 0],
  [8, 10, 9, 9, 9],
  [9, 10, 128, 0, 0],
  [16, 10, 1, 0, 0],
  [24, 10, 1, 2, 0],
  [24, 10, 1, 3, 0],
  [25, 10, 1, 3, 128],
  [32, 10, 1, 2, 3],
  [32, 10, 1, 2, 4],
  [32, 192, 168, 0, 1],
  [33, 1, 1, 1, 1],
].map(([length, ...data]) => Uint8Array.from([...u32(length), ...data]));

const cases: Case[] = [
  { name: 'array', spec: TYPICAL.array, keys: u32Keys, ordered: true },
  { name: 'array of one odd value', spec: spec('array', 4, 13, 1), keys: u32Keys, ordered: true },
  { name: 'percpu_array', spec: TYPICAL.percpu_array, keys: u32Keys, ordered: true },
  { name: 'hash', spec: TYPICAL.hash, keys: u32Keys, ordered: false },
  { name: 'hash, full soon', spec: spec('hash', 4, 5, 3), keys: u32Keys, ordered: false },
  { name: 'hash, long keys', spec: spec('hash', 19, 3, 4, 1), keys: longKeys, ordered: false },
  { name: 'percpu_hash', spec: TYPICAL.percpu_hash, keys: u32Keys, ordered: false },
  { name: 'percpu_hash, full soon', spec: spec('percpu_hash', 4, 3, 3, 1), keys: u32Keys, ordered: false },
  { name: 'lru_hash, never full', spec: spec('lru_hash', 4, 8, 4096), keys: u32Keys, ordered: false },
  { name: 'lru_percpu_hash, never full', spec: spec('lru_percpu_hash', 4, 8, 4096), keys: u32Keys, ordered: false },
  { name: 'lru_hash, lists of their own', spec: spec('lru_hash', 4, 8, 4096, 2), keys: u32Keys, ordered: false },
  { name: 'lpm_trie', spec: spec('lpm_trie', 8, 6, 64, 1), keys: prefixes, ordered: true },
  { name: 'lpm_trie, full soon', spec: spec('lpm_trie', 8, 4, 3, 1), keys: prefixes, ordered: true },
  { name: 'queue', spec: TYPICAL.queue, keys: [new Uint8Array()], ordered: true },
  { name: 'stack', spec: TYPICAL.stack, keys: [new Uint8Array()], ordered: true },
  { name: 'stack_trace', spec: TYPICAL.stack_trace, keys: u32Keys, ordered: true },
  { name: 'devmap', spec: TYPICAL.devmap, keys: u32Keys, values: () => same(u32(0), u32(1)), ordered: true },
  {
    name: 'devmap with programs',
    spec: spec('devmap', 4, 8, 4),
    keys: u32Keys,
    values: () => same(u32(0, 0), u32(1, 0), u32(1, 999), u32(0, 999)),
    ordered: true,
  },
  { name: 'devmap_hash', spec: TYPICAL.devmap_hash, keys: u32Keys, values: () => same(u32(0), u32(1)), ordered: false },
  {
    name: 'cpumap',
    spec: TYPICAL.cpumap,
    keys: u32Keys,
    values: () => same(u32(0), u32(64), u32(16_384), u32(16_385)),
    ordered: true,
  },
  { name: 'xskmap without sockets', spec: TYPICAL.xskmap, keys: u32Keys, values: () => same(u32(900)), ordered: true },
  { name: 'cgroup_storage without cgroups', spec: TYPICAL.cgroup_storage, keys: [u32(1, 0)], ordered: true },
  { name: 'ringbuf', spec: TYPICAL.ringbuf, keys: [new Uint8Array()], ordered: true },
  { name: 'user_ringbuf', spec: TYPICAL.user_ringbuf, keys: [new Uint8Array()], ordered: true },
  {
    name: 'prog_array',
    spec: TYPICAL.prog_array,
    keys: u32Keys,
    values: () => [pair(programFd, 77), pair(900, 900)],
    read: () => u32(77),
    ordered: true,
  },
  ...(['array_of_maps', 'hash_of_maps'] as const).map(
    (type): Case => ({
      name: type,
      spec: TYPICAL[type],
      keys: u32Keys,
      values: () => [...inners.map((inner) => pair(inner.fd, inner.id)), pair(900, 900)],
      // The kernel shows ids of its own: which is which shows on update, here only that there is one.
      read: () => u32(1),
      ordered: type === 'array_of_maps',
      innerFd: () => inners[0].fd,
    }),
  ),
  ...(['sockmap', 'sockhash'] as const).flatMap((type) =>
    [4, 8].map(
      (valueSize): Case => ({
        name: `${type}, values of ${valueSize} bytes`,
        spec: spec(type, 4, valueSize, 4),
        keys: u32Keys,
        values: () =>
          [u32(socketFd(), 0), u32(900, 0), u32(900, 1)]
            .map((v) => v.subarray(0, valueSize))
            .map((v) => ({ kernel: v, ours: v })),
        read: () => u32(5, 0),
        ordered: type === 'sockmap',
      }),
    ),
  ),
];

const same = (...values: Uint8Array[]): Value[] => values.map((v) => ({ kernel: v, ours: v }));
const pair = (kernel: number, ours: number): Value => ({ kernel: u32(kernel), ours: u32(ours) });

let programFd = 0;
let server: Server;
const socketFd = (): number => (server as unknown as { _handle: { fd: number } })._handle.fd;
/** The kernel's inner maps and the ids of ours: two that match the template, one that does not. */
let inners: { readonly fd: number; readonly id: number }[] = [];
const INNER_SPECS = [TYPICAL.array, TYPICAL.array, spec('array', 4, 8, 99), spec('hash', 4, 8, 3)];

type Operation =
  | { readonly op: 'update'; readonly key: number; readonly value: number; readonly flags: number }
  | { readonly op: 'lookup' | 'take'; readonly key: number; readonly flags: number }
  | { readonly op: 'delete' | 'next'; readonly key: number }
  | { readonly op: 'walk' | 'first' | 'freeze' };

const flags = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  { weight: 5, arbitrary: fc.constantFrom(1, 2) },
  fc.constantFrom(3, 4, 5, 8),
);
const key = fc.nat({ max: 1000 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ op: fc.constant('update' as const), key, value: fc.nat({ max: 1000 }), flags }),
  },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('lookup' as const), key, flags }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('delete' as const), key }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('take' as const), key, flags }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('next' as const), key }) },
  { weight: 2, arbitrary: fc.constantFrom({ op: 'walk' as const }, { op: 'first' as const }) },
);
/** Freezing ends all updates, so it comes late if at all. */
const operations = fc
  .tuple(fc.array(operation, { minLength: 5, maxLength: 60 }), fc.boolean(), fc.array(operation, { maxLength: 8 }))
  .map(([before, freeze, after]) => (freeze ? [...before, { op: 'freeze' } as const, ...after] : before));

/** One of the two sides, reduced to what can be compared. */
interface Side {
  update(key: Uint8Array, value: Value, flags: number): number;
  lookup(key: Uint8Array, flags: number): Uint8Array | number;
  take(key: Uint8Array, flags: number): Uint8Array | number;
  delete(key: Uint8Array): number;
  next(key: Uint8Array | undefined): Uint8Array | number;
  freeze(): number;
}

/** The kernel wants no pointer at all where a type has no keys. */
const k = (bytes: Uint8Array): Uint8Array | undefined => (bytes.length === 0 ? undefined : bytes);

function kernelSide(fd: number, c: Case, valueSize: number): Side {
  const read = (value: Uint8Array | number): Uint8Array | number =>
    typeof value === 'number' || c.read === undefined ? value : c.read(value);
  return {
    update: (bytes, value, f) => mapUpdate(fd, k(bytes), value.kernel, f),
    lookup: (bytes, f) => read(mapLookup(fd, k(bytes), valueSize, f)),
    take: (bytes, f) => read(mapLookupAndDelete(fd, k(bytes), valueSize, f)),
    delete: (bytes) => mapDelete(fd, k(bytes)),
    next: (bytes) => mapNextKey(fd, bytes === undefined ? undefined : k(bytes), c.spec.keySize),
    freeze: () => mapFreeze(fd),
  };
}

function ourSide(map: BpfMap, c: Case): Side {
  const read = (value: Uint8Array | number): Uint8Array | number =>
    typeof value === 'number' || !c.name.includes('_of_maps') ? value : u32(1);
  return {
    update: (bytes, value, f) => map.update(bytes, value.ours, f),
    lookup: (bytes, f) => read(map.lookup(bytes, f)),
    take: (bytes, f) => map.lookupAndDelete(bytes, f),
    delete: (bytes) => map.delete(bytes),
    next: (bytes) => map.nextKey(bytes),
    freeze: () => map.freeze(),
  };
}

function values(c: Case, index: number, size: number): Value {
  const given = c.values?.();
  if (given !== undefined) return given[index % given.length];
  const bytes = Uint8Array.from({ length: size }, (_, i) => (index * 31 + i * 7) & 0xff);
  return { kernel: bytes, ours: bytes };
}

/** The status, or contents, of one operation. */
function perform(side: Side, c: Case, o: Operation, valueSize: number): unknown {
  switch (o.op) {
    case 'update':
      return side.update(c.keys[o.key % c.keys.length], values(c, o.value, valueSize), o.flags);
    case 'lookup':
      return side.lookup(c.keys[o.key % c.keys.length], o.flags);
    case 'take':
      return side.take(c.keys[o.key % c.keys.length], o.flags);
    case 'delete':
      return side.delete(c.keys[o.key % c.keys.length]);
    case 'freeze':
      return side.freeze();
    case 'first':
      return compareKey(side.next(undefined), c);
    case 'next': {
      const at = c.keys[o.key % c.keys.length];
      // Without an order only the key that is not there has a known answer: the first.
      if (!c.ordered && walk(side).keys.includes(String(at))) return 'somewhere';
      return compareKey(side.next(at), c);
    }
    case 'walk': {
      const { keys, end } = walk(side);
      return { keys: c.ordered ? keys : keys.sort(), end };
    }
  }
}

/** All keys by get_next_key, and how the walk ended. */
function walk(side: Side): { keys: string[]; end: Uint8Array | number } {
  const keys: string[] = [];
  let at = side.next(undefined);
  while (typeof at !== 'number' && keys.length < 100) {
    keys.push(String(at));
    at = side.next(at);
  }
  return { keys, end: at };
}

const compareKey = (found: Uint8Array | number, c: Case): unknown =>
  typeof found === 'number' || c.ordered ? found : 'a key';

function withSockets(context: Place): Place {
  return Object.assign(context, {
    socketByHandle: (handle: number) => (handle === socketFd() ? { address: 4096, cookie: 5n } : undefined),
  });
}

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('operations, against the kernel', () => {
  const cpus = possibleCpus();

  beforeAll(async () => {
    const code = new Uint8Array(16);
    code.set([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95]);
    programFd = progLoad({ type: 'socket_filter', code, license: 'GPL' }).fd;
    server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    inners = INNER_SPECS.map((inner, i) => ({ fd: mapCreate(inner), id: i + 1 }));
  });
  afterAll(() => {
    close(programFd);
    for (const { fd } of inners) close(fd);
    server.close();
  });

  test.each(cases)('$name', (c) => {
    fc.assert(
      fc.property(operations, fc.constantFrom(0, 0, 0, 0, 0, 8, 16), (list, access) => {
        const s = withFlags(c.spec, access);
        const fd = mapCreate({ ...s, ...(c.innerFd === undefined ? {} : { innerFd: c.innerFd() }) });
        if (fd < 0) {
          // Types without access flags say so at creation, which create.kernel.test.ts compares.
          expect(access).not.toBe(0);
          return;
        }
        try {
          const context = withSockets(place(cpus));
          context.programs.set(77, 1234);
          for (const inner of INNER_SPECS) context.make(inner);
          const map = context.make(s);
          const kernel = kernelSide(fd, c, map.userValueSize);
          const ours = ourSide(map, c);
          for (const [step, o] of list.entries()) {
            const expected = perform(kernel, c, o, map.userValueSize);
            expect(perform(ours, c, o, map.userValueSize), `step ${step}: ${JSON.stringify(o)}`).toEqual(expected);
          }
        } finally {
          close(fd);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('bloom_filter: what was added is found by both, flags and commands are refused alike', () => {
    const fd = mapCreate(TYPICAL.bloom_filter);
    const map = place().make(TYPICAL.bloom_filter);
    for (let i = 0; i < 16; i++) {
      for (const f of [0, 1, 2, 4])
        expect(map.update(new Uint8Array(), u32(i), f)).toBe(mapUpdate(fd, undefined, u32(i), f));
      expect(map.lookup(u32(i))).toEqual(mapLookup(fd, undefined, 4, 0, u32(i)));
    }
    const nothing = new Uint8Array();
    expect(map.delete(nothing)).toBe(mapDelete(fd, undefined));
    expect(map.nextKey(undefined)).toBe(mapNextKey(fd, undefined, 0));
    expect(map.lookupAndDelete(nothing)).toBe(mapLookupAndDelete(fd, undefined, 4));
    let falsePositives = 0;
    for (let i = 1000; i < 2000; i++) if (typeof map.lookup(u32(i)) !== 'number') falsePositives++;
    expect(falsePositives).toBeLessThan(100);
    expect(u32At(u32(3))).toBe(3);
    close(fd);
  });
});
