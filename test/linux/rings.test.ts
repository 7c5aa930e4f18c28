// Ring buffers and perf event arrays, as records come and as they are asked for; records for programs.
import { describe, expect, test } from 'vitest';
import type { Events } from '../../src/spec/session.ts';
import { pinToCpu } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { compiled, ownSession } from './support.ts';

const missing = requireCapability('kernel-bpf') ?? requireCapability('libbpf-dev');
const object = missing === undefined ? compiled('rings.bpf.c') : new Uint8Array();
const data = new Uint8Array(64);

function loaded() {
  const session = ownSession();
  const { programs, maps } = session.callNow('object.load', { object, name: 'rings.bpf.o' });
  const program = (name: string): number => programs.find((one) => one.name === name)?.fd ?? 0;
  const map = (name: string): number => maps.find((one) => one.name === name || one.section === name)?.fd ?? 0;
  const run = (repeat: number): void => {
    session.callNow('prog.testRun', { fd: program('produce'), data, repeat });
  };
  return { session, program, map, run };
}

const numberOf = (record: Uint8Array): number =>
  Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true));

const record = (number: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(number)).buffer);

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe.skipIf(missing !== undefined)('records of the kernel', () => {
  test('of a ring buffer: taken, and in order over its end', () => {
    const { session, map, run } = loaded();
    const numbers: number[] = [];
    for (let round = 0; round < 20; round++) {
      run(100);
      const { records, lost } = session.callNow('map.consume', { fd: map('ring'), most: 60 });
      expect([records.length, lost]).toEqual([60, 0]);
      numbers.push(...records.map((record) => numberOf(record.data)));
      numbers.push(...session.callNow('map.consume', { fd: map('ring') }).records.map((one) => numberOf(one.data)));
    }
    expect(numbers).toEqual(upTo(2000));
  });

  test('of both kinds, as they come', async () => {
    const { session, map, run } = loaded();
    const heard = { ring: [] as Events['records'][], perf: [] as Events['records'][] };
    session.on('records', (event) => heard[event.fd === map('ring') ? 'ring' : 'perf'].push(event));
    session.callNow('map.subscribe', { fd: map('perf'), perCpuBytes: 4096 });
    // What was there before comes first.
    run(50);
    session.callNow('map.subscribe', { fd: map('ring') });
    run(50);
    const all = (kind: 'ring' | 'perf') => heard[kind].flatMap(({ records }) => records);
    await expect.poll(() => [all('ring').length, all('perf').length]).toEqual([100, 100]);
    expect(all('ring').map((record) => numberOf(record.data))).toEqual(upTo(100));
    // A perf buffer is a CPU's; padding is the kernel's.
    expect(all('perf').map((record) => numberOf(record.data))).toEqual(upTo(100));
    expect(new Set(all('perf').map(({ data: bytes }) => bytes.length))).toEqual(new Set([12]));
    for (let i = 0; i < 5; i++) {
      run(10);
      // Whoever watches is not forgotten.
      globalThis.gc?.();
      await expect.poll(() => all('ring').length).toBe(110 + 10 * i);
    }
    session.callNow('object.close', { fd: map('ring') });
    run(10);
    await new Promise((done) => setTimeout(done, 20));
    expect(all('ring')).toHaveLength(150);
  });

  test('that do not fit are counted by perf buffers, and refused to programs by ring buffers', async () => {
    // What a CPU has lost it says with the next record of its own.
    expect(pinToCpu(0)).toBe(0);
    const { session, map, run } = loaded();
    expect(session.callNow('map.consume', { fd: map('perf') })).toEqual({ records: [], lost: 0 });
    run(5000);
    const first = session.callNow('map.consume', { fd: map('perf') });
    // The kernel says how many were lost when there is room again.
    run(1);
    const second = session.callNow('map.consume', { fd: map('perf') });
    const found = first.records.length + second.records.length;
    expect(found).toBeLessThan(5001);
    expect(found + first.lost + second.lost).toBe(5001);
    const { records } = session.callNow('map.consume', { fd: map('ring') });
    // The kernel fills a ring but for its last record.
    expect(records).toHaveLength(4096 / 16 - 1);
    const bss = session.map(map('.bss'));
    const counters = new BigUint64Array((bss.mmap() as Uint8Array).buffer, 0, 3);
    expect([...counters].toSorted((a, b) => Number(a - b))).toEqual([0n, 5001n - 255n, 5001n]);
  });

  test('for programs', () => {
    const { session, map, program } = loaded();
    const user = map('user');
    let sum = 0;
    for (let round = 0; round < 10; round++) {
      const numbers = upTo(100).map((i) => i + round * 1000);
      sum += numbers.reduce((all, one) => all + one, 0);
      expect(session.callNow('map.produce', { fd: user, records: numbers.map(record) })).toEqual({ count: 100 });
      expect(session.callNow('prog.testRun', { fd: program('drain'), data }).retval).toBe(100);
    }
    const bss = session.map(map('.bss'));
    const counters = new BigUint64Array((bss.mmap() as Uint8Array).buffer, 0, 3);
    expect([...counters]).toContain(BigInt(sum));
    const many = session.callNow('map.produce', { fd: user, records: upTo(300).map(record) });
    expect(many).toEqual({ count: 256, errno: 28 });
    const large = session.callNow('map.produce', { fd: user, records: [new Uint8Array(5000)] });
    expect(large).toEqual({ count: 0, errno: 7 });
  });

  test('only where there are some', () => {
    const session = ownSession();
    const { fd } = session.callNow('map.create', { name: 'a', type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 });
    expect(() => session.callNow('map.consume', { fd })).toThrow(/EINVAL/);
    expect(() => session.callNow('map.subscribe', { fd })).toThrow(/EINVAL/);
    expect(() => session.callNow('map.produce', { fd, records: [] })).toThrow(/EINVAL/);
    expect(() => session.callNow('map.write', { fd, data })).toThrow(/EINVAL/);
  });
});
