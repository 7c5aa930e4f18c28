// What Linux says to the same attachments, in a network namespace and cgroups of the test's own.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bpf } from '../../src/hosts/linux/bpf.ts';
import { native } from '../../src/hosts/linux/native.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { errnoName } from '../../src/spec/errno.ts';
import { ATTACH_TYPES, type AttachTypeName, type ProgramTypeName } from '../../src/spec/program-types.ts';
import { close, progLoad } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { outcome, returning, type Runtime, unverified } from './support.ts';

const CLONE_NEWNET = 0x4000_0000;
const UNSHARE: Partial<Record<string, number>> = { x64: 272, arm64: 97 };
const UNIFIED = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'];
const NAME = `anybpf-test-${process.pid}`;

/** The name of what a system call gave. */
const named = (status: number): string => (status < 0 ? errnoName(status) : 'ok');
const numberOf = (attachType: AttachTypeName): number => (ATTACH_TYPES[attachType] as { readonly linux: number }).linux;

const programs: number[] = [];
const links: number[] = [];
const cgroups = new Map<string, number>();
let root: string | undefined;

/** Makes the cgroups of the test, each below the one before. */
function makeCgroups(): void {
  for (const unified of UNIFIED) {
    try {
      mkdirSync(`${unified}/${NAME}`);
      root = `${unified}/${NAME}`;
      break;
    } catch {
      // Another hierarchy's, or not ours to change.
    }
  }
  if (root === undefined) return;
  for (const path of ['/a', '/a/b', '/c']) mkdirSync(root + path);
  for (const path of ['/a', '/a/b', '/c']) cgroups.set(path, openSync(root + path, 'r'));
}

const INTERFACES: number[] = [];

