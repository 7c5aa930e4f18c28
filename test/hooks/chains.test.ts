// What several programs at one hook say together: truth tables, each run through links and the test hook.
import { afterEach, expect, test } from 'vitest';
import { CHAINS, finalVerdict } from '../../src/context/hooks/chains.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import type { AttachTarget } from '../../src/spec/session.ts';
import { FRAME, link, load, type Runtime, unverified } from './support.ts';

interface Row {
  readonly attachType: AttachTypeName;
  readonly type: ProgramTypeName;
  readonly dialect?: 'windows';
  readonly target?: AttachTarget;
  /** What the programs return, in the order in which they are attached. */
  readonly returns: readonly number[];
  readonly verdict: number;
  readonly name?: string;
  /** How many run; all where absent. */
  readonly ran?: number;
}

const SOCK_ADDR = { type: 'cgroup_sock_addr', dialect: 'windows' } as const;
const connect = (returns: number[], verdict: number, name: string, ran = returns.length): Row => ({
  ...SOCK_ADDR,
  attachType: 'cgroup_inet4_connect',
  returns,
  verdict,
  name,
  ran,
});
const cgroup = (returns: number[], verdict: number, name: string): Row => ({
  attachType: 'cgroup_inet4_connect',
  type: 'cgroup_sock_addr',
  target: { cgroup: '/a' },
  returns,
  verdict,
  name,
});
const bind4 = (returns: number[], verdict: number, name: string): Row => ({
  ...cgroup(returns, verdict, name),
  attachType: 'cgroup_inet4_bind',
});
const egress = (returns: number[], verdict: number, name: string): Row => ({
  ...cgroup(returns, verdict, name),
  attachType: 'cgroup_inet_egress',
  type: 'cgroup_skb',
});
const tcx = (returns: number[], verdict: number, name: string, ran = returns.length): Row => ({
  attachType: 'tcx_ingress',
  type: 'sched_cls',
  target: { ifindex: 1 },
  returns,
  verdict: verdict >>> 0,
  name,
  ran,
});
const netkit = (returns: number[], verdict: number, ran = returns.length): Row => ({
  attachType: 'netkit_primary',
  type: 'sched_cls',
  target: { ifindex: 1 },
  returns,
  verdict,
  ran,
});
const one = (
  attachType: AttachTypeName,
  type: ProgramTypeName,
  target: AttachTarget,
  returns: number[],
  verdict: number,
  name?: string,
): Row => ({ attachType, type, target, returns, verdict, ...(name === undefined ? {} : { name }) });
const windows = (row: Row): Row => ({ ...row, dialect: 'windows' });

