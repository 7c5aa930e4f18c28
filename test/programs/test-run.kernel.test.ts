// Test-runs here and BPF_PROG_TEST_RUN on this kernel: the same inputs accepted, the same contexts seen and given back.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { SimulatedNetwork } from '../../src/hosts/memory/network.ts';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import { FLOW_KEYS } from '../../src/programs/flow-dissector.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import { errnoName } from '../../src/spec/errno.ts';
import type { TestRunInput } from '../../src/spec/program.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import { close, progLoad, progTestRun } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { ipv4Frame, ipv6Frame, loadText, programSpec } from '../run/support.ts';

const missing = requireCapability('kernel-bpf');

interface Pair {
  readonly ours: LoadedObject;
  readonly fd: number;
}

const pairs: Pair[] = [];
afterAll(() => {
  for (const { ours, fd } of pairs) {
    ours[Symbol.dispose]();
    close(fd);
  }
});

function pair(type: ProgramTypeName, text: string, attachType?: AttachTypeName): Pair {
  const { code } = programSpec({ type, text });
  const { fd, log } = progLoad({
    type,
    code,
    license: 'GPL',
    logLevel: 1,
    ...(attachType === undefined ? {} : { attachType }),
  });
  if (fd < 0) throw new Error(`${errnoName(fd)}: ${log}`);
  const made = { ours: loadText(type, text, { more: { attachType } }), fd };
  pairs.push(made);
  return made;
}

type Answer =
  | { readonly refused: string }
  | { readonly retval: number; readonly data: Uint8Array; readonly ctx: Uint8Array };

/** Our answer with the errno as the kernel gives it; `as EOPNOTSUPP` marks what the kernel can and we cannot. */
function ask({ ours }: Pair, input: TestRunInput): Answer {
  try {
    const { retval, data = new Uint8Array(), ctx = new Uint8Array() } = ours.program().run(input);
    return { retval, data, ctx };
  } catch (error) {
    if (!(error instanceof AnyBpfError) || error.code !== 'run/test-run-refused') throw error;
    return { refused: /\((\w+)\)/.exec(error.diagnostic.message)?.[1] ?? error.diagnostic.message };
  }
}

function askKernel({ fd }: Pair, { data, ctx }: { data?: Uint8Array; ctx?: Uint8Array }, ctxOut: number): Answer {
  const { status, ...answer } = progTestRun(fd, {
    ...(data === undefined ? {} : { data }),
    ...(ctx === undefined ? {} : { ctx }),
    ctxOut,
  });
  return status < 0 ? { refused: errnoName(status) } : { retval: answer.retval, data: answer.data, ctx: answer.ctx };
}

/** The value of cgroup programs is 0 or 1 only: they are asked for one bit at a time. */
const bits = (type: ProgramTypeName): boolean => type === 'cgroup_skb';

const loadField = (size: number, offset: number): string => `r0 = *(u${size * 8} *)(r1 + ${offset})`;

const IPV4 = ipv4Frame();
const IPV6 = ipv6Frame();
const SKB_TYPES = ['sched_cls', 'sched_act', 'socket_filter', 'cgroup_skb', 'lwt_in', 'lwt_out', 'lwt_xmit'] as const;
const ADDRESSES = new Set(['data', 'data_end', 'data_meta', 'sk', 'flow_keys']);

