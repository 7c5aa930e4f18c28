// Links of every kind that this kernel has, each with what it is for: traffic in namespaces and control groups of the test's own.
import { readFileSync } from 'node:fs';
import { createServer, connect as connectTcp, type Socket } from 'node:net';
import process from 'node:process';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AttachTarget, LinkInfo } from '../../src/spec/session.ts';
import type { AttachTypeName } from '../../src/spec/program-types.ts';
import type { LinuxSession } from '../../src/hosts/linux/session.ts';
import { requireCapability } from '../support/capability.ts';
import { Pair } from '../support/netns.ts';
import { compiled, constants, outcome, ownBpffs, ownCgroup, ownSession } from './support.ts';

const missing =
  requireCapability('kernel-bpf') ??
  requireCapability('vmlinux-btf') ??
  requireCapability('libbpf-dev') ??
  requireCapability('netns') ??
  requireCapability('ping');

/** By Node's process.arch. */
const GETPPID: Readonly<Record<string, number>> = { x64: 110, arm64: 173 };

/** Places in the map `hits`, as links.bpf.c has them. */
const PLACES = {
  on_xdp: 0,
  drop: 1,
  on_ingress: 2,
  on_egress: 3,
  on_netfilter: 4,
  on_lookup: 5,
  on_flow: 6,
  on_tracepoint: 7,
  on_raw: 8,
  on_tp_btf: 9,
  on_uprobe: 10,
  on_uprobes: 11,
  on_clock: 12,
  on_skb: 13,
  on_sock: 14,
  on_connect: 15,
  on_bind: 16,
  on_sockops: 17,
  on_device: 18,
  on_sysctl: 19,
  on_getsockopt: 20,
  on_setsockopt: 21,
  on_verdict: 22,
  on_msg: 23,
  on_fentry: 24,
  on_lsm: 25,
  on_kprobes: 26,
  on_kprobe: 27,
  each_task: 28,
} as const;
type ProgramName = keyof typeof PLACES;

const object = missing === undefined ? compiled('links.bpf.c') : new Uint8Array();

/** One program of the object in a session of its own. */
class Loaded {
  readonly session: LinuxSession;
  readonly fd: number;
  readonly hits: number;
  readonly socks: number;
  readonly name: ProgramName;

  constructor(name: ProgramName, only = 0) {
    this.name = name;
    this.session = ownSession();
    const maps = constants(object, 'links.bpf.o', { only, getppid_number: GETPPID[process.arch] ?? 0 });
    const loaded = this.session.callNow('object.load', { object, name: 'links.bpf.o', programs: [name], maps });
    this.fd = loaded.programs[0].fd;
    const map = (wanted: string): number => loaded.maps.find((one) => one.name === wanted)?.fd ?? 0;
    this.hits = map('hits');
    this.socks = map('socks');
  }

  count(name = this.name): number {
    const map = this.session.map(this.hits);
    map.keyView.setUint32(0, PLACES[name], true);
    expect(map.lookup()).toBe(0);
    return Number(map.valueView.getBigUint64(0, true));
  }

  link(attachType: AttachTypeName, target: AttachTarget, more: { flags?: number; cookie?: bigint } = {}): number {
    return this.session.callNow('link.create', { fd: this.fd, attachType, target, ...more }).fd;
  }

  info(link: number): LinkInfo {
    const info = this.session.callNow('object.info', { fd: link });
    if (info.kind !== 'link') throw new Error(info.kind);
    return info;
  }
}

function ownPair(subnet: number): Pair {
  const pair = new Pair(subnet);
  onTestFinished(() => pair[Symbol.dispose]());
  return pair;
}

const pings = ({ far, near }: Pair, count = 1) =>
  far.namespace?.run('ping', '-c', `${count}`, '-i', '0.05', '-W', '1', near.address).status === 0;

const python = (text: string): [string, string, string] => ['python3', '-c', text];

const readText = (file: string): string => readFileSync(file, 'utf8');

/** A handle of another session's program: by its id, as another process would. */
function passed(loaded: Loaded, session: LinuxSession): number {
  const { id } = loaded.session.callNow('object.info', { fd: loaded.fd });
  return session.callNow('object.open', { kind: 'prog', id }).fd;
}

