// Helpers that ask the host: clocks, random numbers, the processor, the process, foreign memory, traces, counters, stacks.
import { describe, expect, test } from 'vitest';
import type { PerfEventArrayMap } from '../../src/spec/map.ts';
import { FakeRun, u32Bytes } from './fake-run.ts';

const E2BIG = -7;
const EFAULT = -14;
const EINVAL = -22;
const ENOENT = -2;
const SECOND = 1_000_000_000n;

const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);

/** Memory of another address space: 0x7000_0000_0000 on. */
const FOREIGN = 0x7000_0000_0000n;
const foreign = new TextEncoder().encode('hello\0world');
const readForeign = (address: bigint, size: number): Uint8Array | undefined => {
  const at = Number(address - FOREIGN);
  return at >= 0 && at + size <= foreign.length ? foreign.slice(at, at + size) : undefined;
};

describe('clocks', () => {
  test('give the host’s time', () => {
    const run = new FakeRun({ host: { hz: 100 } });
    const clock = {
      monotonic: () => 3n * SECOND + 17_000_001n,
      boot: () => 5n * SECOND,
      tai: () => 7n,
      realtime: () => 8n,
    };
    Object.assign(run, { host: { ...run.host, clock } });
    expect(run.call$('ktime_get_ns')).toBe(3_017_000_001n);
    expect(run.call$('ktime_get_boot_ns')).toBe(5n * SECOND);
    expect(run.call$('ktime_get_coarse_ns')).toBe(3_010_000_000n);
    expect(run.call$('ktime_get_tai_ns')).toBe(7n);
    expect(run.call$('jiffies64')).toBe(2n ** 32n - 30_000n + 301n);
    expect(run.call$('ktime_get_ms')).toBe(3017n);
    expect(run.call$('ktime_get_boot_ms')).toBe(5000n);
  });
});

describe('processor and chance', () => {
  test('come from the run and the host', () => {
    const run = new FakeRun({ host: { cpus: 4 } });
    run.cpu = 3;
    expect(run.run('get_smp_processor_id')).toBe(3);
    expect(run.run('get_numa_node_id')).toBe(0);
    const numbers = Array.from({ length: 20 }, () => run.run('get_prandom_u32'));
    for (const number of numbers) expect(number).toBeGreaterThanOrEqual(0);
    expect(new Set(numbers).size).toBeGreaterThan(15);
  });
});

describe('process', () => {
  const run = new FakeRun({
    host: {
      process: {
        pid: 0x1_0002,
        tgid: 7,
        uid: 3,
        gid: 4,
        comm: 'a-long-command-name',
        cgroupId: 30n,
        netClassId: 8,
        cgroupAncestors: [10n, 20n],
        pidNamespace: { device: 1n, inode: 2n, pid: 5, tgid: 6 },
      },
    },
  });

  test.each([
    ['get_current_pid_tgid', 0x7_0001_0002n],
    ['get_current_uid_gid', 0x4_0000_0003n],
    ['get_current_cgroup_id', 30n],
    ['get_cgroup_classid', 8n],
  ] as const)('%s', (name, expected) => {
    expect(run.call$(name)).toBe(expected);
  });

  test.each([
    [0, 10n],
    [1, 20n],
    [2, 30n],
    [3, 0n],
    [-1, 0n],
  ])('ancestor at level %d', (level, expected) => {
    expect(run.call$('get_current_ancestor_cgroup_id', level)).toBe(expected);
  });

  test('the name is cut to the buffer and ended', () => {
    const out = run.buffer(new Uint8Array(24).fill(255));
    expect(run.run('get_current_comm', out, 24)).toBe(0);
    expect(String.fromCharCode(...run.bytes(out, 16))).toBe('a-long-command-\0');
    expect(run.bytes(out + 15, 9)).toEqual(zeros(9));
    expect(run.run('get_current_comm', out, 4)).toBe(0);
    expect(String.fromCharCode(...run.bytes(out, 4))).toBe('a-l\0');
  });

  test('ids of a pid namespace need its device and inode', () => {
    const out = run.buffer(new Uint8Array(8).fill(1));
    expect(run.run('get_ns_current_pid_tgid', 1, 3, out, 8)).toBe(EINVAL);
    expect(run.bytes(out, 8)).toEqual(zeros(8));
    expect(run.run('get_ns_current_pid_tgid', 1, 2, out, 8)).toBe(0);
    expect(run.bytes(out, 8)).toEqual([5, 0, 0, 0, 6, 0, 0, 0]);
  });

  test('a task structure is only given by a host that has one', () => {
    expect(() => run.run('get_current_task')).toThrow(/no task structures.*helper-refused/);
    const other = new FakeRun({ host: { process: { taskAddress: FOREIGN } } });
    expect(other.call$('get_current_task')).toBe(FOREIGN);
    expect(other.call$('get_current_task_btf')).toBe(FOREIGN);
  });
});

