// Runs of programs: tail calls, callbacks, budgets, aborts with their place, what a run leaves behind.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { REDIRECT } from '../../src/helpers/redirect.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { ipv4Frame, loadText, mapSpec, objectSpec } from './support.ts';

const FRAME = ipv4Frame();

function raised(run: () => unknown): AnyBpfError {
  try {
    run();
  } catch (error) {
    if (error instanceof AnyBpfError) return error;
    throw error;
  }
  throw new Error('nothing was raised');
}

describe('results', () => {
  test('return value, verdict and packet', () => {
    using object = loadText(
      'xdp',
      'r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto out\nr5 = 0x42\n*(u8 *)(r2 + 0) = r5\nout: r0 = 3\nexit',
    );
    const result = object.program().run({ data: FRAME });
    expect(result).toMatchObject({ retval: 3, verdict: 'XDP_TX' });
    expect(result.data).toEqual(Uint8Array.from(FRAME, (byte, i) => (i === 0 ? 0x42 : byte)));
    expect(result.duration).toBeGreaterThan(0);
    expect(FRAME[0]).toBe(0);
  });

  test.each([
    ['xdp', 1, 'XDP_DROP'],
    ['xdp', 9, 'XDP_ABORTED'],
    ['sched_cls', -1, 'TC_ACT_UNSPEC'],
    ['sched_cls', 2, 'TC_ACT_SHOT'],
    ['sched_cls', 77, undefined],
    ['socket_filter', 0, 'DROP'],
    ['socket_filter', 60, 'KEEP'],
    ['raw_tracepoint', 5, undefined],
  ] as const)('%s %d is called %s', (type, value, verdict) => {
    using object = loadText(type, `r0 = ${value}\nexit`);
    const result = object.program().run(type === 'raw_tracepoint' ? {} : { data: FRAME });
    expect(result).toMatchObject({ retval: value >>> 0, verdict });
  });

  test('only the low 32 bits of r0 are given', () => {
    using object = loadText('sched_cls', 'r0 = 0x123456789 ll\nexit');
    expect(object.program().run({ data: FRAME }).retval).toBe(0x2345_6789);
  });

  test('`repeat` runs go on with the packet that the one before left', () => {
    const text = 'r2 = *(u32 *)(r1 + 76)\nr3 = *(u8 *)(r2 + 20)\nr3 += 1\n*(u8 *)(r2 + 20) = r3\nr0 = r3\nexit';
    using object = loadText('sched_cls', text);
    expect(object.program().run({ data: FRAME, repeat: 5 }).retval).toBe(FRAME[20] + 5);
    expect(object.program().run({ data: FRAME }).retval).toBe(FRAME[20] + 1);
    expect(object.program().run({ data: FRAME, repeat: 0 }).retval).toBe(FRAME[20] + 1);
    expect(raised(() => object.program().run({ data: FRAME, repeat: -1 })).code).toBe('run/option');
  });

  test('what helpers leave of a run can be asked for, and is gone in the next', () => {
    const text =
      'r6 = r1\nr1 = 7\nr2 = *(u32 *)(r6 + 8)\nif r2 == 0 goto none\nr2 = 0\ncall bpf_redirect\nexit\nnone: r0 = 0\nexit';
    using object = loadText('sched_cls', text);
    const program = object.program();
    const redirected = program.run({ data: FRAME, ctx: { mark: 1 } });
    expect(redirected).toMatchObject({ verdict: 'TC_ACT_REDIRECT' });
    expect(redirected.state(REDIRECT)?.target).toEqual({ kind: 'interface', ifindex: 7, ingress: false });
    expect(program.run({ data: FRAME }).state(REDIRECT)).toBeUndefined();
    expect(program.runRaw({ data: FRAME, ctx: { mark: 1 } })).toBe(7);
    expect(program.lastState(REDIRECT)?.target).toMatchObject({ ifindex: 7 });
    expect(program.lastPacket).toEqual(FRAME);
  });

  test('an LD_ABS of a socket filter begins at the network header, or at the link header where asked', () => {
    using object = loadText('socket_filter', 'r6 = r1\nr0 = *(u16 *)skb[0]\nexit');
    expect(object.program().run({ data: FRAME }).retval).toBe((FRAME[14] << 8) | FRAME[15]);
    expect(object.program().run({ data: FRAME, layer: 'link' }).retval).toBe((FRAME[0] << 8) | FRAME[1]);
  });
});

