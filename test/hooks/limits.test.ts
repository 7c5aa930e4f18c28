// How many programs each hook takes, and what it says to one more.
import { afterEach, expect, test } from 'vitest';
import { HOOK_ROWS } from '../../src/context/hooks/rows.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import type { AttachTarget, Fd } from '../../src/spec/session.ts';
import { link, outcome, returning, type Runtime, unverified } from './support.ts';

let session: Runtime;
afterEach(() => session.context[Symbol.dispose]());

/** A step: a link (or prog.attach) at a target, and its outcome. */
type Step = readonly [how: 'link' | 'attach', target: AttachTarget, outcome: string, flags?: number];

interface Case {
  readonly attachType: AttachTypeName;
  readonly type: ProgramTypeName;
  readonly dialect?: 'windows';
  readonly steps: readonly Step[];
}

const many = (count: number, step: Step): Step[] => Array.from({ length: count }, () => step);
const OVERRIDE = 1;
const MULTI = 2;

const WINDOWS_MULTI = [
  'cgroup_inet4_connect',
  'cgroup_inet6_connect',
  'cgroup_inet4_connect_authorization',
  'cgroup_inet6_connect_authorization',
  'cgroup_inet4_bind',
  'cgroup_inet6_bind',
] as const;
const WINDOWS_SINGLE = [
  'cgroup_inet4_listen',
  'cgroup_inet6_listen',
  'cgroup_inet4_recv_accept',
  'cgroup_inet6_recv_accept',
  'cgroup_sock_ops',
] as const;