const descriptor = (socket: Socket): number =>
  (socket as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;

describe.skipIf(missing !== undefined)('links in the kernel', () => {
  test.each([
    ['native', 4],
    ['generic', 2],
  ])('XDP, %s', (_, flags) => {
    const pair = ownPair(62);
    const loaded = new Loaded('on_xdp');
    const drop = new Loaded('drop');
    const { ifindex } = pair.near;
    const link = loaded.link('xdp', { ifindex }, { flags });
    expect(pings(pair, 3)).toBe(true);
    expect(loaded.count()).toBeGreaterThanOrEqual(3);
    expect(loaded.info(link)).toMatchObject({ type: 'xdp', attachType: 'xdp', target: { ifindex }, detached: false });
    const { session } = loaded;
    const { progs } = session.callNow('prog.query', { attachType: 'xdp', target: { ifindex } });
    expect(progs).toEqual([{ id: expect.any(Number), linkId: loaded.info(link).id, flags }]);
    expect(() => drop.link('xdp', { ifindex }, { flags })).toThrow(/EBUSY/);
    const other = passed(drop, session);
    session.callNow('link.update', { fd: link, progFd: other });
    expect(pings(pair)).toBe(false);
    expect(drop.count()).toBeGreaterThan(0);
    session.callNow('link.detach', { fd: link });
    expect(loaded.info(link)).toMatchObject({ detached: true, progId: 0 });
    expect(pings(pair)).toBe(true);
  });

  test('XDP without a link, by netlink', async () => {
    const pair = ownPair(63);
    const drop = new Loaded('drop');
    const { ifindex } = pair.near;
    const at = { attachType: 'xdp', target: { ifindex } } as const;
    drop.session.callNow('prog.attach', { fd: drop.fd, ...at });
    expect(pings(pair)).toBe(false);
    const again = drop.session.call('prog.attach', { fd: drop.fd, ...at, flags: 1 });
    expect(await outcome(again)).toBe('EBUSY');
    // It holds whatever becomes of the session.
    await drop.session.close();
    const session = ownSession();
    const { progs } = session.callNow('prog.query', at);
    expect(progs).toEqual([{ id: expect.any(Number), linkId: 0, flags: 4 }]);
    session.callNow('prog.detach', at);
    expect(pings(pair)).toBe(true);
    expect(await outcome(session.call('prog.detach', at))).toBe('ENOENT');
    expect(await outcome(session.call('prog.query', { attachType: 'xdp', target: { ifindex: 99_999 } }))).toBe(
      'ENODEV',
    );
  });

  test('tcx, both ways, in an order', () => {
    const pair = ownPair(64);
    const ingress = new Loaded('on_ingress');
    const egress = new Loaded('on_egress');
    const { ifindex } = pair.near;
    const first = ingress.link('tcx_ingress', { ifindex });
    egress.link('tcx_egress', { ifindex });
    expect(pings(pair, 2)).toBe(true);
    expect([ingress.count(), egress.count()].every((count) => count >= 2)).toBe(true);
    expect(ingress.info(first)).toMatchObject({ type: 'tcx', attachType: 'tcx_ingress', target: { ifindex } });
    const { session } = ingress;
    const { fd: copy } = session.callNow('object.load', { object, name: 'o', programs: ['on_ingress'] }).programs[0];
    const before = session.callNow('link.create', {
      fd: copy,
      attachType: 'tcx_ingress',
      target: { ifindex },
      flags: 8,
      relativeFd: first,
    });
    const { progs, revision } = session.callNow('prog.query', { attachType: 'tcx_ingress', target: { ifindex } });
    expect(progs.map(({ linkId }) => linkId)).toEqual([ingress.info(before.fd).id, ingress.info(first).id]);
    expect(revision).toBeGreaterThan(1n);
  });

  test('netfilter, sk_lookup and the flow dissector of a namespace', () => {
    const pair = ownPair(65);
    const netns = pair.far.namespace?.path ?? '';
    const netfilter = new Loaded('on_netfilter');
    const link = netfilter.link('netfilter', { netns, name: 'ipv4/local_in', priority: 7 });
    expect(pings(pair)).toBe(true);
    expect(netfilter.count()).toBeGreaterThan(0);
    const info = { type: 'netfilter', target: { netns, name: 'ipv4/local_in', priority: 7 } };
    expect(netfilter.info(link)).toMatchObject(info);

    const lookup = new Loaded('on_lookup');
    const looked = lookup.link('sk_lookup', { netns });
    const client = "import socket; s = socket.socket(); s.settimeout(1); print(s.connect_ex(('127.0.0.1', 9)))";
    pair.far.namespace?.run(...python(client));
    expect(lookup.count()).toBeGreaterThan(0);
    expect(lookup.info(looked)).toMatchObject({ type: 'netns', attachType: 'sk_lookup', target: { netns } });

    const flow = new Loaded('on_flow');
    flow.link('flow_dissector', { netns });
    const frame = `import socket; s = socket.socket(17, 3); s.bind(('${pair.far.device}', 0)); s.send(b'\\xff' * 12 + b'\\x08\\x00' + b'\\x45' + b'\\0' * 60)`;
    pair.far.namespace?.run(...python(frame));
    expect(flow.count()).toBeGreaterThan(0);
  });

  test('tracepoints: by perf event, raw, with types', () => {
    const kinds = [
      ['on_tracepoint', 'perf_event', { name: 'syscalls/sys_enter_getppid' }, 'perf_event'],
      ['on_raw', 'trace_raw_tp', { name: 'sys_enter' }, 'raw_tracepoint'],
      ['on_tp_btf', 'trace_raw_tp', {}, 'raw_tracepoint'],
    ] as const;
    for (const [name, attachType, target, type] of kinds) {
      const loaded = new Loaded(name, process.pid);
      const link = loaded.link(attachType, target);
      // Read anew each time.
      for (let i = 0; i < 10; i++) expect(process.ppid).toBeGreaterThan(0);
      expect([name, loaded.count()]).toEqual([name, 10]);
      expect(loaded.info(link)).toMatchObject({ type, target });
      loaded.session.callNow('object.close', { fd: link });
      expect(process.ppid).toBeGreaterThan(0);
      expect(loaded.count()).toBe(10);
    }
  });

  test('user probes, one and several', () => {
    const one = new Loaded('on_uprobe', process.pid);
    const link = one.link('perf_event', { name: 'libc.so.6:getppid', pid: process.pid }, { cookie: 5n });
    const several = new Loaded('on_uprobes', process.pid);
    const places = several.link('trace_uprobe_multi', { name: 'libc.so.6:getppid,geteuid', pid: process.pid });
    for (let i = 0; i < 10; i++) expect(process.ppid + (process.geteuid?.() ?? 0)).toBeGreaterThan(0);
    expect([one.count(), several.count()]).toEqual([10, 20]);
    expect(one.info(link)).toMatchObject({ type: 'perf_event' });
    expect(several.info(places)).toMatchObject({ type: 'uprobe_multi' });
    expect(() => one.link('perf_event', { name: 'libc.so.6:no_such_function' })).toThrow(/no symbol no_such_function/);
    expect(() => one.link('perf_event', { name: '/nonexistent:main' })).toThrow(/ENOENT/);
  });

  test('a counter of the kernel, sampled', () => {
    const loaded = new Loaded('on_clock');
    loaded.link('perf_event', { name: 'cpu-clock', pid: process.pid });
    // A sample each millisecond of this process, whatever else runs.
    const end = performance.now() + 10_000;
    while (loaded.count() < 20 && performance.now() < end);
    expect(loaded.count()).toBeGreaterThanOrEqual(20);
  });

  test('an iterator is read, and pinned', () => {
    const bpffs = ownBpffs();
    const loaded = new Loaded('each_task');
    const link = loaded.link('trace_iter', {});
    const text = new TextDecoder().decode(loaded.session.readIterator(link));
    expect(text).toContain(`task ${process.pid}\n`);
    expect(loaded.count()).toBe(text.split('\n').length - 1);
    expect(loaded.info(link)).toMatchObject({ type: 'iter', target: { name: 'task' } });
    loaded.session.callNow('object.pin', { fd: link, path: `${bpffs}/tasks` });
    expect(readText(`${bpffs}/tasks`)).toContain(`task ${process.pid}\n`);
  });

  const CGROUP: readonly (readonly [ProgramName, AttachTypeName, string, RegExp])[] = [
    ['on_sock', 'cgroup_inet_sock_create', 'import socket; socket.socket(2, 2)', /PermissionError/],
    [
      'on_connect',
      'cgroup_inet4_connect',
      "import socket; socket.socket().connect_ex(('127.0.0.1', 9)) == 1 and exit('PermissionError')",
      /PermissionError/,
    ],
    ['on_bind', 'cgroup_inet4_bind', "import socket; socket.socket().bind(('127.0.0.1', 0))", /PermissionError/],
    ['on_skb', 'cgroup_inet_egress', "import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', 9))", /^$/],
    ['on_sockops', 'cgroup_sock_ops', "import socket; socket.socket().connect_ex(('127.0.0.1', 9))", /^$/],
    ['on_device', 'cgroup_device', "open('/dev/zero')", /PermissionError/],
    ['on_sysctl', 'cgroup_sysctl', "open('/proc/sys/kernel/ostype').read()", /PermissionError/],
    ['on_getsockopt', 'cgroup_getsockopt', 'import socket; socket.socket().getsockopt(1, 3)', /^$/],
    ['on_setsockopt', 'cgroup_setsockopt', 'import socket; socket.socket().setsockopt(1, 2, 1)', /^$/],
  ];
  test.each(CGROUP)('of a control group: %s', (name, attachType, text, said) => {
    const cgroup = ownCgroup();
    const loaded = new Loaded(name);
    const target = { cgroup: cgroup.path };
    const link = loaded.link(attachType, target);
    expect(cgroup.run(...python(text))).toMatch(said);
    expect(loaded.count()).toBeGreaterThan(0);
    // From another session, which did not make it.
    const other = ownSession();
    const { fd } = other.callNow('object.open', { kind: 'link', id: loaded.info(link).id });
    expect(other.callNow('object.info', { fd })).toMatchObject({ type: 'cgroup', attachType, target });
    loaded.session.callNow('link.detach', { fd: link });
    // Once is enough of the other way.
    if (name !== 'on_connect') return;
    expect(cgroup.run(...python(text))).toBe('');
    const at = { attachType, target };
    loaded.session.callNow('prog.attach', { fd: loaded.fd, ...at, flags: 2 });
    expect(loaded.session.callNow('prog.query', at).progs).toMatchObject([{ flags: 2, linkId: 0 }]);
    expect(cgroup.run(...python(text))).toMatch(said);
    loaded.session.callNow('prog.detach', { fd: loaded.fd, ...at });
    expect(loaded.session.callNow('prog.query', at).progs).toEqual([]);
  });

  test('sockets of a sockmap', async () => {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((done) => server.once('listening', done));
    const { port } = server.address() as { port: number };
    for (const [name, attachType] of [
      ['on_msg', 'sk_msg_verdict'],
      ['on_verdict', 'sk_skb_verdict'],
    ] as const) {
      const loaded = new Loaded(name);
      const { session, fd, socks } = loaded;
      session.callNow('prog.attach', { fd, attachType, target: { mapFd: socks } });
      const socket = connectTcp(port, '127.0.0.1');
      await new Promise((done) => socket.once('connect', done));
      const value = new Uint8Array(Uint32Array.of(descriptor(socket)).buffer);
      session.callNow('map.update', { fd: socks, key: new Uint8Array(4), value });
      socket.write('hello');
      const answer = await new Promise<Buffer>((done) => socket.once('data', done));
      expect([answer.toString(), loaded.count()]).toEqual(['hello', 1]);
      socket.destroy();
      session.callNow('prog.detach', { fd, attachType, target: { mapFd: socks } });
    }
  });

  test('what this kernel may not have is told with its errno', async () => {
    const session = ownSession();
    const load = (program: string) => outcome(session.call('object.load', { object, name: 'o', programs: [program] }));
    for (const program of ['on_fentry', 'on_lsm']) {
      const loaded = await load(program);
      if (typeof loaded === 'string') expect(loaded).toBe('EPERM');
      else expect(loaded.programs).toHaveLength(1);
    }
    const several = new Loaded('on_kprobes');
    const link = several.session.call('link.create', {
      fd: several.fd,
      attachType: 'trace_kprobe_multi',
      target: { name: 'vfs_read' },
    });
    const made = await outcome(link);
    if (typeof made === 'string') expect(made).toMatch(/^(EOPNOTSUPP|ENOTSUPP|EPERM)$/);
    else expect(made.fd).toBeGreaterThan(0);
    const one = new Loaded('on_kprobe');
    const probe = one.session.call('link.create', {
      fd: one.fd,
      attachType: 'perf_event',
      target: { name: 'vfs_read' },
    });
    const probed = await outcome(probe);
    if (typeof probed === 'string') expect(probed).toMatch(/^(ENOENT|EOPNOTSUPP|EPERM)$/);
    expect(await outcome(session.call('hook.fire', { attachType: 'xdp' }))).toBe('ENOTSUPP');
  });
});
