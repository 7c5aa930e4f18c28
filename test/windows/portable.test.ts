// One C source, three objects: the same events have the same outcome in each, and Linux loads its own.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import type { ContextSession } from '../../src/context/session.ts';
import { HELPER_FAMILIES } from '../../src/helpers/index.ts';
import { linkObject } from '../../src/link/link.ts';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import { MAP_TYPES } from '../../src/spec/map-types.ts';
import type { AttachTypeName } from '../../src/spec/program-types.ts';
import type { LoadedObjectInfo } from '../../src/spec/session.ts';
import { requireCapability } from '../support/capability.ts';
import { KernelObject } from '../support/kernel-object.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { udp4 } from './packets.ts';

const SYSTEMS = ['linux', 'windows', 'anybpf'] as const;
type System = (typeof SYSTEMS)[number];
const FOLDER = path.join(PROJECT_ROOT, 'examples/portable');

const fileOf = (name: string, system: System): string => path.join(FOLDER, `${name}.${system}.bpf.o`);
/** AnyBPF's own target has Linux's numbers. */
const dialectOf = (system: System) => (system === 'windows' ? 'windows' : 'linux');

interface Loaded extends Disposable {
  readonly session: ContextSession;
  readonly object: LoadedObjectInfo;
  map(name: string): number;
}

async function load(name: string, system: System): Promise<Loaded> {
  const session = createRuntime();
  const object = await session.call('object.load', { object: readFileSync(fileOf(name, system)), name });
  return {
    session,
    object,
    map: (wanted) => object.maps.find((map) => map.name === wanted)?.fd ?? expect.fail(`no map ${wanted}`),
    [Symbol.dispose]: () => session.context[Symbol.dispose](),
  };
}

const u16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);
const u32 = (value: number): Uint8Array => Uint8Array.from([0, 8, 16, 24], (shift) => (value >>> shift) & 0xff);
/** As it lies in memory in network byte order, and the number that a little-endian machine reads there. */
const networkOrder = (port: number): number => ((port & 0xff) << 8) | (port >> 8);
const address = (...bytes: readonly number[]): number => new DataView(Uint8Array.from(bytes).buffer).getUint32(0, true);
const bytes = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

/** struct destination4 of connect_policy. */
const destination = (ip: number, port: number): Uint8Array => bytes(u32(ip), u16(networkOrder(port)), u16(6));

/** struct connection of connections, as the test's connections are told of. */
const connection = (outbound: number): number[] => [
  ...bytes(u32(address(10, 0, 0, 1)), u32(address(10, 0, 0, 9)), u16(4000), u16(443), u32(outbound)),
];

const attachAll = async ({ session, object }: Loaded, attachTypes: readonly AttachTypeName[]): Promise<void> => {
  for (const [i, attachType] of attachTypes.entries())
    await session.call('link.create', { fd: object.programs[i].fd, attachType, target: {} });
};

describe.each(SYSTEMS)('for %s', (system) => {
  test('empty UDP datagrams are dropped and counted', async () => {
    using loaded = await load('drop_empty_udp', system);
    const { session, object } = loaded;
    const { fd } = object.programs[0];
    await session.call('link.create', { fd, attachType: 'xdp', target: { ifindex: 3 } });
    const fire = async (data: Uint8Array): Promise<string | undefined> => {
      const { name } = await session.call('hook.fire', {
        attachType: 'xdp',
        dialect: dialectOf(system),
        target: { ifindex: 3 },
        data,
      });
      return name;
    };
    expect(await fire(udp4(0))).toBe('XDP_DROP');
    expect(await fire(udp4(1))).toBe('XDP_PASS');
    expect(await fire(udp4(0, { protocol: 6 }))).toBe('XDP_PASS');
    const { value } = await session.call('map.lookup', { fd: loaded.map('dropped'), key: u32(0) });
    expect(value[0]).toBe(1);
    // Only from the interface that the map names.
    await session.call('map.update', { fd: loaded.map('interface_index'), key: u32(0), value: u32(77) });
    expect(await fire(udp4(0))).toBe('XDP_PASS');
  });

  test('connections are let through, refused and sent elsewhere', async () => {
    using loaded = await load('connect_policy', system);
    const { session } = loaded;
    await attachAll(loaded, ['cgroup_inet4_connect', 'cgroup_inet6_connect']);
    const fd = loaded.map('policy4');
    await session.call('map.update', { fd, key: destination(address(10, 0, 0, 1), 80), value: destination(0, 0) });
    await session.call('map.update', {
      fd,
      key: destination(address(10, 0, 0, 2), 80),
      value: destination(address(127, 0, 0, 1), 8080),
    });
    const connect = (ip: number, port: number) =>
      session.call('hook.fire', {
        attachType: 'cgroup_inet4_connect',
        dialect: dialectOf(system),
        ctx: { family: 2, user_ip4: ip, user_port: networkOrder(port), protocol: 6 },
      });
    const target = (ctx: Uint8Array | undefined): readonly number[] => {
      const at = system === 'windows' ? [24, 40] : [4, 24];
      const view = new DataView((ctx ?? expect.fail('no context')).slice().buffer);
      return at.map((offset, i) => (i === 0 ? view.getUint32(offset, true) : view.getUint16(offset, false)));
    };
    const through = await connect(address(10, 0, 0, 3), 80);
    expect([through.verdict, target(through.ctx)]).toEqual([1, [address(10, 0, 0, 3), 80]]);
    const refused = await connect(address(10, 0, 0, 1), 80);
    expect(refused.verdict).toBe(0);
    const sent = await connect(address(10, 0, 0, 2), 80);
    expect([sent.verdict, target(sent.ctx)]).toEqual([1, [address(127, 0, 0, 1), 8080]]);
  });

  test('ports are refused, with a line that says so', async () => {
    using loaded = await load('bind_ports', system);
    const { session } = loaded;
    await attachAll(loaded, ['cgroup_inet4_bind', 'cgroup_inet6_bind']);
    await session.call('map.update', { fd: loaded.map('refused_ports'), key: u16(53), value: Uint8Array.of(1) });
    const lines: string[] = [];
    session.on('trace', ({ line }) => lines.push(line));
    await session.call('trace.subscribe', {});
    const bind = async (port: number): Promise<number> => {
      const { verdict } = await session.call('hook.fire', {
        attachType: 'cgroup_inet4_bind',
        dialect: dialectOf(system),
        ctx: { family: 2, user_ip4: address(127, 0, 0, 1), user_port: networkOrder(port), protocol: 17 },
      });
      return verdict;
    };
    expect([await bind(53), await bind(54)]).toEqual([0, 1]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lines).toEqual(['port 53 refused']);
  });

  test('connections that come about are told of in a ring buffer', async () => {
    using loaded = await load('connections', system);
    const { session } = loaded;
    await attachAll(loaded, ['cgroup_sock_ops']);
    const [active, passive, other] = system === 'windows' ? [0, 1, 2] : [4, 5, 1];
    const ports =
      system === 'windows'
        ? { local_port: networkOrder(4000), remote_port: networkOrder(443) }
        : { local_port: 4000, remote_port: networkOrder(443) << 16 };
    for (const op of [active, passive, other]) {
      await session.call('hook.fire', {
        attachType: 'cgroup_sock_ops',
        dialect: dialectOf(system),
        ctx: { op, family: 2, local_ip4: address(10, 0, 0, 1), remote_ip4: address(10, 0, 0, 9), ...ports },
      });
    }
    const { records } = await session.call('map.consume', { fd: loaded.map('connections') });
    expect(records.map(({ data }) => [...data])).toEqual([connection(1), connection(0)]);
  });
});