/** Adds a device to the namespace; false where the kernel has no such kind. */
function addDevice(name: string, index: number, kind: string): boolean {
  try {
    execFileSync('ip', ['link', 'add', name, 'index', `${index}`, ...kind.split(' ')], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What both say. */
const same = (answers: readonly string[]): string => {
  expect(answers[1]).toBe(answers[0]);
  return answers[0];
};

const skip = requireCapability('kernel-bpf');

describe.skipIf(skip !== undefined)('as Linux', () => {
  let session: Runtime;

  beforeAll(() => {
    const number = UNSHARE[process.arch];
    if (number !== undefined && native().syscall(number, CLONE_NEWNET) === 0) {
      const added = addDevice('d1', 10, 'type veth peer name d2 index 11');
      if (added) INTERFACES.push(10, 11);
    }
    makeCgroups();
  });

  afterAll(() => {
    for (const fd of [...links, ...programs]) close(fd);
    for (const fd of cgroups.values()) closeSync(fd);
    if (root === undefined) return;
    for (const path of ['/a/b', '/a', '/c', '']) rmdirSync(root + path);
  });

  /** A program in the kernel and the same here. */
  async function both(type: ProgramTypeName, attachType?: AttachTypeName) {
    const { code } = assemble('r0 = 1\nexit');
    const { fd, log } = progLoad({ type, code, license: 'GPL', ...(attachType === undefined ? {} : { attachType }) });
    expect(fd, log).toBeGreaterThan(0);
    programs.push(fd);
    return {
      kernel: fd,
      ours: await returning(session, 1, { type, ...(attachType === undefined ? {} : { attachType }) }),
    };
  }
  type Both = Awaited<ReturnType<typeof both>>;

  /** Creates a link on both sides; gives both answers. */
  async function createLink(
    program: Both,
    attachType: AttachTypeName,
    target: number | string,
    flags = 0,
    relative?: Both,
  ) {
    const status = bpf('LINK_CREATE', 32, (attr) => {
      attr.setUint32(0, program.kernel, true);
      attr.setUint32(4, typeof target === 'number' ? target : (cgroups.get(target) ?? 0), true);
      attr.setUint32(8, numberOf(attachType), true);
      attr.setUint32(12, flags, true);
      if (relative !== undefined) attr.setUint32(16, relative.kernel, true);
    });
    if (status >= 0) links.push(status);
    const where = typeof target === 'number' ? { ifindex: target } : { cgroup: target };
    const params = { fd: program.ours, attachType, target: where, flags };
    let ours = 0;
    const found = await outcome(session, 'link.create', {
      ...params,
      ...(relative === undefined ? {} : { relativeFd: relative.ours }),
    });
    if (found === 'ok') ours = Math.max(...session.handles.keys());
    return { answers: [named(status), found], link: { kernel: status, ours } };
  }

  async function attach(program: Both, attachType: AttachTypeName, cgroup: string, flags: number, replace?: Both) {
    const status = bpf('PROG_ATTACH', 20, (attr) => {
      attr.setUint32(0, cgroups.get(cgroup) ?? 0, true);
      attr.setUint32(4, program.kernel, true);
      attr.setUint32(8, numberOf(attachType), true);
      attr.setUint32(12, flags, true);
      if (replace !== undefined) attr.setUint32(16, replace.kernel, true);
    });
    const ours = await outcome(session, 'prog.attach', {
      fd: program.ours,
      attachType,
      target: { cgroup },
      flags,
      ...(replace === undefined ? {} : { replaceFd: replace.ours }),
    });
    return [named(status), ours];
  }

  async function detach(program: Both | undefined, attachType: AttachTypeName, cgroup: string) {
    const status = bpf('PROG_DETACH', 20, (attr) => {
      attr.setUint32(0, cgroups.get(cgroup) ?? 0, true);
      attr.setUint32(4, program?.kernel ?? 0, true);
      attr.setUint32(8, numberOf(attachType), true);
    });
    const ours = await outcome(session, 'prog.detach', {
      attachType,
      target: { cgroup },
      ...(program === undefined ? {} : { fd: program.ours }),
    });
    return [named(status), ours];
  }

  async function update(link: Both, program: Both, old?: Both) {
    const status = bpf('LINK_UPDATE', 16, (attr) => {
      attr.setUint32(0, link.kernel, true);
      attr.setUint32(4, program.kernel, true);
      attr.setUint32(8, old === undefined ? 0 : 4, true);
      attr.setUint32(12, old?.kernel ?? 0, true);
    });
    const oldProgFd = old === undefined ? {} : { oldProgFd: old.ours };
    return [
      named(status),
      await outcome(session, 'link.update', { fd: link.ours, progFd: program.ours, ...oldProgFd }),
    ];
  }

  async function detachLink(link: Both) {
    const status = bpf('LINK_DETACH', 4, (attr) => attr.setUint32(0, link.kernel, true));
    return [named(status), await outcome(session, 'link.detach', { fd: link.ours })];
  }

  /** Ends all that a test attached, on both sides. */
  const withSession = async (body: () => Promise<void>): Promise<void> => {
    session = unverified();
    try {
      await body();
    } finally {
      for (const fd of links.splice(0)) close(fd);
      session.context[Symbol.dispose]();
    }
  };

  test('xdp: one link an interface; updates and detachment', ({ skip: pass }) =>
    withSession(async () => {
      if (INTERFACES.length === 0) return pass('no network namespace of our own');
      const [one, two, tc] = [await both('xdp'), await both('xdp'), await both('sched_cls')];
      const devmap = await both('xdp', 'xdp_devmap');
      const { answers, link } = await createLink(one, 'xdp', 10);
      expect(same(answers)).toBe('ok');
      expect(same((await createLink(two, 'xdp', 10)).answers)).toBe('EBUSY');
      expect(same((await createLink(devmap, 'xdp', 11)).answers)).toBe('EINVAL');
      expect(same((await createLink(tc, 'xdp', 11)).answers)).toBe('EINVAL');
      expect(same((await createLink(two, 'xdp', 11, 6)).answers)).toBe('EINVAL');
      expect(same(await update(link, two, two))).toBe('EPERM');
      expect(same(await update(link, tc))).toBe('EINVAL');
      expect(same(await update(link, two, one))).toBe('ok');
      expect(same(await update(link, two))).toBe('ok');
      expect(same(await detachLink(link))).toBe('ok');
      expect(same(await detachLink(link))).toBe('ok');
      expect(same(await update(link, one))).toBe('ENOLINK');
      expect(same((await createLink(two, 'xdp', 10)).answers)).toBe('ok');
    }));

  test('tcx: order, twice the same, relative to what is not there', ({ skip: pass }) =>
    withSession(async () => {
      if (INTERFACES.length === 0) return pass('no network namespace of our own');
      const [one, two, three] = [await both('sched_cls'), await both('sched_cls'), await both('sched_cls')];
      const xdp = await both('xdp');
      const [before, after] = [8, 16];
      expect(same((await createLink(one, 'tcx_ingress', 10)).answers)).toBe('ok');
      expect(same((await createLink(one, 'tcx_ingress', 10)).answers)).toBe('EEXIST');
      expect(same((await createLink(two, 'tcx_ingress', 10, before)).answers)).toBe('ok');
      expect(same((await createLink(three, 'tcx_ingress', 10, before, xdp)).answers)).toBe('EINVAL');
      expect(same((await createLink(three, 'tcx_ingress', 10, before, three)).answers)).toBe('ENOENT');
      expect(same((await createLink(three, 'tcx_ingress', 10, before | after)).answers)).toBe('ERANGE');
      expect(same((await createLink(three, 'tcx_ingress', 10, 0, one)).answers)).toBe('EINVAL');
      expect(same((await createLink(three, 'tcx_ingress', 10, before | after, one)).answers)).toBe('ERANGE');
      expect(same((await createLink(three, 'tcx_ingress', 10, before, one)).answers)).toBe('ok');
      expect(same((await createLink(xdp, 'tcx_ingress', 10)).answers)).toBe('EINVAL');
      const { link } = await createLink(three, 'tcx_egress', 10);
      expect(same(await update(link, one, two))).toBe('EPERM');
      expect(same(await update(link, one))).toBe('ok');
    }));

  test('cgroups: flags, those above, replacement, the same twice', ({ skip: pass }) =>
    withSession(async () => {
      if (root === undefined) return pass('no cgroup of our own');
      const type = 'cgroup_inet_ingress';
      const [one, two, three] = [await both('cgroup_skb'), await both('cgroup_skb'), await both('cgroup_skb')];
      const attempts: string[] = [];
      const step = async (answers: Promise<readonly string[]>): Promise<void> =>
        void attempts.push(same(await answers));
      await step(attach(one, type, '/a', 3));
      await step(attach(one, type, '/a', 4));
      await step(attach(one, type, '/a', 0));
      await step(attach(two, type, '/a', 0));
      await step(attach(two, type, '/a', 2));
      await step(attach(two, type, '/a/b', 2));
      await step(attach(two, type, '/a/b', 0));
      await step(detach(undefined, type, '/a'));
      await step(detach(undefined, type, '/a'));
      await step(attach(one, type, '/a', 2));
      await step(attach(one, type, '/a', 2));
      await step(attach(two, type, '/a', 2));
      await step(attach(three, type, '/a', 6, one));
      await step(attach(one, type, '/a', 6, one));
      await step(attach(one, type, '/a', 6));
      await step(attach(two, type, '/a', 6, two));
      await step(detach(one, type, '/a'));
      await step(attach(one, type, '/a/b', 1));
      await step(attach(two, type, '/a/b', 1));
      await step(attach(two, type, '/a/b', 2));
      await step(detach(undefined, type, '/a/b'));
      await step(detach(two, type, '/a'));
      await step(detach(three, type, '/a'));
      await step(detach(three, type, '/a'));
      expect(attempts).toMatchInlineSnapshot(`
        [
          "EINVAL",
          "EINVAL",
          "ok",
          "ok",
          "EPERM",
          "EPERM",
          "EPERM",
          "ok",
          "ENOENT",
          "ok",
          "EINVAL",
          "ok",
          "ok",
          "ENOENT",
          "EINVAL",
          "ok",
          "ENOENT",
          "ok",
          "ok",
          "EPERM",
          "ok",
          "ok",
          "ok",
          "ENOENT",
        ]
      `);
    }));

  test('cgroups: links beside programs', ({ skip: pass }) =>
    withSession(async () => {
      if (root === undefined) return pass('no cgroup of our own');
      const type = 'cgroup_inet4_connect';
      const [one, two] = [await both('cgroup_sock_addr', type), await both('cgroup_sock_addr', type)];
      const bind = await both('cgroup_sock_addr', 'cgroup_inet4_bind');
      const { answers, link } = await createLink(one, type, '/c');
      expect(same(answers)).toBe('ok');
      expect(same((await createLink(one, type, '/c')).answers)).toBe('ok');
      expect(same((await createLink(bind, type, '/c')).answers)).toBe('EINVAL');
      expect(same(await attach(two, type, '/c', 0))).toBe('EPERM');
      expect(same(await attach(two, type, '/c', 2))).toBe('ok');
      expect(same(await detach(one, type, '/c'))).toBe('ENOENT');
      expect(same(await update(link, two, two))).toBe('EPERM');
      expect(same(await update(link, two, one))).toBe('ok');
      expect(same(await detachLink(link))).toBe('ok');
      expect(same(await update(link, one))).toBe('ENOLINK');
      expect(same(await detach(two, type, '/c'))).toBe('ok');
    }));
});
