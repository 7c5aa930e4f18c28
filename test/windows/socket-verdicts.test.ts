// S15: cases of eBPF for Windows' tests/socket/socket_tests.cpp by name, for every family and protocol that they are there for.
// There the system's own filters stand beside the programs: what goes over them is the hard verdict, which is all that is seen of it here.
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { SocketOperation } from '../../src/sockets/events.ts';
import type { ProgramInfo } from '../../src/spec/session.ts';
import {
  ALL_SPEECHES,
  everywhere,
  type HookName,
  inward,
  loopback,
  Machine,
  outward,
  PID,
  PORT,
  type Protocol,
  SPEECHES,
  verdictName,
  VERDICT,
  PROTOCOLS,
} from './sockets.ts';

const machine = new Machine();
afterEach(() => machine.reset());
afterAll(() => machine[Symbol.dispose]());
const { REJECT, SOFT, HARD, UNKNOWN } = VERDICT;
const [TCP] = PROTOCOLS;

/** The outcome of each verdict of one hook's program; without a policy it refuses. */
const oneHook = (hook: HookName, side: (protocol: Protocol) => SocketOperation): Promise<void> =>
  everywhere(machine, async (speech, protocol) => {
    const [programs] = await machine.loads(1);
    await programs.attach(hook, speech.version);
    expect(await machine.result(loopback(speech), speech, protocol)).toBe(side(protocol));
    for (const verdict of [SOFT, HARD]) {
      await programs.policy(loopback(speech), protocol, verdict);
      const { result, verdicts } = await machine.reach(loopback(speech), speech, protocol);
      expect([result, verdicts]).toEqual(['allow', [[hook, verdictName(verdict), 1]]]);
    }
  });

test('connection_test_recv_accept', () => oneHook('recv_accept', inward));
test('connection_test_connect', () => oneHook('connect', outward));
test('connection_test_recv_accept_hard_permit', () => oneHook('recv_accept', inward));
test('connection_test_connect_hard_permit', () => oneHook('connect', outward));

/** Both ends have a program. */
const bothEnds = (hook: HookName): Promise<void> =>
  everywhere(machine, async (speech, protocol) => {
    const [out, back] = await machine.loads(2);
    await out.attach(hook, speech.version);
    await back.attach('recv_accept', speech.version);
    expect(await machine.result(loopback(speech), speech, protocol)).toBe(outward(protocol));
    for (const verdict of [HARD, SOFT]) {
      await out.policy(loopback(speech), protocol, verdict);
      expect(await machine.result(loopback(speech), speech, protocol)).toBe(inward(protocol));
    }
    await back.policy(loopback(speech), protocol, SOFT);
    expect(await machine.result(loopback(speech), speech, protocol)).toBe('allow');
  });

test('connection_test_sock_addr', () => bothEnds('connect'));
test('connection_test_connect_authorization', () => bothEnds('connect_authorization'));

test('connection_test_connect_authorization_unknown_verdict', () =>
  everywhere(machine, async (speech, protocol) => {
    const [programs] = await machine.loads(1);
    await programs.attach('connect_authorization', speech.version);
    await programs.policy(loopback(speech), protocol, UNKNOWN);
    expect((await machine.reach(loopback(speech), speech, protocol)).verdicts).toEqual([
      ['connect_authorization', 'REJECT', 1],
    ]);
  }));

test('connection_test_connect_authorization_readonly_context', () =>
  everywhere(machine, async (speech, protocol) => {
    const [programs] = await machine.loads(1);
    await programs.attach('connect_authorization', speech.version);
    await programs.policy(loopback(speech), protocol, SOFT, loopback(speech, 1));
    const { result, reached: end } = await machine.reach(loopback(speech), speech, protocol);
    expect([result, end.port]).toEqual(['allow', PORT]);
  }));

