// Sharing and attaching: what is refused, and what several runtimes of one thread see of each other.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { SharedObject } from '../../src/run/share.ts';
import { SharedMemory } from '../../src/run/shared-memory.ts';
import type { ProgramText } from '../run/support.ts';
import { mapSpec, objectSpec } from '../run/support.ts';

const LIMIT = 2 ** 24;
const MAPS = [
  mapSpec('counters', 'percpu_array', { valueSize: 8, maxEntries: 2 }),
  mapSpec('table', 'hash', { valueSize: 8, maxEntries: 1000 }),
  mapSpec('jumps', 'prog_array', { maxEntries: 2 }),
  mapSpec('devices', 'devmap', { maxEntries: 2 }),
  mapSpec('others', 'devmap_hash', { maxEntries: 2 }),
  mapSpec('processors', 'cpumap', { maxEntries: 2 }),
];
const CPU = 'call bpf_get_smp_processor_id\nexit';
const JUMP = 'r2 = map[jumps] ll\nr3 = 1\ncall bpf_tail_call\nr0 = 77\nexit';
const PROGRAMS: readonly ProgramText[] = [
  { name: 'cpu', text: CPU },
  { name: 'jump', text: JUMP },
];
const OBJECT = objectSpec(PROGRAMS, MAPS);
const DATA = new Uint8Array(64);

const share = (cpus = 2): LoadedObject =>
  loadObject(OBJECT, { host: memoryHost({ cpus }), shared: true, memoryLimit: LIMIT });
const attach = (shared: SharedObject, cpus = 2): LoadedObject =>
  loadObject(OBJECT, { host: memoryHost({ cpus }), attach: shared });

const retvalOf = (object: LoadedObject, program: string): number => object.program(program).run({ data: DATA }).retval;

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('refused', () => {
  test('without SharedArrayBuffer there is no shared memory, and all else works', () => {
    vi.stubGlobal('SharedArrayBuffer', undefined);
    expect(() => share()).toThrow('run/no-shared-memory');
    expect(() => attach({} as SharedObject)).toThrow('run/attach');
    using object = loadObject(OBJECT, { host: memoryHost() });
    expect(object.program('cpu').run({ data: DATA }).retval).toBe(0);
  });

  test('more memory than there is', () => {
    vi.spyOn(WebAssembly, 'Memory').mockImplementation(function refuse(): never {
      throw new RangeError('could not allocate memory');
    });
    expect(() => SharedMemory.create(1)).toThrow(/could not allocate memory.*no-shared-memory/);
  });

  test('share() of an object that is not for sharing', () => {
    using object = loadObject(OBJECT, { host: memoryHost() });
    expect(() => object.share()).toThrow('run/not-shared');
  });

  const shared = share();
  const handle = shared.share();
  const other = (change: Partial<SharedObject>): SharedObject => ({ ...handle, ...change });
  const unshared = new WebAssembly.Memory({ initial: 1 });
  const cases: readonly [string, SharedObject][] = [
    ['something else', {} as SharedObject],
    ['no maps', other({ maps: undefined })],
    ['memory that is not shared', other({ memory: { ...handle.memory, memory: unshared } })],
    ['a control buffer that is too small', other({ memory: { ...handle.memory, control: new SharedArrayBuffer(4) } })],
    ['a limit beyond the memory', other({ memory: { ...handle.memory, limit: LIMIT * 2 } })],
  ];
  test.each(cases)('%s', (_, wrong) => {
    expect(() => attach(wrong)).toThrow('run/attach');
  });

  test.each([
    ['of another object', { name: 'other' }],
    ['of another kind', { valueSize: 24 }],
  ])('maps %s', (_, change) => {
    using object = attach(other({ maps: handle.maps.map((map) => ({ ...map, ...change })) }));
    expect(object.diagnostics.map(({ code }) => code)).toEqual(['run/attach', ...MAPS.map(() => 'run/attach')]);
  });

  test('a host with another number of CPUs', () => {
    expect(() => attach(handle, 3)).toThrow(/3 CPUs.* 2.*run\/attach/);
  });

  test('a map type that threads cannot share', () => {
    const maps = [mapSpec('traces', 'stack_trace', { valueSize: 8 })];
    using object = loadObject(objectSpec([{ name: 'cpu', text: CPU }], maps), {
      host: memoryHost(),
      shared: true,
      memoryLimit: LIMIT,
    });
    expect(object.diagnostics.map(({ code }) => code)).toEqual(['map/not-shared']);
  });
});

test('each thread runs as a CPU of its own, which others can have after it', () => {
  using first = share();
  const handle = first.share();
  using second = attach(handle);
  using third = attach(handle);
  expect([retvalOf(second, 'cpu'), retvalOf(first, 'cpu'), retvalOf(second, 'cpu')]).toEqual([0, 1, 0]);
  expect(() => retvalOf(third, 'cpu')).toThrow(/2 CPUs.*run\/cpus/);
  second[Symbol.dispose]();
  expect(retvalOf(third, 'cpu')).toBe(0);
});

test('tail calls go through the shared prog_array', () => {
  using first = share();
  using second = attach(first.share());
  expect([retvalOf(first, 'jump'), retvalOf(second, 'jump')]).toEqual([77, 77]);
  first.map('jumps').set(1, first.program('cpu'));
  expect([retvalOf(first, 'jump'), retvalOf(second, 'jump')]).toEqual([0, 1]);
  second.map('jumps').delete(1);
  expect(retvalOf(first, 'jump')).toBe(77);
});

test.each(['devices', 'others', 'processors'])('targets of redirects: %s', (name) => {
  using first = share();
  using second = attach(first.share());
  first.map(name).set(1, 7);
  expect(second.map(name).get(1)?.[0]).toBe(7);
  second.map(name).delete(1);
  expect(first.map(name).get(1)?.[0] ?? 0).toBe(0);
});

test('what one side does to a map the other sees, through growth', () => {
  using first = share();
  using second = attach(first.share());
  const [a, b] = [first.map('table'), second.map('table')];
  for (let key = 0; key < 1000; key++) (key % 2 === 0 ? a : b).set(key, key);
  expect(() => b.set(1000, 0)).toThrow('E2BIG');
  expect([...a.keys()]).toHaveLength(1000);
  expect([...b.entries()]).toEqual([...a.entries()]);
  for (let key = 0; key < 1000; key += 3) b.delete(key);
  expect([...a.keys()]).toHaveLength(666);
  a.set(0, 5);
  expect(b.get(0)?.[0]).toBe(5);
});

test('memory that is full is refused, and given back by any side', () => {
  const first = SharedMemory.create(1, 2 ** 20);
  const second = new SharedMemory(first.handle);
  const half = first.alloc(2 ** 19);
  expect(() => second.alloc(2 ** 19)).toThrow('run/out-of-memory');
  expect(() => second.alloc(-1)).toThrow('run/out-of-memory');
  first.u8.fill(7, half, half + 2 ** 19);
  second.free(half);
  expect(() => second.free(half)).toThrow('not allocated');
  const again = second.alloc(2 ** 19);
  expect(again).toBe(half);
  expect(first.u8.subarray(again, again + 2 ** 19).every((byte) => byte === 0)).toBe(true);
  // Small blocks still fit, of both sides, and none lies in another.
  const blocks = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? first : second).alloc(100));
  expect(new Set(blocks.map((block) => Math.floor(block / 128))).size).toBe(100);
});
