// Whole objects in the kernel: all or nothing, pins, changes, what is refused and why; other methods on objects of every kind.
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/isa/assembler.ts';
import { MAP_TYPES, type MapTypeName } from '../../src/spec/map-types.ts';
import type { ObjectLoad } from '../../src/spec/session.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { u32 } from '../context/support.ts';
import { requireCapability } from '../support/capability.ts';
import { compiled, outcome, ownBpffs, ownSession } from './support.ts';

const missing = requireCapability('kernel-bpf') ?? requireCapability('libbpf-dev') ?? requireCapability('vmlinux-btf');
const object = missing === undefined ? compiled('objects.bpf.c') : new Uint8Array();
const load = { object, name: 'objects.bpf.o' } as const;
const frame = new Uint8Array(64);

/** Descriptors of this process that are of eBPF. */
const descriptors = (): number => readdirSync('/proc/self/fd').length;

describe.skipIf(missing !== undefined)('objects in the kernel', () => {
  test('with maps of maps, program arrays, constants, CO-RE and kernel symbols', () => {
    const session = ownSession();
    const { programs, maps } = session.callNow('object.load', { ...load, programs: ['entry', 'tail'] });
    const entry = programs.find(({ name }) => name === 'entry')?.fd ?? 0;
    // The tail call goes to `tail`, which looks into an inner map.
    expect(session.callNow('prog.testRun', { fd: entry, data: frame })).toMatchObject({ retval: 42 });
    const outer = maps.find(({ name }) => name === 'outer');
    const inner = maps.find(({ name }) => name === 'inner');
    expect(session.callNow('map.lookup', { fd: outer?.fd ?? 0, key: u32(1) })).toEqual({ value: u32(inner?.id ?? 0) });
    const info = session.callNow('object.info', { fd: entry });
    expect(info).toMatchObject({
      kind: 'prog',
      name: 'entry',
      type: 'sched_cls',
      section: 'tc',
      source: 'objects.bpf.o',
      gplCompatible: true,
    });
    const code = session.callNow('prog.code', { fd: entry });
    expect(code.functions).toEqual([{ slot: 0, name: 'entry' }]);
    expect(code.lines.some(({ text }) => text.includes('bpf_tail_call'))).toBe(true);
    expect(code.jited?.length).toBeGreaterThan(0);
    const rodata = maps.find(({ section }) => section === '.rodata');
    expect(session.callNow('object.info', { fd: rodata?.fd ?? 0 })).toMatchObject({ frozen: true });
  });

  test('fields of the kernel by CO-RE', () => {
    const session = ownSession();
    const { programs, maps } = session.callNow('object.load', { ...load, programs: ['whoami'] });
    session.callNow('prog.testRun', { fd: programs[0].fd, args: [0n, 0n] });
    const bss = session.map(maps.find(({ section }) => section === '.bss')?.fd ?? 0);
    const values = new Uint32Array((bss.mmap() as Uint8Array).buffer, 0, 4);
    expect([...values]).toContain(process.pid);
  });

  test('all or nothing', async () => {
    const bpffs = ownBpffs();
    const session = ownSession({ bpffs });
    const before = descriptors();
    const refused = await session.call('object.load', { ...load, programs: ['entry', 'bad'] }).catch((e: unknown) => e);
    expect(refused).toBeInstanceOf(AnyBpfError);
    const { code, diagnostic } = refused as AnyBpfError;
    expect([code, diagnostic.errno]).toEqual(['verify/bounds', 13]);
    expect(diagnostic.place).toMatchObject({ file: 'objects.bpf.o', program: 'bad', insn: expect.any(Number) });
    expect(diagnostic.place.source?.text).toContain('numbers[index & 255]');
    expect(diagnostic.message).toMatch(/the kernel says/);
    expect(descriptors()).toBe(before);
    expect(session.callNow('object.pins', {}).pins).toEqual([]);
    expect(session.handles.size).toBe(0);
    const wrongs: readonly ObjectLoad[] = [
      { ...load, programs: ['nosuch'] },
      { ...load, maps: { nosuch: {} } },
      { ...load, maps: { pinned: { maxEntries: 0 } } },
      { ...load, types: { entry: { type: 'nosuch' as 'xdp' } } },
    ];
    for (const wrong of wrongs) {
      expect(await outcome(session.call('object.load', wrong))).toBe('EINVAL');
      expect(descriptors()).toBe(before);
    }
  });

  test('maps that are pinned by name are taken again', async () => {
    const bpffs = ownBpffs();
    const session = ownSession({ bpffs });
    const idOf = (programs = ['entry']) => {
      const { maps } = session.callNow('object.load', { ...load, programs });
      return maps.find(({ name }) => name === 'pinned');
    };
    const [first, second] = [idOf(), idOf()];
    expect(first?.id).toBe(second?.id);
    expect(first?.fd).not.toBe(second?.fd);
    const { pins } = session.callNow('object.pins', {});
    expect(pins).toEqual([{ path: '/sys/fs/bpf/pinned', kind: 'map', id: first?.id }]);
    expect(session.callNow('object.info', { fd: first?.fd ?? 0 })).toMatchObject({ pins: ['/sys/fs/bpf/pinned'] });
    const other = session.call('object.load', { ...load, programs: ['entry'], maps: { pinned: { maxEntries: 9 } } });
    expect(await outcome(other)).toBe('EINVAL');
    const { maps } = session.callNow('object.load', {
      ...load,
      programs: ['entry'],
      maps: { pinned: { pinPath: '' } },
    });
    expect(maps.find(({ name }) => name === 'pinned')?.id).not.toBe(first?.id);
    const reused = session.callNow('object.load', {
      ...load,
      programs: ['entry'],
      maps: { pinned: { reuseFd: first?.fd ?? 0 } },
    });
    expect(reused.maps.find(({ name }) => name === 'pinned')?.id).toBe(first?.id);
  });

  test('maps of every type that Linux has', async () => {
    const session = ownSession();
    const { mapTypes, programTypes, helpers } = session.callNow('feature.probe', {});
    const linux = (Object.keys(MAP_TYPES) as MapTypeName[]).filter((type) => 'linux' in MAP_TYPES[type]);
    expect(Object.keys(mapTypes).toSorted()).toEqual(linux.toSorted());
    expect(linux.filter((type) => !mapTypes[type])).toEqual([]);
    expect(programTypes).toMatchObject({ xdp: true, sched_cls: true, tracing: true, sk_lookup: true });
    expect(helpers['xdp']).toEqual(expect.arrayContaining(['bpf_redirect', 'bpf_xdp_adjust_head']));
    expect(helpers['xdp']).not.toContain('bpf_skb_load_bytes');
  });

  test('values of each CPU, stacks, queues, filters, batches of types without batches', async () => {
    const session = ownSession();
    const create = (type: MapTypeName, keySize: number, valueSize: number, more = {}) =>
      session.callNow('map.create', { name: 'm', type, keySize, valueSize, maxEntries: 4, ...more }).fd;
    const percpu = create('percpu_array', 4, 12);
    const info = session.callNow('object.info', { fd: percpu });
    const size = info.kind === 'map' ? info.userValueSize : 0;
    expect(size % 16).toBe(0);
    const value = new Uint8Array(size).map((_, i) => (i % 16 < 12 ? i : 0));
    session.callNow('map.update', { fd: percpu, key: u32(1), value });
    expect(session.callNow('map.lookup', { fd: percpu, key: u32(1) })).toEqual({ value });

    const stack = create('stack', 0, 4);
    const none = new Uint8Array();
    for (const n of [1, 2]) session.callNow('map.update', { fd: stack, key: none, value: u32(n) });
    expect(session.callNow('map.lookup', { fd: stack, key: none })).toEqual({ value: u32(2) });
    expect(session.callNow('map.lookupAndDelete', { fd: stack, key: none })).toEqual({ value: u32(2) });

    const bloom = create('bloom_filter', 0, 4);
    session.callNow('map.update', { fd: bloom, key: none, value: u32(7) });
    expect(session.callNow('map.lookup', { fd: bloom, key: u32(7) })).toEqual({ value: u32(7) });
    expect(await outcome(session.call('map.lookup', { fd: bloom, key: u32(8) }))).toBe('ENOENT');

    // No BPF_MAP_LOOKUP_AND_DELETE_BATCH, nor that of deletion, for tries and arrays.
    const trie = create('lpm_trie', 8, 4, { flags: 1 });
    const keys = new Uint8Array(24).fill(0);
    for (const [i, bits] of [8, 16, 24].entries()) keys[i * 8] = bits;
    const values = u32(1, 2, 3);
    expect(session.callNow('map.updateBatch', { fd: trie, keys, values, count: 3 })).toEqual({ count: 3 });
    const found = session.callNow('map.lookupBatch', { fd: trie, count: 2 });
    expect(found.count).toBe(2);
    const rest = session.callNow('map.lookupBatch', { fd: trie, count: 2, cursor: found.cursor ?? none });
    expect([rest.count, rest.cursor]).toEqual([1, undefined]);
    expect(session.callNow('map.deleteBatch', { fd: trie, keys, count: 3 })).toEqual({ count: 3 });
  });

  test('a hash map in batches that are smaller than its buckets', () => {
    const session = ownSession();
    const { fd } = session.callNow('map.create', { name: 'h', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 8 });
    const keys = u32(...Array.from({ length: 8 }, (_, i) => i));
    session.callNow('map.updateBatch', { fd, keys, values: keys, count: 8 });
    const found: number[] = [];
    for (let cursor: Uint8Array | undefined; ; ) {
      const part = session.callNow('map.lookupBatch', { fd, count: 1, ...(cursor && { cursor }) });
      for (let i = 0; i < part.count; i++) found.push(part.keys[4 * i]);
      expect(part.count).toBeLessThanOrEqual(1);
      ({ cursor } = part);
      if (cursor === undefined) break;
    }
    expect(found.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    let taken = 0;
    for (;;) {
      const part = session.callNow('map.lookupBatch', { fd, count: 1, remove: true });
      taken += part.count;
      if (part.cursor === undefined) break;
    }
    expect(taken).toBe(8);
  });

  test('runs are counted while somebody wants it', () => {
    const session = ownSession();
    const { code } = assemble('r0 = 0\nexit');
    const { fd } = session.callNow('prog.load', { name: 'p', type: 'socket_filter', license: 'GPL', code });
    const { fd: statistics } = session.callNow('stats.enable', {});
    session.callNow('prog.testRun', { fd, data: frame, repeat: 1000 });
    const info = session.callNow('object.info', { fd });
    expect(info.kind === 'prog' && info.runCount).toBe(1000n);
    session.callNow('object.close', { fd: statistics });
    session.callNow('context.synchronize', {});
  });

  test('closing a session closes all that it had', async () => {
    const before = descriptors();
    const session = ownSession();
    const { maps } = session.callNow('object.load', { ...load, programs: ['entry'] });
    session.callNow('map.subscribe', { fd: session.callNow('map.create', RING).fd });
    session.callNow('stats.enable', {});
    expect(descriptors()).toBeGreaterThan(before + maps.length);
    await session.close();
    expect(descriptors()).toBeLessThanOrEqual(before + 2);
  });
});

const RING = { name: 'r', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 } as const;
