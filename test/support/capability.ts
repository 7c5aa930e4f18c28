// What this machine can do for tests beyond Node itself. Each capability is found out by really doing a small thing once,
// never from a version or a setting.
//
//   describe.skipIf(requireCapability('kernel-bpf') !== undefined)('against the kernel', () => { ... });
//
// requireCapability gives the reason to skip, or undefined where the capability is there, and prints each reason once. In
// CI (environment variable CI set) a capability that `.ci/required` names must be there: then a missing one throws, so
// that an expected check that vanishes is a failure and not a silent skip.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openDriver } from '../../src/live/open.ts';
import { kernelSuite } from '../verify/kernel-suite.ts';
import { bpf, close, progLoad } from '../../src/hosts/linux/bpf.ts';
import { cgroupFolder } from '../../src/hosts/linux/places.ts';
import { ATTACH_TYPES } from '../../src/spec/program-types.ts';
import { kernelCapability } from './bpf.ts';
import { note, noted } from './capability-table.ts';
import { KERNEL_HOOKS, type KernelHook, tryHook } from './kernel-hooks.ts';
import { Pair } from './netns.ts';
import { corpusFolder, PROJECT_ROOT } from './shared.ts';

/** Why a capability is missing, or undefined where it is there. */
type Detect = () => string | undefined;

/** Runs a command and wants exit code 0 and a word in its output. */
function command(name: string, args: readonly string[], expected: RegExp, input?: string): string | undefined {
  const run = spawnSync(name, args, { encoding: 'utf8', timeout: 20_000, ...(input === undefined ? {} : { input }) });
  if (run.error !== undefined) return `${name}: ${run.error.message}`;
  if (run.status !== 0) return `${name} ${args.join(' ')} ended with ${run.status}: ${run.stderr.slice(0, 200)}`;
  return expected.test(run.stdout) ? undefined : `${name} ${args.join(' ')} gave no ${expected.source}`;
}

/** Where Debian keeps asm/*.h, which clang does not search for the target bpf. */
const MULTIARCH = `/usr/include/${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch}-linux-gnu`;

