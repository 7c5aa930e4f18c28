// Objects of Windows' dialect in Linux' kernel: what is translated does there what Linux' own build of the same source does; the rest is
// refused with its reason.
import { createServer } from 'node:net';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { assemble } from '../../src/isa/assembler.ts';
import { contextUse } from '../../src/hosts/linux/context-pointers.ts';
import { linuxProgram } from '../../src/hosts/linux/windows-program.ts';
import { linkObject } from '../../src/link/link.ts';
import type { ProgramSpec } from '../../src/spec/object.ts';
import { requireCapability } from '../support/capability.ts';
import { samplePackets } from '../support/packets.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { outcome, ownCgroup, ownSession } from './support.ts';

const portable = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(path.join(PROJECT_ROOT, 'examples/portable', `${name}.bpf.o`)));
const missing = requireCapability('kernel-bpf');

/** struct destination4: loopback, a port, TCP. */
const destination = (to: number): Uint8Array => Uint8Array.of(127, 0, 0, 1, to >> 8, to & 255, 6, 0);
const client = (to: number): string =>
  `import socket; s = socket.socket(); s.settimeout(5); s.connect(('127.0.0.1', ${to})); print(s.recv(9))`;

const XDP_SPEC = linkObject(portable('drop_empty_udp.windows'), { name: 'o' });

/** A program of this text in the place of the example's. */
const withCode = (text: string, more: Partial<ProgramSpec> = {}) => {
  const [program] = XDP_SPEC.programs;
  const { code } = assemble(text);
  const functions = [{ ...program.functions[0], length: code.length / 8 }];
  return linuxProgram({ ...program, code, functions, lines: [], ...more }, XDP_SPEC);
};