describe('tail calls', () => {
  const COUNT = 'r6 = r1\nr1 = map[counter][0] ll\nr2 = *(u32 *)(r1 + 0)\nr2 += 1\n*(u32 *)(r1 + 0) = r2\n';
  const counter = mapSpec('counter', 'array', { maxEntries: 1, kind: 'bss', section: '.bss', valueSize: 4 });
  const programs = mapSpec('programs', 'prog_array', { slots: [{ index: 0, kind: 'program', target: 'self' }] });

  test('33 go through, the 34th does not', () => {
    const text = `${COUNT}r1 = r6\nr2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 5\nexit`;
    using object = loadObject(objectSpec([{ name: 'self', type: 'xdp', text }], [counter, programs]), {
      host: memoryHost(),
    });
    expect(object.diagnostics).toEqual([]);
    for (const runs of [1, 2]) {
      expect(object.program().run({ data: FRAME }).retval).toBe(5);
      expect(object.map('counter').get(0)).toEqual(Uint8Array.from([34 * runs, 0, 0, 0]));
    }
  });

  test('an empty slot and one outside go on behind the call', () => {
    const text =
      'r6 = r1\nr2 = map[programs] ll\nr3 = 1\ncall bpf_tail_call\nr1 = r6\nr2 = map[programs] ll\nr3 = 99\ncall bpf_tail_call\nr0 = 8\nexit';
    using object = loadObject(objectSpec([{ name: 'self', type: 'xdp', text }], [programs]), { host: memoryHost() });
    expect(object.program().run({ data: FRAME }).retval).toBe(8);
  });

  const RETURN = 'r0 = 1\nexit';
  test('a prog_array takes programs of one type and attach type only, as the kernel', () => {
    const spec = objectSpec(
      [
        { name: 'self', type: 'sched_cls', text: RETURN },
        { name: 'same', type: 'sched_cls', text: RETURN },
        { name: 'tcx', type: 'sched_cls', attachType: 'tcx_ingress', text: RETURN },
        { name: 'xdp', type: 'xdp', text: RETURN },
      ],
      [programs],
    );
    using object = loadObject(spec, { host: memoryHost() });
    const map = object.map('programs');
    map.set(1, object.program('same'));
    expect(map.get(1)).toEqual(Uint8Array.from([object.program('same').id, 0, 0, 0]));
    for (const name of ['tcx', 'xdp']) {
      const error = raised(() => map.set(2, object.program(name)));
      expect(error.code).toBe('run/map-operation');
      expect(error.message).toContain('EINVAL');
    }
    expect(raised(() => map.set(2, 4711)).message).toContain('EBADF');
  });

  test('a program that calls through an array of another type is not loaded', () => {
    const call = 'r2 = map[programs] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit';
    const spec = objectSpec(
      [
        { name: 'self', type: 'xdp', text: call },
        { name: 'other', type: 'sched_cls', text: call },
      ],
      [programs],
    );
    using object = loadObject(spec, { host: memoryHost() });
    expect(object.program('self').diagnostic).toBeUndefined();
    expect(object.program('other').diagnostic).toMatchObject({
      code: 'run/tail-call-type',
      place: { program: 'other' },
    });
    expect(raised(() => object.program('other').run({ data: FRAME })).code).toBe('run/tail-call-type');
  });
});

test('callbacks run on the program’s own functions', () => {
  const text =
    'r6 = 0\n*(u64 *)(r10 - 8) = r6\nr1 = 10\nr2 = func ll\nr3 = r10\nr3 += -8\nr4 = 0\ncall bpf_loop\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit\nfunc: r3 = *(u64 *)(r2 + 0)\nr3 += r1\n*(u64 *)(r2 + 0) = r3\nr0 = 0\nif r1 != 6 goto more\nr0 = 1\nmore: exit';
  using object = loadText('xdp', text);
  // Seven rounds were made; 0 + 1 + ... + 6.
  expect(object.program().run({ data: FRAME }).retval).toBe(7 + 21);
});