const listening = (): Promise<void> =>
  everywhere(
    machine,
    async (speech, protocol) => {
      const [programs] = await machine.loads(1);
      await programs.attach('listen', speech.version);
      for (const verdict of [REJECT, SOFT, HARD]) {
        await programs.policy(loopback(speech), protocol, verdict);
        expect(await machine.own('listen', loopback(speech), speech, protocol)).toEqual({
          allowed: verdict !== REJECT,
          verdict: verdictName(verdict),
          ran: 1,
        });
      }
    },
    ALL_SPEECHES,
    [TCP],
  );
test('listen_enforcement_libbpf', listening);
test('listen_hook_enforcement_framework', listening);
test('connection_test_listen_hard_permit', listening);

describe('what helpers tell', () => {
  /** Of the loopback interface; the way that a connection takes is known when it is authorized. */
  const NETWORK = { version: 1, interfaceType: 24, tunnelType: 0, nextHop: 0n, subInterface: 0 };
  const WHO = { pid: PID, logonId: 999n, isAdmin: 1, getNetworkContext: 0 };

  test.each([
    ['bind_helper_functions_validation_tcp_v4', 'bind', SPEECHES.IPv4],
    ['bind_helper_functions_validation_tcp_v6', 'bind', SPEECHES.IPv6],
    ['listen_helper_functions_validation_tcp_v4', 'listen', SPEECHES.IPv4],
    ['listen_helper_functions_validation_tcp_v6', 'listen', SPEECHES.IPv6],
  ] as const)('%s', (_name, hook, speeches) =>
    everywhere(
      machine,
      async (speech) => {
        const [programs] = await machine.loads(1);
        await programs.attach(hook, speech.version);
        await programs.policy(loopback(speech), TCP, SOFT);
        await machine.own(hook, loopback(speech), speech, TCP);
        const told = await programs.told();
        expect(told).toMatchObject({ ...WHO, setRedirectContext: -1, cookie: 0n, network: NETWORK, runs: 1 });
      },
      speeches,
      [TCP],
    ),
  );

  test.each([
    ['connect_authorization_helper_functions_validation_tcp_v4', SPEECHES.IPv4],
    ['connect_authorization_helper_functions_validation_tcp_v6', SPEECHES.IPv6],
    // Its program counts what goes through tunnels: what it looks at is `tunnelType`.
    ['connect_authorization_conditional_policy_validation_tcp_v4', SPEECHES.IPv4],
  ] as const)('%s', (_name, speeches) =>
    everywhere(
      machine,
      async (speech) => {
        const [programs] = await machine.loads(1);
        await programs.attach('connect_authorization', speech.version);
        await programs.policy(loopback(speech), TCP, SOFT);
        expect(await machine.result(loopback(speech), speech, TCP)).toBe('allow');
        const network = { ...NETWORK, nextHop: 24n << 48n };
        expect(await programs.told()).toMatchObject({ ...WHO, setRedirectContext: -1, network, runs: 1 });
      },
      speeches,
      [TCP],
    ),
  );
});

describe('attaching', () => {
  test('attach_sock_addr_programs', async () => {
    const { session } = machine;
    const [programs] = await machine.loads(1);
    const links = async (hook: HookName, version: 4 | 6) =>
      ((await session.call('object.info', { fd: programs.fd(hook, version) })) as ProgramInfo).linkCount;
    for (const hook of ['connect', 'recv_accept'] as const) {
      await programs.attach(hook, 4);
      expect(await links(hook, 4)).toBe(1);
      await programs.detach();
      expect(await links(hook, 4)).toBe(0);
      await programs.attach(hook, 6, 1);
      expect(await links(hook, 6)).toBe(1);
    }
    // bpf_prog_detach: without a program, all that are attached there.
    await session.call('prog.attach', {
      fd: programs.fd('connect', 4),
      attachType: 'cgroup_inet4_connect',
      target: {},
    });
    await session.call('prog.detach', { attachType: 'cgroup_inet4_connect', target: { compartment: 0 } });
    expect(await links('connect', 4)).toBe(0);
  });
});