/** A script, which has no types. */
const scriptOfHeaders = async () =>
  (await import(`${PROJECT_ROOT}/scripts/headers.mjs`)) as {
    readonly NUMBERS_HEADER: string;
    readonly LAYOUT_HEADER: string;
    numbersHeader(families: typeof HELPER_FAMILIES, types: typeof MAP_TYPES): string;
    layoutHeader(rows: typeof PROGRAM_TYPE_ROWS): string;
  };

const EXAMPLES = ['drop_empty_udp', 'connect_policy', 'bind_ports', 'connections'];

describe('Linux', () => {
  const reason = requireCapability('kernel-bpf');
  test.skipIf(reason !== undefined).each(EXAMPLES)('loads %s', (name) => {
    const spec = linkObject(readFileSync(fileOf(name, 'linux')), { name });
    const kernel = new KernelObject(spec);
    try {
      for (const program of spec.programs)
        expect(kernel.load(program).fd, kernel.explain(program.name)).toBeGreaterThan(0);
    } finally {
      kernel.dispose();
    }
  });
});

describe('headers', () => {
  test('are what the tables give', async () => {
    const { LAYOUT_HEADER, layoutHeader, NUMBERS_HEADER, numbersHeader } = await scriptOfHeaders();
    expect(readFileSync(NUMBERS_HEADER, 'utf8')).toBe(numbersHeader(HELPER_FAMILIES, MAP_TYPES));
    expect(readFileSync(LAYOUT_HEADER, 'utf8')).toBe(layoutHeader(PROGRAM_TYPE_ROWS));
  });

  // Compiling checks the layouts: _Static_assert.
  const reason = requireCapability('clang');
  test.skipIf(reason !== undefined)('do not let one system’s own into a source for all', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-headers-'));
    const compile = (text: string, ...flags: readonly string[]): boolean => {
      try {
        const options = ['-target', 'bpf', '-O2', '-Wall', '-Werror', '-I', path.join(PROJECT_ROOT, 'include')];
        execFileSync('clang', [...options, ...flags, '-x', 'c', '-c', '-', '-o', path.join(folder, 'o.o')], {
          input: `#include <anybpf/bpf.h>\n${text}\n`,
          stdio: ['pipe', 'ignore', 'ignore'],
        });
        return true;
      } catch {
        return false;
      }
    };
    try {
      const common = 'int f(void) { return bpf_get_prandom_u32(); }';
      const windows = 'int f(void *c) { return bpf_is_current_admin(c); }';
      const linux = 'void f(void *r) { bpf_ringbuf_discard(r, 0); }';
      const targets = [[], ['-DANYBPF_TARGET_LINUX'], ['-DANYBPF_TARGET_WINDOWS']];
      expect(targets.map((flags) => compile(common, ...flags))).toEqual([true, true, true]);
      expect(targets.map((flags) => compile(windows, ...flags))).toEqual([false, false, true]);
      expect(targets.map((flags) => compile(linux, ...flags))).toEqual([false, true, false]);
      expect(compile(common, '-DANYBPF_TARGET_LINUX', '-DANYBPF_TARGET_WINDOWS')).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