const CASES: Readonly<Record<string, Case>> = {
  'bind: one a machine': {
    attachType: 'bind',
    type: 'bind',
    dialect: 'windows',
    steps: [
      ['link', {}, 'ok'],
      ['link', {}, 'EINVAL'],
      ['attach', {}, 'EINVAL'],
      ['link', { ifindex: 1 }, 'EINVAL'],
    ],
  },
  ...Object.fromEntries(
    WINDOWS_MULTI.map((attachType): [string, Case] => [
      `${attachType}: 16 for each compartment, and 16 for all`,
      {
        attachType,
        type: 'cgroup_sock_addr',
        dialect: 'windows',
        steps: [
          ...many(16, ['link', { compartment: 2 }, 'ok']),
          ['link', { compartment: 2 }, 'EINVAL'],
          ...many(8, ['link', {}, 'ok']),
          ...many(8, ['attach', { compartment: 0 }, 'ok']),
          ['link', { compartment: 0 }, 'EINVAL'],
          ['link', { compartment: 3 }, 'ok'],
          ['link', { cgroup: '/' }, 'EINVAL'],
        ],
      },
    ]),
  ),
  ...Object.fromEntries(
    WINDOWS_SINGLE.map((attachType): [string, Case] => [
      `${attachType}: one for each compartment, for all only alone`,
      {
        attachType,
        type: attachType === 'cgroup_sock_ops' ? 'sock_ops' : 'cgroup_sock_addr',
        dialect: 'windows',
        steps: [
          ['link', { compartment: 2 }, 'ok'],
          ['link', { compartment: 2 }, 'EINVAL'],
          ['link', {}, 'EINVAL'],
          ['link', { compartment: 3 }, 'ok'],
        ],
      },
    ]),
  ),
  'Windows xdp: one for each interface': {
    attachType: 'xdp',
    type: 'xdp',
    dialect: 'windows',
    steps: [
      ['link', { ifindex: 4 }, 'ok'],
      ['link', { ifindex: 4 }, 'EINVAL'],
      ['link', { ifindex: 5 }, 'ok'],
      ['link', {}, 'EINVAL'],
    ],
  },
  'xdp: a link keeps others away': {
    attachType: 'xdp',
    type: 'xdp',
    steps: [
      ['link', { ifindex: 1 }, 'ok'],
      ['link', { ifindex: 1 }, 'EBUSY'],
      ['attach', { ifindex: 1 }, 'EBUSY'],
      ['link', { ifindex: 2 }, 'ok'],
      ['link', {}, 'EINVAL'],
      ['link', { ifindex: 3 }, 'EINVAL', 6],
    ],
  },
  'xdp: a program is replaced by a program, not by a link': {
    attachType: 'xdp',
    type: 'xdp',
    steps: [
      ['attach', { ifindex: 1 }, 'ok'],
      ['attach', { ifindex: 1 }, 'ok'],
      ['attach', { ifindex: 1 }, 'EBUSY', 1],
      ['link', { ifindex: 1 }, 'EBUSY'],
      ['attach', { ifindex: 1 }, 'EEXIST', 16],
    ],
  },
  'tcx: 64, each program once': {
    attachType: 'tcx_ingress',
    type: 'sched_cls',
    steps: [...many(64, ['link', { ifindex: 1 }, 'ok']), ['link', { ifindex: 1 }, 'ERANGE']],
  },
  'cgroup: links are of those that allow others': {
    attachType: 'cgroup_inet4_connect',
    type: 'cgroup_sock_addr',
    steps: [
      ...many(64, ['link', { cgroup: '/a' }, 'ok']),
      ['link', { cgroup: '/a/' }, 'E2BIG'],
      ['link', { cgroup: '/b' }, 'EINVAL', OVERRIDE],
    ],
  },
  'cgroup: a program without flags is alone, above and below': {
    attachType: 'cgroup_inet4_connect',
    type: 'cgroup_sock_addr',
    steps: [
      ['attach', { cgroup: '/a' }, 'ok'],
      ['attach', { cgroup: '/a' }, 'ok'],
      ['attach', { cgroup: '/a' }, 'EPERM', MULTI],
      ['link', { cgroup: '/a' }, 'EPERM'],
      ['attach', { cgroup: '/a/b/c' }, 'EPERM'],
      ['attach', { cgroup: '/ab' }, 'ok'],
    ],
  },
  'cgroup: BPF_F_ALLOW_OVERRIDE lets cgroups below have their own': {
    attachType: 'cgroup_inet4_connect',
    type: 'cgroup_sock_addr',
    steps: [
      ['attach', { cgroup: '/a' }, 'ok', OVERRIDE],
      ['attach', { cgroup: '/a/b' }, 'ok', OVERRIDE],
      ['attach', { cgroup: '/a/b' }, 'EPERM'],
      ['attach', { cgroup: '/a/c' }, 'EINVAL', OVERRIDE | MULTI],
      ['attach', { cgroup: '/a/c' }, 'EINVAL', 4],
      ['attach', { cgroup: '/a/c' }, 'EINVAL', 256],
    ],
  },
  'netfilter: one for each priority': {
    attachType: 'netfilter',
    type: 'netfilter',
    steps: [
      ['link', { name: 'ipv4/local_in', priority: 1 }, 'ok'],
      ['link', { name: 'ipv4/local_in', priority: 1 }, 'EBUSY'],
      ['link', { name: 'ipv4/local_in', priority: -1 }, 'ok'],
      ['link', { name: 'ipv4/local_out', priority: 1 }, 'ok'],
      ['link', { priority: 1 }, 'EINVAL'],
    ],
  },
  'sk_lookup: 64': {
    attachType: 'sk_lookup',
    type: 'sk_lookup',
    steps: [...many(64, ['link', {}, 'ok']), ['link', {}, 'E2BIG']],
  },
  'flow_dissector: one, by a link or a program': {
    attachType: 'flow_dissector',
    type: 'flow_dissector',
    steps: [
      ['link', {}, 'ok'],
      ['link', {}, 'E2BIG'],
      ['attach', {}, 'EEXIST'],
      ['attach', { netns: '/n' }, 'ok'],
      ['attach', { netns: '/n' }, 'ok'],
    ],
  },
  'kprobes: any number': {
    attachType: 'perf_event',
    type: 'kprobe',
    steps: many(100, ['link', { name: 'do_exit' }, 'ok']),
  },
};

test.each(Object.entries(CASES))('%s', async (_name, { attachType, type, dialect = 'linux' as const, steps }) => {
  session = unverified();
  for (const [how, target, expected, flags] of steps) {
    const fd = await returning(session, 1, { type, attachType, dialect });
    const params = { fd, attachType, target, ...(flags === undefined ? {} : { flags }) };
    const found = await outcome(session, how === 'link' ? 'link.create' : 'prog.attach', params);
    expect(found, `${how} ${JSON.stringify(target)} ${flags ?? 0}`).toBe(expected);
  }
});

const typesOf = (attachType: AttachTypeName): readonly ProgramTypeName[] =>
  HOOK_ROWS.find((row) => row.attachType === attachType && row.dialect === 'linux')?.types ?? [];

test('each hook takes programs of its types only', async () => {
  session = unverified();
  for (const { attachType, dialect, types } of HOOK_ROWS) {
    expect(types.length, attachType).toBeGreaterThan(0);
    if (dialect === 'windows') continue;
    const other = typesOf(attachType).includes('xdp') ? 'sched_cls' : 'xdp';
    const fd = await returning(session, 1, { type: other });
    expect(await outcome(session, 'link.create', { fd, attachType, target: {} }), attachType).toBe('EINVAL');
  }
});

