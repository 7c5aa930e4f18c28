// The walk-throughs of eBPF for Windows' documents and tests, S1 to S15, with programs of our own.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { portQuota } from '../../examples/port-quota/port-quota.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { traceLine } from '../../src/cli/netsh/show-trace.ts';
import { readElf } from '../../src/elf/read.ts';
import type { HookEvent, ProgramInfo, Result } from '../../src/spec/session.ts';
import { requireCapability } from '../support/capability.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { udp4 } from './packets.ts';
import { type NetshShell, netshShell, programFile } from './support.ts';

const example = (file: string): Uint8Array => readFileSync(path.join(PROJECT_ROOT, 'examples', file));
const objectOf = (name: string): Uint8Array => readFileSync(path.join(PROJECT_ROOT, programFile(name)));
const u32 = (value: number): Uint8Array => Uint8Array.from([0, 8, 16, 24], (shift) => (value >>> shift) & 0xff);
const firstNumber = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);

/** Loads an object for a test; attaches its first program. */
async function attached(shell: NetshShell, name: string, target = {}) {
  const { runtime } = shell;
  const loaded = await runtime.call('object.load', { object: objectOf(name), name });
  const [{ fd }] = loaded.programs;
  const { attachType } = (await runtime.call('object.info', { fd })) as ProgramInfo;
  const link = await runtime.call('link.create', { fd, attachType: attachType ?? expect.fail('no hook'), target });
  const map = (wanted: string): number =>
    loaded.maps.find((m) => m.name === wanted)?.fd ?? expect.fail(`no map ${wanted}`);
  const fire = (event: Omit<HookEvent, 'attachType'>): Promise<Result<'hook.fire'>> =>
    runtime.call('hook.fire', { attachType: attachType ?? 'xdp', dialect: 'windows', ...event });
  return { loaded, link: link.fd, map, fire };
}

/** A bind of a process, with the path of its application as Windows has it. */
const bind = (pid: number, application: string, operation = 0): HookEvent => ({
  attachType: 'bind',
  dialect: 'windows',
  data: Uint8Array.from(Buffer.from(application, 'utf16le')),
  ctx: { process_id: BigInt(pid), operation, protocol: 6 },
});