const TABLE: readonly Row[] = [
  // WINDOWS.md 2: bind.
  ...([[], [0], [1], [2], [3], [7]] as const).map((returns) => {
    const verdict = returns.length === 0 || returns[0] === 7 ? 0 : returns[0];
    const names = ['BIND_PERMIT_SOFT', 'BIND_DENY', 'BIND_REDIRECT', 'BIND_PERMIT_HARD'];
    return windows(one('bind', 'bind', {}, [...returns], verdict, names[verdict]));
  }),
  // sock_addr: REJECT ends the chain, anything unknown is REJECT, else the highest wins; nothing attached proceeds.
  connect([], 1, 'PROCEED_SOFT'),
  connect([0], 0, 'REJECT'),
  connect([1], 1, 'PROCEED_SOFT'),
  connect([2], 2, 'PROCEED_HARD'),
  connect([3], 0, 'REJECT'),
  connect([-1], 0, 'REJECT'),
  connect([1, 1], 1, 'PROCEED_SOFT'),
  connect([1, 2], 2, 'PROCEED_HARD'),
  connect([2, 1], 2, 'PROCEED_HARD'),
  connect([2, 2], 2, 'PROCEED_HARD'),
  connect([0, 2], 0, 'REJECT', 1),
  connect([1, 0, 2], 0, 'REJECT', 2),
  connect([2, 0], 0, 'REJECT'),
  connect([2, 5, 1], 0, 'REJECT', 2),
  ...([0, 1, 2, 3] as const).flatMap((value) =>
    (
      [
        'cgroup_inet6_connect',
        'cgroup_inet4_connect_authorization',
        'cgroup_inet6_connect_authorization',
        'cgroup_inet4_bind',
        'cgroup_inet6_bind',
        'cgroup_inet4_listen',
        'cgroup_inet6_listen',
        'cgroup_inet4_recv_accept',
        'cgroup_inet6_recv_accept',
      ] as const
    ).map((attachType) => ({
      ...connect([value], value === 3 ? 0 : value, ['REJECT', 'PROCEED_SOFT', 'PROCEED_HARD', 'REJECT'][value]),
      attachType,
    })),
  ),
  // sockops: only told.
  windows(one('cgroup_sock_ops', 'sock_ops', {}, [], 0, 'OK')),
  windows(one('cgroup_sock_ops', 'sock_ops', {}, [0], 0, 'OK')),
  windows(one('cgroup_sock_ops', 'sock_ops', {}, [7], 7, 'ERROR')),
  // XDP of both systems.
  windows(one('xdp', 'xdp', { ifindex: 1 }, [], 1, 'XDP_PASS')),
  windows(one('xdp', 'xdp', { ifindex: 1 }, [2], 2, 'XDP_DROP')),
  windows(one('xdp', 'xdp', { ifindex: 1 }, [3], 3, 'XDP_TX')),
  one('xdp', 'xdp', { ifindex: 1 }, [], 2, 'XDP_PASS'),
  one('xdp', 'xdp', { ifindex: 1 }, [1], 1, 'XDP_DROP'),
  one('xdp', 'xdp', { ifindex: 1 }, [9], 9, 'XDP_ABORTED'),
  // Linux' cgroups: all run, all must allow, bit 1 by any.
  cgroup([], 1, 'ALLOW'),
  cgroup([1], 1, 'ALLOW'),
  cgroup([0], 0, 'DENY'),
  cgroup([1, 1], 1, 'ALLOW'),
  cgroup([0, 1], 0, 'DENY'),
  cgroup([1, 0], 0, 'DENY'),
  cgroup([0, 0, 1], 0, 'DENY'),
  bind4([3], 3, 'ALLOW_UNPRIVILEGED_PORT'),
  bind4([3, 1], 3, 'ALLOW_UNPRIVILEGED_PORT'),
  bind4([1, 3], 3, 'ALLOW_UNPRIVILEGED_PORT'),
  bind4([3, 0], 2, 'DENY_UNPRIVILEGED_PORT'),
  egress([1, 2], 2, 'DROP_CONGESTED'),
  egress([3, 1], 3, 'ALLOW_CONGESTED'),
  egress([0, 1], 0, 'DROP'),
  // tcx and netkit.
  tcx([], -1, 'TC_ACT_UNSPEC'),
  tcx([-1], -1, 'TC_ACT_UNSPEC'),
  tcx([-1, 0], 0, 'TC_ACT_OK'),
  tcx([0, 2], 0, 'TC_ACT_OK', 1),
  tcx([-1, 2, 0], 2, 'TC_ACT_SHOT', 2),
  tcx([7], 7, 'TC_ACT_REDIRECT'),
  tcx([3, 2], -1, 'TC_ACT_UNSPEC', 1),
  netkit([], 0),
  netkit([-1], 0),
  netkit([-1, 2], 2),
  netkit([0, 2], 0, 1),
  netkit([5], 2),
  // sk_lookup without a socket that is selected.
  one('sk_lookup', 'sk_lookup', {}, [], 1, 'SK_PASS'),
  one('sk_lookup', 'sk_lookup', {}, [1, 1], 1, 'SK_PASS'),
  one('sk_lookup', 'sk_lookup', {}, [0, 1], 0, 'SK_DROP'),
  one('sk_lookup', 'sk_lookup', {}, [1, 0], 0, 'SK_DROP'),
  // Probes.
  one('perf_event', 'kprobe', { name: 'f' }, [1, 3], 1),
  one('perf_event', 'kprobe', { name: 'f' }, [1, 0], 0),
  one('trace_raw_tp', 'raw_tracepoint', { name: 't' }, [5, 7], 0),
];

const CONTEXTS: Partial<Record<ProgramTypeName, object>> = { sk_lookup: { family: 2 } };
const PACKETS = new Set<ProgramTypeName>(['xdp', 'sched_cls', 'cgroup_skb']);
/** An IPv4 frame: what cgroup_skb's harness asks for. */
const frame = FRAME.slice();
frame.set([8, 0, 0x45], 12);

let session: Runtime;
afterEach(() => session.context[Symbol.dispose]());