describe('a program of Windows for Linux', () => {
  const REFUSED: readonly (readonly [string, string, RegExp])[] = [
    ['a field that Linux has not', 'r0 = *(u64 *)(r1 + 16)\nexit', /8 bytes at 16 of the context/],
    ['a part of a field', 'r0 = *(u32 *)(r1 + 0)\nexit', /4 bytes at 0 of the context/],
    ['a store', '*(u32 *)(r1 + 24) = 1\nr0 = 0\nexit', /no program store there/],
    ['arithmetic', 'r1 += 8\nr0 = *(u64 *)(r1 + 0)\nexit', /computes with the pointer/],
    ['a pointer in memory', '*(u64 *)(r10 - 8) = r1\nr0 = 0\nexit', /in memory/],
    [
      'a pointer on some paths',
      'r2 = *(u64 *)(r1 + 0)\nif r2 == 0 goto a\nr1 = r2\na:\nr0 = *(u64 *)(r1 + 0)\nexit',
      /on some paths only/,
    ],
    ['a helper of its own', 'call 99\nexit', /helper 99/],
    ['a tail call', 'r2 = map_by_idx(0) ll\nr3 = 0\ncall 5\nr0 = 0\nexit', /a tail call/],
    ['a callback', 'r2 = code_addr(1) ll\nr0 = 0\nexit\nr0 = 0\nexit', /by their address/],
  ];
  test.each(REFUSED)('%s is refused', (_, text, why) => {
    expect(() => withCode(text)).toThrow(why);
  });

  test('other types and hooks are refused', () => {
    expect(() => withCode('r0 = 0\nexit', { type: 'bind' })).toThrow(/program type bind/);
    const accept = { type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_recv_accept' } as const;
    expect(() => withCode('r0 = 0\nexit', accept)).toThrow(/attach type cgroup_inet4_recv_accept/);
    const connect6 = { type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_connect' } as const;
    expect(() => withCode('r0 = *(u32 *)(r1 + 0)\nexit', connect6)).toThrow(/another meaning/);
    const port = 'r2 = *(u32 *)(r1 + 44)\n*(u16 *)(r1 + 40) = r2\nr0 = 1\nexit';
    expect(() => withCode(port, connect6)).toThrow(/not known to be zero/);
    expect(withCode(port.replace('r1 + 44', 'r1 + 24').replace('*(u16', 'r2 &= 255\n*(u16'), connect6).dialect).toBe(
      'linux',
    );
  });

  test('the context is followed into functions', () => {
    const { code } = assemble('r6 = r1\ncall f\nr1 = r6\ncall f\nexit\nf:\nr0 = *(u64 *)(r1 + 8)\nexit');
    expect(contextUse(code)).toMatchObject({ accesses: [{ slot: 5, size: 8, store: false }] });
    const other = assemble('r6 = r1\ncall f\nr1 = r10\ncall f\nexit\nf:\nr0 = *(u64 *)(r1 + 8)\nexit').code;
    expect(contextUse(other)).toMatchObject({ slot: 5, why: expect.stringContaining('on some paths') });
  });
});

describe.skipIf(missing !== undefined)('Windows objects in the kernel', () => {
  test.each(['drop_empty_udp', 'count_protocols'])('%s gives what Linux own build gives', (name) => {
    const runs = (['linux', 'windows'] as const).map((system) => {
      const session = ownSession();
      const { programs, maps } = session.callNow('object.load', { object: portable(`${name}.${system}`), name });
      const verdicts = samplePackets(200, 3)
        .filter(({ length }) => length >= 14 && length < 3000)
        .map((data) => session.callNow('prog.testRun', { fd: programs[0].fd, data }).retval);
      const contents = maps.map(({ fd, name: map }) => {
        const { keys, values } = session.callNow('map.lookupBatch', { fd, count: 1024 });
        const keySize = session.map(fd).keySize;
        const rows = Array.from({ length: keys.length / keySize }, (_, i) => {
          const size = session.map(fd).userValueSize;
          return `${keys.subarray(i * keySize, (i + 1) * keySize)}: ${values.subarray(i * size, (i + 1) * size)}`;
        });
        return [map, rows.toSorted()];
      });
      return { verdicts, contents };
    });
    expect(new Set(runs[0].verdicts).size).toBeGreaterThan(name === 'drop_empty_udp' ? 1 : 0);
    expect(runs[1].verdicts).toEqual(runs[0].verdicts);
  });

  test('connect_policy refuses and redirects connections of an unmodified program', async () => {
    const server = createServer((socket) => socket.end('here')).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((done) => server.once('listening', done));
    const { port } = server.address() as { port: number };
    const cgroup = ownCgroup();
    const session = ownSession();
    const { programs, maps } = session.callNow('object.load', {
      object: portable('connect_policy.windows'),
      name: 'connect_policy',
    });
    const at = { attachType: 'cgroup_inet4_connect', target: { cgroup: cgroup.path } } as const;
    session.callNow('link.create', { fd: programs[0].fd, ...at });
    const policy = maps.find(({ name }) => name === 'policy4')?.fd ?? 0;
    session.callNow('map.update', { fd: policy, key: destination(9), value: destination(port) });
    session.callNow('map.update', { fd: policy, key: destination(10), value: destination(0) });
    const run = cgroup.start('python3', '-c', client(9));
    expect(await run).toContain("b'here'");
    expect(await cgroup.start('python3', '-c', client(10))).toMatch(/PermissionError/);
    expect(await cgroup.start('python3', '-c', client(port))).toContain("b'here'");
  });

  test('what Linux refuses is refused in its own words', async () => {
    const session = ownSession();
    // Windows' objects have no licence, and bpf_trace_printk asks for one.
    const bind = session.call('object.load', { object: portable('bind_ports.windows'), name: 'bind_ports' });
    await expect(bind).rejects.toMatchObject({ code: 'verify/licence' });
    const refused = session.call('object.load', { object: portable('connections.windows'), name: 'connections' });
    expect(await outcome(refused)).toBe('ENOTSUPP');
    expect(session.handles.size).toBe(0);
  });
});