describe.skipIf(missing !== undefined)('contexts of test-runs equal the kernel’s', () => {
  const frames = [
    ['IPv4', IPV4],
    ['IPv6', IPV6],
    ['ARP to all', Uint8Array.from(IPV4, (byte, i) => (i < 6 ? 0xff : i === 13 ? 0x06 : byte))],
    ['802.3 to a group', Uint8Array.from(IPV4, (byte, i) => (i < 6 ? 1 : i === 12 ? 0 : byte))],
    [
      'Novell 802.3 to another',
      Uint8Array.from(IPV4, (byte, i) => (i < 6 ? 2 : i === 12 ? 0 : i === 14 || i === 15 ? 0xff : byte)),
    ],
    ['14 bytes', Uint8Array.from(IPV4.subarray(0, 14), (byte, i) => (i === 12 ? 0x88 : byte))],
  ] as const;
  for (const type of SKB_TYPES) {
    test(`every field of ${type}`, () => {
      const layout = PROGRAM_TYPE_ROWS.find((row) => row.type === type)?.contexts.linux;
      const fields = Object.entries(layout?.fields ?? {}).filter(([name]) => !ADDRESSES.has(name));
      expect(fields.length).toBeGreaterThan(15);
      for (const [name, { offset, size }] of fields) {
        const step = size > 8 ? 4 : size;
        for (let at = offset; at < offset + size; at += step) {
          const shifts = bits(type) ? Array.from({ length: 8 }, (_, i) => i * 4) : [0];
          for (const shift of shifts) {
            const tail = bits(type) ? `\nr0 >>= ${shift}\nr0 &= 1` : '';
            const both = pair(type, `${loadField(step, at)}${tail}\nexit`);
            for (const [what, data] of frames) {
              const kernel = askKernel(both, { data, ctx: new Uint8Array(192) }, 192);
              expect(ask(both, { data, ctx: new Uint8Array(192) }), `${name}+${at - offset} of ${what}`).toEqual(
                kernel,
              );
            }
            pairs.pop();
            both.ours[Symbol.dispose]();
            close(both.fd);
          }
        }
      }
    });
  }

  test('the socket of an skb, through bpf_sk_fullsock', () => {
    for (const offset of [0, 4, 8, 12, 16, 20, 24, 28, 40, 44, 52, 56, 68, 72, 76]) {
      const text = `r1 = *(u64 *)(r1 + 168)\nif r1 != 0 goto some\nw0 = -1\nexit\nsome: call bpf_sk_fullsock\nif r0 != 0 goto full\nw0 = -2\nexit\nfull: w0 = *(u32 *)(r0 + ${offset})\nexit`;
      const both = pair('sched_cls', text);
      for (const data of [IPV4, IPV6]) {
        expect(ask(both, { data }), `offset ${offset}`).toMatchObject({
          retval: (askKernel(both, { data }, 0) as { retval: number }).retval,
        });
      }
    }
  });
});

/** Words of a context: mostly zero, so that many inputs are accepted. */
const contextOf = (size: number): fc.Arbitrary<Uint8Array> =>
  fc
    .uniqueArray(
      fc.record({
        at: fc.nat({ max: size / 4 - 1 }),
        value: fc.constantFrom(1, 2, 4, 14, 66, 80, 81, 3712, 65_535, 65_536, 0x1_0001, 0xffff_ffff),
      }),
      { maxLength: 3, selector: ({ at }) => at },
    )
    .map((words) => {
      const ctx = new Uint8Array(size);
      for (const { at, value } of words) new DataView(ctx.buffer).setUint32(4 * at, value, true);
      return ctx;
    });

