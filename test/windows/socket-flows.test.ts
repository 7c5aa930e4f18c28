// S15: cases of eBPF for Windows' tests/socket/socket_tests.cpp by name, about the life of connections.
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decide, type SocketOperation } from '../../src/sockets/events.ts';
import type { AttachTypeName } from '../../src/spec/program-types.ts';
import type { AttachTarget } from '../../src/spec/session.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { programFile } from './support.ts';
import {
  everywhere,
  LOOPBACK,
  Machine,
  PID,
  PORT,
  type Protocol,
  PROTOCOLS,
  type Speech,
  SPEECHES,
} from './sockets.ts';

const machine = new Machine();
afterEach(() => machine.reset());
afterAll(() => machine[Symbol.dispose]());
const [TCP] = PROTOCOLS;

const load = (name: string) =>
  machine.session.call('object.load', { object: readFileSync(path.join(PROJECT_ROOT, programFile(name))), name });

/** flow_monitor, attached, and what it tells. */
async function monitored() {
  const { session } = machine;
  const { programs, maps } = await load('flow_monitor.o');
  const target = { compartment: 0 };
  await session.call('prog.attach', { fd: programs[0].fd, attachType: 'cgroup_sock_ops', target });
  return {
    async flows() {
      const { records } = await session.call('map.consume', { fd: maps[0].fd });
      return records.map(({ data }) => {
        const view = new DataView(data.buffer, data.byteOffset);
        return {
          local: [data.slice(0, 16), view.getUint16(56, true)],
          remote: [data.slice(16, 32), view.getUint16(58, true)],
          luid: view.getBigUint64(32, true),
          flowId: view.getBigUint64(40, true),
          pid: Number(view.getBigUint64(48, true)),
          op: view.getUint32(64, true),
          protocol: view.getUint32(68, true),
        };
      });
    },
    async end() {
      await session.call('prog.detach', { fd: programs[0].fd, attachType: 'cgroup_sock_ops', target });
      for (const { fd } of [...programs, ...maps]) await session.call('object.close', { fd });
    },
  };
}

/** Both ends of a connection on the loopback interface: begun, and where it is said so ended. */
async function life(speech: Speech, { number, type }: Protocol, disconnect: boolean): Promise<void> {
  const monitor = await monitored();
  const address = speech.spell(LOOPBACK[speech.version]);
  const [client, server] = [50_000, PORT].map((port) => ({ address, port }));
  const happens = (operation: SocketOperation, local: typeof client, remote: typeof client) =>
    decide(
      { operation, family: speech.family, type, protocol: number, local, remote, pid: PID, application: 'app' },
      (hook) => machine.session.call('hook.fire', hook),
    );
  await happens('connected', client, server);
  await happens('accepted', server, client);
  if (disconnect) {
    await happens('closed', client, server);
    await happens('closed', server, client);
  }
  const seen = new Uint8Array(16);
  seen.set(LOOPBACK[speech.version]);
  const common = { luid: 24n << 48n, pid: PID, protocol: number, flowId: expect.any(BigInt) };
  const there = { ...common, local: [seen, client.port], remote: [seen, server.port] };
  const back = { ...common, local: [seen, server.port], remote: [seen, client.port] };
  const flows = await monitor.flows();
  expect(flows).toEqual([
    { ...there, op: 0 },
    { ...back, op: 1 },
    ...(disconnect
      ? [
          { ...there, op: 2 },
          { ...back, op: 2 },
        ]
      : []),
  ]);
  // sock_ops_flow_id_helper_test: never 0 where the connection is known.
  expect(flows.every(({ flowId }) => flowId !== 0n)).toBe(true);
  await monitor.end();
}

describe('attaching', () => {
  test('connection_test_attach_all', async () => {
    const [programs] = await machine.loads(1);
    for (const hook of ['connect', 'recv_accept'] as const)
      for (const version of [4, 6] as const) await programs.attach(hook, version);
    const { session } = machine;
    const { programs: binds } = await load('bindmonitor.o');
    const link = await session.call('link.create', { fd: binds[0].fd, attachType: 'bind', target: {} });
    const monitor = await monitored();
    const known: readonly (readonly [AttachTypeName, AttachTarget])[] = [
      ['cgroup_inet4_connect', { compartment: 0 }],
      ['cgroup_inet6_connect', { compartment: 0 }],
      ['cgroup_inet4_recv_accept', { compartment: 0 }],
      ['cgroup_inet6_recv_accept', { compartment: 0 }],
      ['cgroup_sock_ops', { compartment: 0 }],
      ['bind', {}],
    ];
    for (const [attachType, target] of known)
      expect((await session.call('prog.query', { attachType, target })).progs).toHaveLength(1);
    await session.call('object.close', { fd: link.fd });
    await monitor.end();
  });

  test('attach_sockops_programs', async () => {
    const monitor = await monitored();
    const query = { attachType: 'cgroup_sock_ops', target: { compartment: 0 } } as const;
    expect((await machine.session.call('prog.query', query)).progs).toHaveLength(1);
    await monitor.end();
    expect((await machine.session.call('prog.query', query)).progs).toEqual([]);
  });
});

describe('the life of connections', () => {
  const ROWS = (['IPv4', 'IPv6'] as const).flatMap((family) =>
    PROTOCOLS.flatMap((protocol) =>
      [false, true].map((disconnect) => {
        const what = `connection_monitor_test_${disconnect ? 'disconnect_' : ''}`;
        return [`${what}${protocol.name.toLowerCase()}_${family.slice(2)}`, family, protocol, disconnect] as const;
      }),
    ),
  );
  test.each(ROWS)('%s', (_name, family, protocol, disconnect) =>
    everywhere(machine, (speech) => life(speech, protocol, disconnect), SPEECHES[family], [protocol]),
  );
  test('sock_ops_flow_id_helper_test', () => life(SPEECHES.IPv4[0], TCP, false));
});
