// Helpers that a module does not have: from the loader, from the caller, from AnyBPF.
import { expect, test } from 'vitest';
import { anybpf } from '../../src/aot/helpers.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { RecordReader } from '../../src/run/records.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import { checksumDifference } from '../../src/helpers/internet-checksum.ts';
import { mapSpec, objectSpec } from '../run/support.ts';
import { compiled, example, loaded, PACKETS } from './support.ts';

const PACKET = Uint8Array.from({ length: 64 }, (_, i) => i);
const text = (source: string, type: ProgramTypeName = 'xdp') => objectSpec([{ text: source, type }]);
const failure = (promise: Promise<unknown>): Promise<{ readonly code?: string; readonly message?: string }> =>
  promise.then(
    () => ({}),
    (error: { readonly code?: string; readonly message?: string }) => error,
  );

test('what is missing is refused when the module is loaded, all of it by name', async () => {
  const spec = text('call bpf_get_current_pid_tgid\ncall bpf_get_current_uid_gid\nexit', 'kprobe');
  const error = await failure(loaded(await compiled(spec)));
  expect(error.code).toBe('aot/missing-helpers');
  expect(error.message).toContain('get_current_pid_tgid, get_current_uid_gid');
});

test('plain ones come from the loader', async () => {
  const source = `r6 = *(u32 *)(r1 + 0)
    call bpf_get_smp_processor_id
    r7 = r0
    call bpf_ktime_get_ns
    r1 = 0
    r2 = 0
    r3 = r6
    r4 = 8
    r5 = 0
    call bpf_csum_diff
    r0 += r7
    exit`;
  const module = await loaded(await compiled(text(source)));
  const expected = checksumDifference(new Uint8Array(), PACKET.subarray(0, 8), 0);
  expect(module.programs.main.run(PACKET).retval).toBe(expected);
});

test('those of the caller get numbers and bigints, the memory, and who calls', async () => {
  const seen: unknown[] = [];
  const module = await loaded(await compiled(text('call bpf_get_current_pid_tgid\nexit', 'kprobe')), {
    helpers: {
      get_current_pid_tgid: ({ memory, program }) => {
        seen.push(memory.buffer.byteLength > 0, program);
        return 0x1_0000_0007n;
      },
    },
  });
  expect(module.programs.main.run(undefined, new Uint8Array(168)).retval).toBe(7);
  expect(seen).toEqual([true, 'main']);
});

test('one that fails is an error with the place of its call', async () => {
  const module = await loaded(await compiled(text('r0 = 0\ncall bpf_get_current_pid_tgid\nexit', 'kprobe')), {
    helpers: {
      get_current_pid_tgid: () => {
        throw new Error('no task');
      },
    },
  });
  const run = () => module.programs.main.run(undefined, new Uint8Array(168));
  expect(run).toThrow('program main, instruction 1: a helper failed: no task [aot/helper]');
});

test('AnyBPF has all of them', async () => {
  const module = await loaded(await compiled(text('call bpf_get_current_pid_tgid\nr0 >>= 32\nexit', 'kprobe')), {
    helpers: anybpf({ host: memoryHost({ process: { tgid: 1234 } }) }),
  });
  expect(module.programs.main.run(undefined, new Uint8Array(168)).retval).toBe(1234);
});

test('records of a ring buffer are those of AnyBPF', async () => {
  const object = example('sampler/sampler.bpf.o');
  using reference = loadObject(object, { host: memoryHost() });
  const [{ name }] = reference.programs;
  const ring = reference.maps.find(({ type }) => type === 'ringbuf')?.name ?? '';
  const expected: Uint8Array[] = [];
  const reader = new RecordReader(reference.map(ring), { record: (record) => expected.push(record) });
  for (const packet of PACKETS) reference.program(name).run({ data: packet });
  expect(reader.poll()).toBeGreaterThan(0);
  const module = await loaded(await compiled(object), { helpers: anybpf({ host: memoryHost() }) });
  for (const packet of PACKETS) module.programs[name].run(packet);
  const records: Uint8Array[] = [];
  module.maps[ring].consume((record) => records.push(record));
  expect(records).toEqual(expected);
});

const RING = [mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 })];

test.each(['submit', 'discard', 'leave'] as const)('a reserved record: %s', async (end) => {
  const source = `r1 = map[ring] ll
    r2 = 16
    r3 = 0
    call bpf_ringbuf_reserve
    if r0 == 0 goto out
    *(u64 *)(r0 + 0) = 5
    *(u64 *)(r0 + 8) = 6
    ${end === 'leave' ? '' : `r1 = r0\nr2 = 0\ncall bpf_ringbuf_${end}`}
  out:
    r0 = 1
    exit`;
  const spec = objectSpec([{ text: source }], RING);
  for (const helpers of [{}, anybpf({ host: memoryHost() })]) {
    const module = await loaded(await compiled(spec), { helpers });
    const records: number[][] = [];
    // More than the ring holds at a time.
    for (let round = 0; round < 300; round++) {
      expect(module.programs.main.run(PACKET).retval).toBe(1);
      if (round % 50 === 49) module.maps.ring.consume((record) => records.push([...record]));
    }
    const record = [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];
    expect(records).toEqual(end === 'submit' ? Array.from({ length: 300 }, () => record) : []);
  }
});