test('programs that were loaded for another attach type are refused where contexts differ', async () => {
  session = unverified();
  const bind = await returning(session, 1, { type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_bind' });
  expect(await outcome(session, 'link.create', { fd: bind, attachType: 'cgroup_inet4_connect', target: {} })).toBe(
    'EINVAL',
  );
  const devmap = await returning(session, 1, { type: 'xdp', attachType: 'xdp_devmap' });
  expect(await outcome(session, 'link.create', { fd: devmap, attachType: 'xdp', target: { ifindex: 1 } })).toBe(
    'EINVAL',
  );
  expect(await outcome(session, 'link.create', { fd: devmap, attachType: 'xdp_devmap', target: {} })).toBe('EINVAL');
});

test('tcx: programs go before and after others', async () => {
  session = unverified();
  const target = { ifindex: 1 };
  const attachType = 'tcx_egress';
  const create = async (value: number, more: object): Promise<{ prog: Fd; fd: Fd }> => {
    const prog = await returning(session, value, { type: 'sched_cls' });
    const { fd } = await session.call('link.create', { fd: prog, attachType, target, ...more });
    return { prog, fd };
  };
  const [before, after] = [8, 16];
  const first = await create(-1, {});
  const last = await create(-1, {});
  const middle = await create(-1, { flags: before, relativeFd: last.fd });
  const front = await create(-1, { flags: before });
  const second = await create(-1, { flags: after, relativeFd: front.fd });
  const order = async (): Promise<number[]> =>
    (await session.call('prog.query', { attachType, target })).progs.map(({ linkId }) => linkId);
  const ids = await Promise.all(
    [front, second, first, middle, last].map(async ({ fd }) => (await session.call('object.info', { fd })).id),
  );
  expect(await order()).toEqual(ids);
  const fd = await returning(session, -1, { type: 'sched_cls' });
  const attempt = (more: object) => outcome(session, 'link.create', { fd, attachType, target, ...more });
  expect(await attempt({ relativeFd: last.fd })).toBe('EINVAL');
  expect(await attempt({ flags: before | after, relativeFd: last.fd })).toBe('ERANGE');
  const stranger = await returning(session, -1, { type: 'sched_cls' });
  expect(await attempt({ flags: before, relativeFd: stranger })).toBe('ENOENT');
  expect(await outcome(session, 'link.create', { fd: first.prog, attachType, target })).toBe('EEXIST');
});

test('cgroups: programs above run after those below, where they allow others', async () => {
  session = unverified();
  const attachType = 'cgroup_inet_ingress';
  const at = async (cgroup: string) => {
    const fd = await returning(session, 1, { type: 'cgroup_skb' });
    await link(session, fd, attachType, { cgroup });
    return (await session.call('object.info', { fd })).id;
  };
  const [root, parent, child] = [await at('/'), await at('/a'), await at('/a/b')];
  const ran = async (cgroup: string): Promise<number[]> => {
    const data = new Uint8Array(64);
    data.set([8, 0, 0x45], 12);
    const fired = await session.call('hook.fire', { attachType, target: { cgroup }, data });
    return fired.ran.map(({ progId }) => progId);
  };
  expect(await ran('/a/b/c')).toEqual([child, parent, root]);
  expect(await ran('/a')).toEqual([parent, root]);
  expect(await ran('/ab')).toEqual([root]);
});

test('compartments: those of one come before those of all', async () => {
  session = unverified();
  const attachType = 'cgroup_inet4_connect';
  const at = async (compartment: number) => {
    const fd = await returning(session, 1, { type: 'cgroup_sock_addr', attachType, dialect: 'windows' });
    await link(session, fd, attachType, { compartment });
    return (await session.call('object.info', { fd })).id;
  };
  const [all, second] = [await at(0), await at(2)];
  const ran = async (event: object): Promise<number[]> =>
    (await session.call('hook.fire', { attachType, dialect: 'windows', ctx: {}, ...event })).ran.map(
      ({ progId }) => progId,
    );
  expect(await ran({ target: { compartment: 2 } })).toEqual([second, all]);
  expect(await ran({ ctx: { compartment_id: 2 } })).toEqual([second, all]);
  expect(await ran({ target: { compartment: 1 } })).toEqual([all]);
  expect(await ran({})).toEqual([all]);
});