describe('foreign memory', () => {
  const run = new FakeRun({ host: { readForeign } });
  const out = run.buffer(16);

  test.each(['probe_read', 'probe_read_user', 'probe_read_kernel', 'copy_from_user'])('%s', (name) => {
    expect(run.run(name, out, 5, FOREIGN)).toBe(0);
    expect(String.fromCharCode(...run.bytes(out, 5))).toBe('hello');
    expect(run.run(name, out, 12, FOREIGN)).toBe(EFAULT);
    expect(run.bytes(out, 12)).toEqual(zeros(12));
    expect(run.run(name, out, 0, 0)).toBe(0);
  });

  test.each(['probe_read_str', 'probe_read_user_str', 'probe_read_kernel_str'])('%s', (name) => {
    run.memory.u8.fill(9, out, out + 16);
    expect(run.run(name, out, 16, FOREIGN)).toBe(6);
    expect(run.bytes(out, 7)).toEqual([...new TextEncoder().encode('hello\0'), 9]);
    expect(run.run(name, out, 3, FOREIGN)).toBe(3);
    expect(String.fromCharCode(...run.bytes(out, 3))).toBe('he\0');
    expect(run.run(name, out, 16, FOREIGN + 6n), 'no NUL before the end').toBe(EFAULT);
    expect(run.bytes(out, 16)).toEqual(zeros(16));
  });

  test.each(['probe_read', 'probe_read_str', 'copy_from_user'])('%s of no bytes, to anywhere', (name) => {
    expect(run.run(name, 0xffff_fff0, 0, FOREIGN)).toBe(0);
  });

  test('the program’s own memory can be read too, within its regions', () => {
    const from = run.buffer(u32Bytes(0x0403_0201));
    expect(run.run('probe_read_kernel', out, 4, from)).toBe(0);
    expect(run.bytes(out, 4)).toEqual([1, 2, 3, 4]);
    expect(run.run('probe_read_kernel', out, 5, from)).toBe(EFAULT);
  });

  test('writes reach the host, or fail', () => {
    const written: unknown[] = [];
    const writing = new FakeRun({
      host: {
        writeForeign: (address, bytes) => {
          written.push(address, [...bytes]);
          return address === FOREIGN;
        },
      },
    });
    const from = writing.buffer(u32Bytes(5));
    expect(writing.run('probe_write_user', FOREIGN, from, 4)).toBe(0);
    expect(writing.run('probe_write_user', FOREIGN + 1n, from, 4)).toBe(EFAULT);
    expect(written).toEqual([FOREIGN, [5, 0, 0, 0], FOREIGN + 1n, [5, 0, 0, 0]]);
  });
});