describe.skipIf(missing !== undefined)('inputs of test-runs', () => {
  const SIZES = [
    0, 1, 13, 14, 15, 20, 33, 34, 53, 54, 60, 1500, 3455, 3456, 3519, 3520, 3521, 3711, 3712, 3713, 4096, 4097,
  ];
  for (const type of [...SKB_TYPES, 'xdp', 'flow_dissector'] as const) {
    test(`sizes that ${type} takes`, () => {
      const both = pair(type, 'r0 = 1\nexit');
      for (const size of SIZES) {
        for (const protocol of [0x0800, 0x86dd, 0x0806, 0x0001]) {
          const data = new Uint8Array(size);
          if (size > 13) data.set([protocol >> 8, protocol & 0xff], 12);
          const kernel = askKernel(both, { data }, 0);
          const ours = ask(both, { data });
          // The kernel goes on with fragments, which are not made here.
          if (type === 'xdp' && size > 3520) expect(ours).toEqual({ refused: 'EINVAL' });
          else if ('refused' in kernel) expect(ours, `${size} bytes of ${protocol}`).toEqual(kernel);
          else expect(ours, `${size} bytes of ${protocol}`).toMatchObject({ retval: kernel.retval, data: kernel.data });
        }
      }
    });
  }

  for (const type of ['sched_cls', 'cgroup_skb'] as const) {
    test(`contexts that ${type} takes and gives back`, () => {
      const text =
        type === 'sched_cls'
          ? 'r2 = *(u32 *)(r1 + 8)\nr2 += 1\n*(u32 *)(r1 + 8) = r2\nr0 = *(u32 *)(r1 + 176)\nexit'
          : 'r0 = 1\nexit';
      const both = pair(type, text);
      fc.assert(
        fc.property(contextOf(192), (ctx) => {
          // Interfaces other than the loopback one are the machine's own.
          if (new DataView(ctx.buffer).getUint32(40, true) > 1) ctx.fill(0, 40, 44);
          expect(ask(both, { data: IPV4, ctx })).toEqual(askKernel(both, { data: IPV4, ctx }, 192));
        }),
        { numRuns: 600 },
      );
    });
  }

  test('contexts that xdp takes and gives back', () => {
    const both = pair('xdp', 'r0 = *(u32 *)(r1 + 0)\nr2 = *(u32 *)(r1 + 8)\nr0 -= r2\nexit');
    fc.assert(
      fc.property(
        contextOf(24),
        fc.boolean(),
        fc.constantFrom(0, 4, 5, 32, 80, 216, 220, 252, 256),
        (ctx, whole, meta) => {
          const data = meta > 80 ? ipv4Frame(300) : IPV4;
          const view = new DataView(ctx.buffer);
          if (whole) view.setUint32(4, data.length, true);
          if (meta > 0) view.setUint32(0, meta, true);
          if (view.getUint32(12, true) > 1) view.setUint32(12, 1, true);
          const ours = ask(both, { data, ctx });
          // Fragments: the kernel can.
          if ('refused' in ours && ours.refused === 'EOPNOTSUPP') return;
          expect(ours).toEqual(askKernel(both, { data, ctx }, 24));
        },
      ),
      { numRuns: 600 },
    );
  });

  test('flow keys', () => {
    const text =
      'r1 = *(u64 *)(r1 + 144)\n*(u16 *)(r1 + 0) = 3\n*(u16 *)(r1 + 2) = 300\nr2 = *(u32 *)(r1 + 48)\n*(u16 *)(r1 + 12) = r2\nr0 = 129\nexit';
    const both = pair('flow_dissector', text, 'flow_dissector');
    for (const at of [0, 2, 8, 48, 52]) {
      const ctx = new Uint8Array(FLOW_KEYS.size);
      ctx[at] = 3;
      const kernel = askKernel(both, { data: IPV4, ctx }, FLOW_KEYS.size);
      expect(ask(both, { data: IPV4, ctx }), `flow_keys+${at}`).toEqual(kernel);
    }
  });

  test('socket lookups', () => {
    const both = pair('sk_lookup', 'r0 = *(u32 *)(r1 + 60)\nr0 &= 1\nexit', 'sk_lookup');
    fc.assert(
      fc.property(contextOf(72), fc.constantFrom(0, 2, 10), (ctx, family) => {
        if (family !== 0) new DataView(ctx.buffer).setUint32(8, family, true);
        // Padding: the kernel gives it back as it came, here it is zero.
        ctx.fill(0, 38, 40);
        expect(ask(both, { ctx })).toEqual(askKernel(both, { ctx }, 72));
      }),
      { numRuns: 600 },
    );
  });

  test('arguments of raw tracepoints', () => {
    const both = pair('raw_tracepoint', 'r0 = *(u64 *)(r1 + 8)\nexit');
    const ctx = new Uint8Array(16);
    new DataView(ctx.buffer).setBigUint64(8, 0x1234_5678_9abc_def0n, true);
    const kernel = progTestRun(both.fd, { ctx, ctxOut: 0 });
    expect(kernel.status).toBe(0);
    expect(ask(both, { ctx })).toMatchObject({ retval: kernel.retval });
    expect(ask(both, { args: [1n, 0x1234_5678_9abc_def0n] })).toMatchObject({ retval: kernel.retval });
    expect(ask(both, { ctx, data: IPV4 })).toEqual({ refused: 'EINVAL' });
    expect(progTestRun(both.fd, { ctx, data: IPV4, ctxOut: 0 }).status).toBe(-22);
  });

  test('an interface that does not exist, and one that does', () => {
    const network = new SimulatedNetwork({ interfaces: [{ index: 7, name: 'eth0' }] });
    for (const [type, field] of [
      ['sched_cls', 'ifindex'],
      ['xdp', 'ingress_ifindex'],
    ] as const) {
      using object = loadText(type, `r0 = *(u32 *)(r1 + ${type === 'xdp' ? 12 : 40})\nexit`, { host: { network } });
      expect(object.program().run({ data: IPV4, ctx: { [field]: 7 } }).retval).toBe(7);
      expect(() => object.program().run({ data: IPV4, ctx: { [field]: 8 } })).toThrow(/ENODEV/);
    }
  });
});