const withRecord = (body: string) =>
  objectSpec([{ text: `r1 = map[ring] ll\nr2 = 16\nr3 = 0\ncall bpf_ringbuf_reserve\n${body}\nr0 = 0\nexit` }], RING);

test('a record past its end is refused, and one that was given back', async () => {
  for (const body of [
    '*(u64 *)(r0 + 16) = 1',
    'r6 = r0\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\n*(u8 *)(r6 + 0) = 1',
    'r6 = r0\n*(u8 *)(r6 + 0) = 1\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\n*(u8 *)(r6 + 0) = 1',
  ]) {
    const module = await loaded(await compiled(withRecord(body)));
    expect(() => module.programs.main.run(PACKET), body).toThrow('run/bad-access');
  }
});

const TABLES = [
  mapSpec('array', 'array'),
  mapSpec('hash', 'hash'),
  mapSpec('programs', 'prog_array', { slots: [{ index: 1, kind: 'program', target: 'next' }] }),
];
/** `key` and `value` on the stack, the map of `name` in r1. */
const call = (name: string, key: number, flags: number, helper: string): string => `
  *(u32 *)(r10 - 4) = ${key}
  *(u32 *)(r10 - 8) = 5
  r1 = map[${name}] ll
  r2 = r10
  r2 += -4
  r3 = r10
  r3 += -8
  r4 = ${flags}
  call bpf_map_${helper}_elem
  exit`;
const tailCall = (index: number): string => `r2 = map[programs] ll\nr3 = ${index}\ncall bpf_tail_call\nexit`;

/** A map that is one or the other only when the program runs. */
const EITHER = `
  r6 = map[array] ll
  r7 = *(u32 *)(r1 + 12)
  if r7 == 1 goto same
  r6 = map[hash] ll
same:
  *(u32 *)(r10 - 4) = 2
  *(u32 *)(r10 - 8) = 6
  r1 = r6
  r2 = r10
  r2 += -4
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_map_update_elem
  r1 = r6
  r2 = r10
  r2 += -4
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r0 = *(u32 *)(r0 + 0)
out:
  exit`;

test.each([
  ['an index outside of an array', call('array', 99, 0, 'update')],
  ['an element of an array that is there', call('array', 1, 1, 'update')],
  ['flags that there are not', call('array', 1, 7, 'update')],
  ['deletion in an array', call('array', 1, 0, 'delete')],
  ['deletion of what is not there', call('hash', 1, 0, 'delete')],
  ['a map that is known when it runs', EITHER],
  ['a tail call to an empty slot', tailCall(0)],
  ['a tail call outside', tailCall(50)],
  ['a tail call', tailCall(1)],
])('errors and calls that code leaves to its host: %s', async (_, source) => {
  const spec = objectSpec([{ text: source }, { name: 'next', text: 'r0 = 77\nexit' }], TABLES);
  using reference = loadObject(spec, { host: memoryHost(), engine: 'reference' });
  const module = await loaded(await compiled(spec));
  expect(module.programs.main.run(PACKET).retval).toBe(reference.program('main').run({ data: PACKET }).retval);
});

const LOAD = (helper: string, offset: number, size: number): string => `
  r2 = ${offset} ll
  r3 = r10
  r3 += -16
  r4 = ${size}
  *(u64 *)(r10 - 16) = 7
  *(u64 *)(r10 - 8) = 7
  call bpf_${helper}
  r1 = *(u64 *)(r10 - 16)
  r0 += r1
  exit`;

test.each([
  ['xdp', 'xdp_load_bytes'],
  ['sched_cls', 'skb_load_bytes'],
] as const)('bytes of the packet in checked code: %s', async (type, helper) => {
  for (const [offset, size] of [
    [0, 8],
    [60, 4],
    [61, 4],
    [0xffff_ffff, 16],
    [14, 1],
  ] as const) {
    const spec = text(LOAD(helper, offset, size), type);
    using reference = loadObject(spec, { host: memoryHost(), engine: 'reference' });
    const module = await loaded(await compiled(spec));
    const expected = reference.program('main').run({ data: PACKET }).retval;
    expect(module.programs.main.run(PACKET).retval, `${offset}, ${size}`).toBe(expected);
  }
});