/** Compiles C for BPF in a folder of its own. */
function compiles(source: string, after?: (object: string) => string | undefined): string | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-capability-'));
  try {
    const file = path.join(folder, 'try.bpf.c');
    const object = path.join(folder, 'try.bpf.o');
    writeFileSync(file, source);
    const failed = command('clang', ['-target', 'bpf', '-O2', '-g', `-I${MULTIARCH}`, '-c', file, '-o', object], /^/);
    return failed ?? after?.(object);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `r0 = 1; exit`: lets binds pass. */
const PROCEED = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

function tryCgroup(): string | undefined {
  const { ok, errno, stage } = kernelCapability();
  if (!ok) return `bpf(2) does not work: ${stage}, errno ${errno}`;
  const folder = cgroupFolder('capability', `/abpfcap${process.pid}`);
  mkdirSync(folder);
  const group = openSync(folder, 'r');
  const { fd } = progLoad({
    type: 'cgroup_sock_addr',
    attachType: 'cgroup_inet4_bind',
    code: PROCEED,
    license: 'GPL',
  });
  try {
    if (fd < 0) return `PROG_LOAD of cgroup_sock_addr: errno ${-fd}`;
    const link = bpf('LINK_CREATE', 16, (attr) => {
      attr.setUint32(0, fd, true);
      attr.setUint32(4, group, true);
      attr.setUint32(8, ATTACH_TYPES.cgroup_inet4_bind.linux, true);
    });
    if (link < 0) return `LINK_CREATE to a control group: errno ${-link}`;
    close(link);
    return undefined;
  } finally {
    if (fd >= 0) close(fd);
    closeSync(group);
    rmdirSync(folder);
  }
}

/** What programs can be attached to. */
const hooks = () =>
  Object.fromEntries(
    (Object.keys(KERNEL_HOOKS) as KernelHook[]).map((name) => [name, (): string | undefined => tryHook(name)]),
  ) as { readonly [H in KernelHook]: Detect };

const CAPABILITIES = {
  'kernel-bpf': () => {
    const { ok, stage, errno, detail } = kernelCapability();
    return ok
      ? undefined
      : `bpf(2) does not work: ${stage}, errno ${errno}${detail === undefined ? '' : `, ${detail}`}`;
  },
  'vmlinux-btf': () => {
    try {
      const magic = readFileSync('/sys/kernel/btf/vmlinux').readUInt16LE(0);
      return magic === 0xeb9f ? undefined : '/sys/kernel/btf/vmlinux is not BTF';
    } catch (error) {
      return `no /sys/kernel/btf/vmlinux: ${error instanceof Error ? error.message : String(error)}`;
    }
  },
  clang: () => compiles('int f(void) { return 1; }\n'),
  'libbpf-dev': () =>
    compiles(
      '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nSEC("xdp") int f(struct xdp_md *c) { return 2; }\n',
    ),
  'llvm-objdump': () =>
    compiles('int f(void) { return 1; }\n', (object) => command('llvm-objdump', ['-d', object], /exit/)),
  bpftool: () => command('bpftool', ['version'], /bpftool/),
  tcpdump: () => command('tcpdump', ['--version'], /^/),
  chromium: () => command('chromium', ['--headless', '--no-sandbox', '--version'], /Chromium/),
  /** Network namespaces and pairs of interfaces. */
  netns: () => {
    const name = `abpfcap${process.pid}`;
    const made = command('ip', ['netns', 'add', name], /^/);
    if (made !== undefined) return made;
    try {
      return command('ip', ['-n', name, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1'], /^/);
    } finally {
      command('ip', ['netns', 'del', name], /^/);
    }
  },
  ethtool: () => command('ethtool', ['--version'], /ethtool/),
  /** Packets of an interface: a packet socket's ring, and programs of tcx and AF_XDP, as live interfaces need them. */
  live: () => {
    const missing = command('python3', ['--version'], /^Python/);
    if (missing !== undefined) return missing;
    try {
      using pair = new Pair(109);
      for (const driver of ['af_packet', 'af_xdp'] as const) openDriver(driver, pair.near.device).close();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  },
  ping: () => command('ping', ['-c', '1', '-W', '2', '127.0.0.1'], /1 received/),
  /** A control group, and a program attached to it. */
  'cgroup-bpf': () => {
    try {
      return tryCgroup();
    } catch (error) {
      return `no control group: ${error instanceof Error ? error.message : String(error)}`;
    }
  },
  ...hooks(),
  'seccomp-notify': () =>
    command(
      process.execPath,
      ['--import', new URL('typescript.mjs', import.meta.url).href, path.join(import.meta.dirname, 'seccomp-probe.ts')],
      /^listener/,
    ) ??
    command('curl', ['--version'], /^curl/) ??
    command('python3', ['--version'], /^Python/),
  /** The kernel's annotated verifier tests, compiled: fetched and made where they are not there yet. */
  'linux-suite': () => {
    const suite = kernelSuite();
    return 'reason' in suite ? suite.reason : undefined;
  },
  'shared-corpus': () => {
    const found = corpusFolder();
    return 'reason' in found ? found.reason : undefined;
  },
} satisfies Record<string, Detect>;

export type CapabilityName = keyof typeof CAPABILITIES;
export const CAPABILITY_NAMES = Object.keys(CAPABILITIES) as readonly CapabilityName[];

const found = new Map<CapabilityName, string | undefined>();

/** The names in `.ci/required`. */
export function requiredNames(): ReadonlySet<string> {
  const file = path.join(PROJECT_ROOT, '.ci', 'required');
  const lines = readFileSync(file, 'utf8').split('\n');
  return new Set(lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== ''));
}

/** Reason to skip, or undefined. Throws in CI where `.ci/required` names a capability that is missing. */
export function requireCapability(name: CapabilityName): string | undefined {
  if (!found.has(name)) {
    const before = noted(name);
    const reason = before === undefined ? CAPABILITIES[name]() : before.reason;
    if (before === undefined) note(name, reason);
    found.set(name, reason);
    if (reason !== undefined) console.warn(`skipped, no ${name}: ${reason}`);
  }
  const reason = found.get(name);
  const ci = process.env['CI'];
  if (reason !== undefined && ci !== undefined && ci !== '' && ci !== 'false' && requiredNames().has(name)) {
    throw new Error(`.ci/required names ${name}, which is missing: ${reason}`);
  }
  return reason;
}