describe('S1: C becomes eBPF', () => {
  const reason = requireCapability('clang') ?? requireCapability('llvm-objdump');
  test.skipIf(reason !== undefined)('the bytes and sections of the tutorial', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-s1-'));
    const compile = (name: string, text: string): Uint8Array => {
      writeFileSync(path.join(folder, `${name}.c`), text);
      execFileSync('clang', ['-target', 'bpf', '-Wall', '-O2', '-c', `${name}.c`, '-o', `${name}.o`], { cwd: folder });
      return readFileSync(path.join(folder, `${name}.o`));
    };
    try {
      const bpf = readElf(compile('bpf', 'int func() { return 0; }\n'));
      const text = bpf.sections.find(({ name }) => name === '.text');
      expect(Buffer.from(text?.data ?? []).toString('hex')).toBe('b7000000000000009500000000000000');
      const dump = execFileSync('llvm-objdump', ['--triple=bpf', '-d', path.join(folder, 'bpf.o')], {
        encoding: 'utf8',
      });
      expect(dump).toMatch(/0:\s+b7 00 00 00 00 00 00 00\s+r0 = 0\n\s+1:\s+95 00 00 00 00 00 00 00\s+exit/);
      const sections = 'int a() __attribute__((section("myprog"))); int b() __attribute__((section("another")));\n';
      const two = readElf(compile('bpf2', `${sections}int a() { return 0; }\nint b() { return 1; }\n`));
      const sizes = Object.fromEntries(two.sections.map(({ name, data }) => [name, data?.length]));
      expect(sizes).toMatchObject({ '.text': 0, myprog: 16, another: 16 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('S2: sections, verification, disassembly and statistics of the first program', async () => {
  using shell = netshShell();
  expect((await shell.run('show sections bpf.o')).output).toContain(
    '               .text                    func     unspec       16\n',
  );
  const { output } = await shell.run('show verification bpf.o type=sample_ext');
  expect(output).toBe('Verification succeeded\nProgram terminates within 0 loop iterations\n');
  expect((await shell.run('show disassembly bpf.o')).output).toMatch(/ {7}0:\tr0 = 0\n(?:; .*\n)* {7}1:\texit\n\n$/);
  expect((await shell.run('sh sec bpf.o .text verb')).output).toContain('Instructions : 2\n');
  // Verbose: what is known before each instruction.
  expect((await shell.run('show verification bpf.o type=sample_ext level=verbose')).output).toContain('0: (b7) r0 = 0');
});

test('S3: a context of another form is refused beyond its 32 bytes', async () => {
  using shell = netshShell();
  expect((await shell.run('show verification myxdp.o')).failed).toBe(false);
  const { output, failed } = await shell.run('show verification myxdp_unsafe.o');
  expect(failed).toBe(true);
  expect(output).toContain(
    '1: Upper bound must be at most 32 (valid_access(r1.offset+32, width=8) for read)\n\n1 errors\n',
  );
});

test('S4: a helper without map, key and value: five errors of one call', async () => {
  using shell = netshShell();
  const { output } = await shell.run('show verification helpers.o');
  expect(output.match(/^\d+: .*$/gm)).toEqual([
    '4: Invalid type (r1.type == map_fd)',
    '4: Invalid type (r2.type in {stack, packet, shared})',
    '4: Map key size is not singleton (within(r2:key_size(r1)))',
    '4: Invalid type (r3.type in {stack, packet, shared})',
    '4: Map value size is not singleton (within(r3:value_size(r1)))',
  ]);
  expect(output).toContain('\n5 errors\n');
});

test('S5: a map as the disassembly and the object name it', async () => {
  using shell = netshShell();
  const { output } = await shell.run('show disassembly percpu.o');
  expect(output).toContain('       8:\tr1 = map_fd 1\n');
  expect(output).toContain('r0 = bpf_map_update_elem:2(map_fd r1, map_key r2, map_value r3, uint64_t r4)');
  const { sections } = readElf(objectOf('percpu.o'));
  const relocations = sections.find(({ name }) => name === '.relsample_ext')?.relocations ?? [];
  expect(relocations.map(({ offset }) => Number(offset))).toEqual([0x40]);
  const { runtime } = shell;
  const { loaded, map, fire } = await attached(shell, 'percpu.o');
  expect(loaded.maps[0].name).toBe('map');
  await fire({});
  const { value } = await runtime.call('map.lookup', { fd: map('map'), key: u32(0) });
  expect(firstNumber(value)).toBe(42);
});

test('S6: a program is added, shown and deleted', async () => {
  using shell = netshShell({ prog: 4 });
  expect((await shell.run('add program droppacket.o xdp')).output).toBe('Loaded with ID 5\n');
  const shown = (await shell.run('show programs')).output.split('\n');
  expect(shown.slice(1, 4)).toEqual([
    '    ID  Pins  Links  Mode       Type           Name',
    '======  ====  =====  =========  =============  ====================',
    '     5     1      1  JIT        xdp            DropPacket',
  ]);
  expect((await shell.run('delete program 5')).output).toBe('Unpinned 5 from BPF:\\DropPacket\n');
});

test('S7: port quota: 5,000 ports for a process, and no more', async () => {
  using shell = netshShell();
  const { runtime } = shell;
  let printed = '';
  const run = (...line: string[]): Promise<boolean> =>
    portQuota(
      runtime,
      line,
      async () => example('port-quota/port_quota.bpf.o'),
      (text) => {
        printed += text;
      },
    );
  const APPLICATION = String.raw`\device\port_leak.exe`;
  /** As a program that binds and never lets go. */
  const leak = async (most: number): Promise<string> => {
    for (let held = 0; held < most; held++) {
      const { name } = await runtime.call('hook.fire', bind(77, APPLICATION));
      if (name === 'BIND_DENY') return `Leaked ${held} ports\nbind failed: access denied\n`;
    }
    return `Leaked ${most} ports\n`;
  };
  await run('load', 'port_quota.bpf.o');
  const pins = await runtime.call('object.pins', {});
  expect(pins.pins.map(({ path: pin }) => pin)).toEqual(
    ['limits_map', 'process_map', 'program', 'program_link'].map((name) => `BPF:\\port_quota::${name}`),
  );
  expect(await leak(10)).toBe('Leaked 10 ports\n');
  await run('limit', '5000');
  expect(await leak(6000)).toBe('Leaked 5000 ports\nbind failed: access denied\n');
  await run('stats');
  expect(printed).toBe(`Pid\tCount\tAppId\n77\t5000\t${APPLICATION}\n`);
  // Another process, and one that lets a port go.
  expect((await runtime.call('hook.fire', bind(78, 'other.exe'))).name).toBe('BIND_PERMIT_SOFT');
  await runtime.call('hook.fire', bind(77, APPLICATION, 2));
  expect(await leak(2)).toBe('Leaked 1 ports\nbind failed: access denied\n');
  await run('unload');
  expect((await runtime.call('hook.fire', bind(77, APPLICATION))).ran).toEqual([]);
  expect((await runtime.call('object.pins', {})).pins).toEqual([]);
});

test('S8: a flood of empty datagrams is stopped, and comes through again', async () => {
  using shell = netshShell();
  const { runtime } = shell;
  const FLOOD = 1000;
  const through = async (): Promise<number> => {
    let passed = 0;
    for (let i = 0; i < FLOOD; i++) {
      const { verdict } = await runtime.call('hook.fire', {
        attachType: 'xdp',
        dialect: 'windows',
        target: { ifindex: 1 },
        data: udp4(i % 100 === 0 ? 12 : 0),
      });
      if (verdict === 1) passed++;
    }
    return passed;
  };
  expect(await through()).toBe(FLOOD);
  const { map } = await attached(shell, 'droppacket.o', { ifindex: 1 });
  expect(await through()).toBe(FLOOD / 100);
  const { value } = await runtime.call('map.lookup', { fd: map('dropped_packet_map'), key: u32(0) });
  expect(firstNumber(value)).toBe(FLOOD - FLOOD / 100);
  await runtime.call('prog.query', { attachType: 'xdp', target: { ifindex: 1 } });
  for (const { id } of await links(shell))
    await runtime.call('link.detach', { fd: (await runtime.call('object.open', { kind: 'link', id })).fd });
  expect(await through()).toBe(FLOOD);
  // Without the look at its length the program is not loaded.
  const refused = await runtime
    .call('object.load', { object: objectOf('droppacket_unsafe.o'), name: 'droppacket_unsafe.o' })
    .catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(AnyBpfError);
  expect((refused as AnyBpfError).code).toBe('verify/packet-bounds');
  expect((await shell.run('add program droppacket_unsafe.o xdp')).output).toMatch(
    /^error 13: could not load program\n/,
  );
});

test('S8: four senders, 200,000 datagrams before, while and after the program is there', async () => {
  using shell = netshShell();
  const { runtime } = shell;
  const [SENDERS, BURSTS, BURST] = [4, 50, 1000];
  const ALL = SENDERS * BURSTS * BURST;
  const flood = { attachType: 'xdp', dialect: 'windows', target: { ifindex: 1 }, data: udp4(0) } as const;
  /** What gets through of one sender's; the program decides all datagrams of a burst alike. */
  const send = async (): Promise<number> => {
    let passed = 0;
    for (let i = 0; i < BURSTS; i++) {
      const { verdict } = await runtime.call('hook.fire', { ...flood, repeat: BURST });
      if (verdict === 1) passed += BURST;
    }
    return passed;
  };
  /** Told, not asserted: how fast is the machine's matter. */
  const rates: string[] = [];
  const senders = async (): Promise<number> => {
    const begun = performance.now();
    const passed = await Promise.all(Array.from({ length: SENDERS }, send));
    const seconds = (performance.now() - begun) / 1000;
    const sum = passed.reduce((total, each) => total + each, 0);
    rates.push(`${Math.round(sum / seconds)} of ${Math.round(ALL / seconds)}`);
    return sum;
  };
  expect(await senders()).toBe(ALL);
  const { map, link } = await attached(shell, 'droppacket.o', { ifindex: 1 });
  expect(await senders()).toBe(0);
  const { value } = await runtime.call('map.lookup', { fd: map('dropped_packet_map'), key: u32(0) });
  expect(firstNumber(value)).toBe(ALL);
  await runtime.call('link.detach', { fd: link });
  expect(await senders()).toBe(ALL);
  console.log(`S8: a second ${rates.join(', then ')} datagrams pass`);
});

test('S9: step by step to the cause of a refusal', async () => {
  using shell = netshShell();
  const { output } = await shell.run('show verification droppacket_unsafe.o xdp level=informational');
  // What is known of r1 before the load that is refused: a pointer to the packet, of which nothing is proven.
  expect(output).toMatch(/^2: .*R1=pkt\(r=0\).*\n2: \(71\) r2 = \*\(u8 \*\)\(r1 \+9\)$/m);
  expect(output.match(/^\d+: Upper bound.*$/gm)).toHaveLength(2);
});

test('S10: what bpf_printk prints, as the tutorial shows it', async () => {
  using shell = netshShell();
  await attached(shell, 'hello_world.o');
  const before = process.listenerCount('SIGINT');
  const shown = shell.run('show trace');
  await expect.poll(() => process.listenerCount('SIGINT')).toBeGreaterThan(before);
  await shell.runtime.call('hook.fire', { ...bind(0x1760, 'a.exe'), pid: 0x1760 });
  await new Promise((resolve) => setImmediate(resolve));
  process.emit('SIGINT');
  expect((await shown).output).toMatch(
    /^\[0\]1760\.1760::\d\d\/\d\d\/\d{4}-\d\d:\d\d:\d\d\.\d{3} \[EbpfForWindowsProvider\]\{"Message":"Hello, world"\}\n$/,
  );
});

test.each([
  [3, 0x1760, 0x1910, new Date(2022, 2, 10, 13, 56, 14, 226), '[3]1760.1910::03/10/2022-13:56:14.226'],
  [12, 4, 70_000, new Date(2026, 11, 1, 1, 2, 3, 4), '[12]0004.11170::12/01/2026-01:02:03.004'],
])('S10: processor %i, process %i, thread %i', (cpu, tgid, pid, date, prefix) => {
  const line = 'Hello, "world"';
  expect(traceLine({ line, cpu, pid, tgid, time: 0n }, date)).toBe(
    `${prefix} [EbpfForWindowsProvider]{"Message":"Hello, \\"world\\""}\n`,
  );
});

describe('S11: tail calls, rings and perf buffers', () => {
  test('tail calls go on to the last program; beyond the array they fail', async () => {
    using shell = netshShell();
    const multiple = await attached(shell, 'tail_call_multiple.o');
    // object order: callee0, callee1, caller
    const caller = multiple.loaded.programs.find(({ name }) => name === 'caller') ?? expect.fail('no caller');
    expect(await shell.runtime.call('prog.testRun', { fd: caller.fd })).toMatchObject({ retval: 3 });
    using other = netshShell();
    const single = await attached(other, 'tail_call.o');
    // -EBPF_INVALID_ARGUMENT, and the program goes on.
    const { ran } = await single.fire({});
    expect(ran.map(({ retval }) => retval | 0)).toEqual([-6]);
    const { value } = await other.runtime.call('map.lookup', { fd: single.map('canary'), key: u32(0) });
    expect(firstNumber(value)).toBe(1);
  });

  test.each(['ring', 'perf'] as const)('records of a %s buffer come in order', async (kind) => {
    using shell = netshShell();
    const { map } = await attached(shell, `bind_${kind}.o`);
    // A perf buffer is there from the first look at it on.
    await shell.runtime.call('map.consume', { fd: map('process_map') });
    for (const name of ['one', 'two', 'three']) await shell.runtime.call('hook.fire', bind(5, name));
    const { records, lost } = await shell.runtime.call('map.consume', { fd: map('process_map') });
    const names = records.map(({ data }) => Buffer.from(data.subarray(0, 10)).toString('utf16le').split('\0')[0]);
    expect([names, lost]).toEqual([['one', 'two', 'three'], 0]);
  });
});

// S12, the 33 cases of netsh, are netsh.test.ts; the 7 of bpftool are test/cli/bpftool; S13, conformance, is test/conformance.

// S14, an object of many programs, takes seconds: scenarios.long.ts.

describe('S15: verdicts and redirection of connections', () => {
  const SOCKET = { protocol: 'tcp', localAddress: '127.0.0.1', localPort: 4000 } as const;
  const CONNECT = { ctx: { family: 2, user_ip4: 0x0100_007f, user_port: 0x5000, protocol: 6 } };

  test('a connection is sent elsewhere, with a context for whoever gets it', async () => {
    using shell = netshShell();
    const { fire } = await attached(shell, 'connect_redirect.o');
    const { name, ctx, redirectContext } = await fire(CONNECT);
    expect(new TextDecoder().decode(redirectContext)).toBe('meant for port 80\0');
    const view = new DataView((ctx ?? expect.fail('no context')).slice().buffer);
    expect([name, view.getUint32(24, true), view.getUint16(40, false)]).toEqual(['PROCEED_SOFT', 0x0200_007f, 8080]);
    // All others go where they want to.
    const other = await fire({ ctx: { ...CONNECT.ctx, user_port: 0x5100 } });
    expect([other.name, other.ctx?.[27]]).toEqual(['PROCEED_SOFT', 1]);
  });

  test.each([
    [0, 'REJECT'],
    [1, 'PROCEED_SOFT'],
    [2, 'PROCEED_HARD'],
    [7, 'REJECT'],
  ])('the policy %i is %s', async (policy, verdict) => {
    using shell = netshShell({}, { network: { sockets: [SOCKET], currentSocket: 0 } });
    const { map, fire } = await attached(shell, 'cgroup_sock_addr.o');
    const key = new Uint8Array(56);
    const view = new DataView(key.buffer);
    view.setUint32(20, CONNECT.ctx.user_ip4, true);
    view.setUint16(36, CONNECT.ctx.user_port, true);
    view.setUint32(40, CONNECT.ctx.protocol, true);
    await shell.runtime.call('map.update', { fd: map('egress_connection_policy_map'), key, value: u32(policy) });
    expect((await fire(CONNECT)).name).toBe(verdict);
  });
});

async function links({ runtime }: NetshShell) {
  const ids: { id: number }[] = [];
  for (let id = 0; ; ) {
    const next = await runtime.call('object.nextId', { kind: 'link', id }).catch(() => undefined);
    if (next === undefined) return ids;
    id = next.id;
    ids.push(next);
  }
}