describe('aborts', () => {
  const LINES = [
    { slot: 0, file: 'a.c', line: 10, column: 1, text: 'int i = 0;' },
    { slot: 2, file: 'a.c', line: 12, column: 5, text: 'return *p;' },
  ];

  test('carry program, instruction and source line', () => {
    using object = loadText('xdp', 'r0 = 0\nr1 = 0\nr0 = *(u32 *)(r1 + 0)\nexit', {
      more: { name: 'bad', lines: LINES },
    });
    const { diagnostic } = raised(() => object.program().run({ data: FRAME }));
    expect(diagnostic).toMatchObject({
      code: 'run/bad-access',
      place: { program: 'bad', insn: 2, source: { file: 'a.c', line: 12, text: 'return *p;' } },
    });
  });

  test('the budget ends a loop', () => {
    using object = loadText('xdp', 'again: goto again', { options: { budget: 1000 } });
    expect(raised(() => object.program().run({ data: FRAME })).code).toBe('run/budget');
  });

  test('past the end of the packet', () => {
    using object = loadText('xdp', `r2 = *(u32 *)(r1 + 4)\nr0 = *(u8 *)(r2 + 0)\nexit`);
    expect(raised(() => object.program().run({ data: FRAME })).message).toContain('past the end');
  });

  test('a store to a context that has nothing to write', () => {
    using object = loadText('xdp', 'r2 = 1\n*(u32 *)(r1 + 12) = r2\nr0 = 0\nexit');
    expect(raised(() => object.program().run({ data: FRAME })).message).toContain('read-only');
  });

  test('a ring buffer is not blocked by the record of an aborted run', () => {
    const text =
      'r6 = r1\nr1 = map[ring] ll\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr7 = *(u32 *)(r6 + 8)\nif r7 == 0 goto good\nr8 = *(u32 *)(r7 + 0)\ngood: r1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0\nexit';
    using object = loadText('sched_cls', text, {
      maps: [mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 })],
    });
    const ring = object.map('ring').raw as import('../../src/spec/map.ts').RingBufferMap;
    expect(raised(() => object.program().run({ data: FRAME, ctx: { mark: 3 } })).code).toBe('run/bad-access');
    object.program().run({ data: FRAME });
    expect(ring.consume(() => undefined)).toBe(1);
  });
});

describe('the same runs give the same results', () => {
  const text = 'call bpf_get_prandom_u32\nr6 = r0\ncall bpf_ktime_get_ns\nr6 ^= r0\nr0 = r6\nexit';
  const series = (seed?: number) => {
    using object = loadText('xdp', text, { host: seed === undefined ? {} : { seed } });
    return Array.from({ length: 20 }, () => object.program().run({ data: FRAME }).retval);
  };
  test('with equal hosts', () => expect(series()).toEqual(series()));
  test('and not with another seed', () => expect(series(2)).not.toEqual(series()));
});

test('per-CPU values belong to the CPU of the run', () => {
  const text =
    '*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr1 = map[counts] ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr1 = *(u32 *)(r0 + 0)\nr1 += 1\n*(u32 *)(r0 + 0) = r1\ncall bpf_get_smp_processor_id\nexit\nout: r0 = -1\nexit';
  const host = memoryHost({ cpus: 3 });
  using object = loadObject(
    objectSpec([{ type: 'xdp', text }], [mapSpec('counts', 'percpu_array', { maxEntries: 1 })]),
    { host },
  );
  for (const cpu of [0, 2, 2, 1, 2]) {
    host.setCpu(cpu);
    expect(object.program().run({ data: FRAME }).retval).toBe(cpu);
  }
  expect(
    object
      .map('counts')
      .getPerCpu(0)
      ?.map((value) => value[0]),
  ).toEqual([1, 1, 3]);
});