test.each(TABLE.map((row) => [`${row.dialect ?? 'linux'} ${row.attachType} [${row.returns.join()}]`, row] as const))(
  '%s',
  async (_title, {
    attachType,
    type,
    dialect = 'linux' as const,
    target = {},
    returns,
    verdict,
    name,
    ran = returns.length,
  }) => {
    session = unverified();
    for (const value of returns) {
      const fd = await load(session, `r0 = ${value}\nexit`, { type, attachType, dialect });
      await link(session, fd, attachType, target);
    }
    const result = await session.call('hook.fire', {
      attachType,
      dialect,
      target,
      ...(PACKETS.has(type) ? { data: frame } : {}),
      ctx: (CONTEXTS[type] ?? {}) as Record<string, number>,
    });
    expect(result.verdict).toBe(verdict);
    if (name !== undefined) expect(result.name).toBe(name);
    expect(result.ran.map(({ retval }) => retval | 0)).toEqual(returns.slice(0, ran));
  },
);

const REWRITE = 'r2 = 5\n*(u32 *)(r1 + 24) = r2\nr0 = 1\nexit';
const field = (ctx: Uint8Array | undefined): number =>
  new DataView((ctx as Uint8Array).buffer, (ctx as Uint8Array).byteOffset).getUint32(24, true);

test('connect: a rewritten address ends the chain; the same address written again does not', async () => {
  session = unverified();
  const options = { ...SOCK_ADDR, attachType: 'cgroup_inet4_connect' } as const;
  for (const text of [REWRITE, 'r0 = 2\nexit'])
    await link(session, await load(session, text, options), 'cgroup_inet4_connect');
  const fire = (user_ip4: number) =>
    session.call('hook.fire', { attachType: 'cgroup_inet4_connect', dialect: 'windows', ctx: { user_ip4 } });
  const rewritten = await fire(9);
  expect([rewritten.verdict, rewritten.ran.length, field(rewritten.ctx)]).toEqual([1, 1, 5]);
  const same = await fire(5);
  expect([same.verdict, same.ran.length, field(same.ctx)]).toEqual([2, 2, 5]);
});

test.each(['cgroup_inet4_bind', 'cgroup_inet4_connect_authorization'] as const)(
  '%s: rewrites are not heeded',
  async (attachType) => {
    session = unverified();
    for (const text of [REWRITE, 'r0 = 2\nexit'])
      await link(session, await load(session, text, { ...SOCK_ADDR, attachType }), attachType);
    const result = await session.call('hook.fire', { attachType, dialect: 'windows', ctx: { user_ip4: 9 } });
    expect([result.verdict, result.ran.length, field(result.ctx)]).toEqual([2, 2, 9]);
  },
);

test('Linux: the next program of the chain sees what the one before wrote', async () => {
  session = unverified();
  const options = { type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_connect' } as const;
  const write = 'r2 = 5\n*(u32 *)(r1 + 4) = r2\nr0 = 1\nexit';
  const look = 'r2 = *(u32 *)(r1 + 4)\nr0 = 0\nif r2 != 5 goto +1\nr0 = 1\nexit';
  for (const text of [write, look]) await link(session, await load(session, text, options), 'cgroup_inet4_connect');
  const { verdict } = await session.call('hook.fire', {
    attachType: 'cgroup_inet4_connect',
    dialect: 'linux',
    ctx: {},
  });
  expect(verdict).toBe(1);
});

test('netfilter cannot be fed', async () => {
  session = unverified();
  const target = { name: 'ipv4/local_in', priority: 3 };
  await link(session, await load(session, 'r0 = 1\nexit', { type: 'netfilter' }), 'netfilter', target);
  await expect(session.call('hook.fire', { attachType: 'netfilter', target })).rejects.toThrow('cannot be test-run');
});

/** What sk_lookup's programs say together: their return values, and whether each has selected a socket. */
const fold = (...steps: readonly (readonly [retval: number, selects: boolean])[]): number => {
  let verdict = 1;
  for (const [retval, selects] of steps) {
    const run = { ended: false, first: false, rewritten: () => false, selected: () => selects };
    verdict = CHAINS.skLookup(verdict, retval, run);
    expect(run.ended).toBe(false);
  }
  return finalVerdict(verdict);
};

test('sk_lookup: a socket that a program selects passes, whatever the others say', () => {
  expect(fold([1, true])).toBe(1);
  expect(fold([0, false], [1, true])).toBe(1);
  expect(fold([1, true], [0, false])).toBe(1);
  expect(fold([0, true])).toBe(0);
  expect(fold([0, false], [1, false])).toBe(0);
});