describe('trace', () => {
  test('prints lines for a person', () => {
    const run = new FakeRun({ host: { readForeign } });
    const print = (format: string, ...args: readonly (number | bigint)[]): number => {
      const fmt = run.buffer(`${format}\0`);
      return run.run('trace_printk', fmt, format.length + 1, args[0] ?? 0, args[1] ?? 0, args[2] ?? 0);
    };
    const address = run.buffer(Uint8Array.of(10, 0, 0, 1));
    const six = run.buffer(Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    expect(print('x=%d y=%llx\n', -1, 255)).toBe(10);
    expect(print('%s!', FOREIGN)).toBe(6);
    expect(print('%pks|%pus', FOREIGN, FOREIGN + 6n)).toBe(6);
    expect(print('%pI4 %pi4', address, address)).toBe(24);
    expect(print('%pI6', six)).toBe(39);
    expect(print('%pi6', six)).toBe(32);
    expect(print('%5s|%-6s|', FOREIGN, FOREIGN)).toBe(13);
    expect(print('%ps', 0x1234)).toBe(6);
    expect(print('%p %c', 0xff, 65)).toBe(18);
    expect(print('%d %d %d %d')).toBe(EINVAL);
    const open = run.buffer('no end');
    expect(run.run('trace_printk', open, 6, 0, 0, 0)).toBe(EINVAL);
    expect(run.memoryHost.traceLines).toEqual([
      'x=-1 y=ff',
      'hello!',
      'hello|',
      '10.0.0.1 010.000.000.001',
      '2001:0db8:0000:0000:0000:0000:0000:0001',
      '20010db8000000000000000000000001',
      'hello|hello |',
      '0x1234',
      '00000000000000ff A',
    ]);
  });

  test('takes an array of arguments', () => {
    const run = new FakeRun();
    const fmt = run.buffer('%d,%d\0');
    const data = run.buffer(new Uint8Array(BigUint64Array.of(1n, 2n).buffer));
    expect(run.run('trace_vprintk', fmt, 6, data, 16)).toBe(3);
    expect(run.memoryHost.traceLines).toEqual(['1,2']);
    expect(run.run('trace_vprintk', fmt, 6, data, 8)).toBe(EINVAL);
    expect(run.run('trace_vprintk', fmt, 6, data, 15)).toBe(EINVAL);
  });

  test('has one helper for each number of arguments on Windows', () => {
    const run = new FakeRun({ dialect: 'windows', type: 'bind' });
    const fmt = run.buffer('a %u\0');
    expect(run.run('trace_printk3', fmt, 5, 7)).toBe(3);
    expect(run.run('trace_printk2', fmt, 5)).toBe(-6);
    expect(run.run('trace_printk4', fmt, 5, 7, 8)).toBe(3);
    expect(run.run('trace_printk5', fmt, 5, 7, 8, 9)).toBe(3);
    expect(run.memoryHost.traceLines).toEqual(['a 7', 'a 7', 'a 7']);
  });
});

describe('perf events', () => {
  const counters = { value: 11n, enabled: 22n, running: 33n };
  const run = new FakeRun({
    host: {
      cpus: 2,
      perfCounter: (_map, index) => (index === 1 ? counters : undefined),
      stack: () => [0x10n, 0x20n, 0x30n],
    },
  });
  const map = run.map('perf_event_array', { valueSize: 4, maxEntries: 2 });
  const CURRENT_CPU = 0xffff_ffff;

  test('counters are read by slot or for this CPU', () => {
    expect(run.run('perf_event_read', map.handle, 1)).toBe(11);
    expect(run.run('perf_event_read', map.handle, 0)).toBe(ENOENT);
    expect(run.run('perf_event_read', map.handle, 2)).toBe(E2BIG);
    expect(run.run('perf_event_read', map.handle, 1n << 32n)).toBe(EINVAL);
    run.cpu = 1;
    expect(run.run('perf_event_read', map.handle, CURRENT_CPU)).toBe(11);
    run.cpu = 0;
    const out = run.buffer(new Uint8Array(24).fill(1));
    expect(run.run('perf_event_read_value', map.handle, 1, out, 24)).toBe(0);
    expect(run.bytes(out, 24).filter((byte) => byte !== 0)).toEqual([11, 22, 33]);
    expect(run.run('perf_event_read_value', map.handle, 0, out, 24)).toBe(ENOENT);
    expect(run.bytes(out, 24)).toEqual(zeros(24));
    expect(run.run('perf_event_read_value', map.handle, 1, out, 16)).toBe(EINVAL);
    expect(run.run('perf_prog_read_value', run.ctx, out, 24)).toBe(EINVAL);
  });

  test('stacks are copied, skipped into and cut', () => {
    const out = run.buffer(new Uint8Array(32).fill(1));
    expect(run.run('get_stack', run.ctx, out, 32, 0)).toBe(24);
    expect(run.bytes(out, 32).filter((byte) => byte !== 0)).toEqual([0x10, 0x20, 0x30]);
    expect(run.run('get_stack', run.ctx, out, 8, 1)).toBe(8);
    expect(run.bytes(out, 8)[0]).toBe(0x20);
    expect(run.run('get_stack', run.ctx, out, 32, 3)).toBe(0);
    expect(run.run('get_stack', run.ctx, out, 32, 4)).toBe(EFAULT);
    expect(run.run('get_stack', run.ctx, out, 12, 0)).toBe(EINVAL);
    expect(run.run('get_stack', run.ctx, out, 32, 1 << 11)).toBe(EINVAL);
  });

  test('stacks are stored once', () => {
    const traces = run.map('stack_trace', { valueSize: 16, maxEntries: 16 });
    const id = run.run('get_stackid', run.ctx, traces.handle, 0);
    expect(id).toBeGreaterThanOrEqual(0);
    expect(run.run('get_stackid', run.ctx, traces.handle, 0)).toBe(id);
    expect(traces.lookup(u32Bytes(id))).toEqual(new Uint8Array(BigUint64Array.of(0x10n, 0x20n).buffer));
    expect(run.run('get_stackid', run.ctx, traces.handle, 3)).toBe(EFAULT);
    expect(run.run('get_stackid', run.ctx, traces.handle, 1 << 12)).toBe(EINVAL);
    expect(() => run.run('get_stackid', run.ctx, map.handle, 0)).toThrow(/helper-argument-map-type/);
  });

  test('records carry the packet where asked', () => {
    const events = run.map('perf_event_array', { valueSize: 4, maxEntries: 2 });
    const output = (flags: bigint, size = 4): number =>
      run.run('perf_event_output', run.ctx, events.handle, flags, data, size);
    const data = run.buffer(u32Bytes(0x0403_0201));
    run.start({ data: Uint8Array.from({ length: 20 }, (_, i) => 100 + i) });
    expect(output(0xffff_ffffn)).toBe(ENOENT);
    (events as PerfEventArrayMap).open();
    expect(output(0xffff_ffffn)).toBe(0);
    expect(output(0xffff_ffffn | (3n << 32n))).toBe(0);
    expect(output(0xffff_ffffn | (21n << 32n))).toBe(EFAULT);
    expect(output(2n)).toBe(E2BIG);
    expect(output(1n << 52n)).toBe(EINVAL);
    const records: number[][] = [];
    (events as PerfEventArrayMap).consume((cpu, record) => {
      records.push([cpu, ...record]);
    });
    expect(records).toEqual([
      [0, 1, 2, 3, 4],
      [0, 1, 2, 3, 4, 100, 101, 102],
    ]);
  });
});
