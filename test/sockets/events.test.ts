// Which hooks are asked about a socket, with which addresses, and what becomes of the address.
import { describe, expect, test } from 'vitest';
import { decideNow, type Decision, type SocketEvent } from '../../src/sockets/events.ts';
import type { HookEvent } from '../../src/spec/session.ts';

const LOOPBACK4 = Uint8Array.of(127, 0, 0, 1);
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1);
const LOOPBACK6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const ELSEWHERE4 = Uint8Array.of(192, 0, 2, 1);

/** Asks hooks that all let it pass, but one that has the context changed; the hooks, with family and address, and the decision. */
function asked(event: SocketEvent, rewrite?: (hook: HookEvent, ctx: Uint8Array) => void) {
  const hooks: string[] = [];
  const decision: Decision = decideNow(event, (hook) => {
    const ctx = hook.ctx as Record<string, number | Uint8Array>;
    const address = ctx['user_ip4'] ?? ctx['user_ip6'] ?? ctx['remote_ip4'] ?? ctx['remote_ip6'];
    hooks.push(`${hook.dialect} ${hook.attachType} ${String(ctx['family'])} ${String(address)}`);
    const after = new Uint8Array(72);
    // user_ip4 and user_port lie at 4 and 24 of Linux' context, at 24 and 40 of Windows'.
    const [ip4, ip6, port] = hook.dialect === 'linux' ? [4, 8, 24] : [24, 24, 40];
    if (address instanceof Uint8Array) after.set(address, address.length === 4 ? ip4 : ip6);
    new DataView(after.buffer).setUint16(port, 80);
    rewrite?.(hook, after);
    return { verdict: 1, ran: [{ progId: 1, linkId: 1, retval: 1 }], ctx: after };
  });
  return { hooks, decision };
}

const connecting = (family: 4 | 6, address: Uint8Array, type: 'stream' | 'dgram' = 'stream'): SocketEvent => ({
  operation: type === 'stream' ? 'connect' : 'send',
  family,
  type,
  protocol: type === 'stream' ? 6 : 17,
  remote: { address, port: 80 },
  pid: 1,
  application: 'app',
});

describe('hooks', () => {
  test.each([
    ['IPv4', 4, LOOPBACK4, 'linux cgroup_inet4_connect 2 127,0,0,1', 'windows cgroup_inet4_connect 2 127,0,0,1'],
    [
      'IPv6',
      6,
      LOOPBACK6,
      `linux cgroup_inet6_connect 10 ${LOOPBACK6}`,
      `windows cgroup_inet6_connect 23 ${LOOPBACK6}`,
    ],
    // Windows' filters see IPv4, Linux' hooks the socket's family.
    ['IPv4 by IPv6', 6, MAPPED, `linux cgroup_inet6_connect 10 ${MAPPED}`, 'windows cgroup_inet4_connect 2 127,0,0,1'],
  ] as const)('%s', (_name, family, address, linux, windows) => {
    const { hooks, decision } = asked(connecting(family, address));
    expect(hooks).toEqual([linux, windows, windows.replace('_connect', '_connect_authorization')]);
    expect(decision).toEqual({ allowed: true, errno: 0 });
  });

  test('of a datagram', () => {
    expect(asked(connecting(4, LOOPBACK4, 'dgram')).hooks.map((hook) => hook.split(' ')[1])).toEqual([
      'cgroup_udp4_sendmsg',
      'cgroup_inet4_connect',
      'cgroup_inet4_connect_authorization',
    ]);
  });
});

test("an address that Windows' program gives to an IPv6 socket that speaks IPv4 is such a one, too", () => {
  const { hooks, decision } = asked(connecting(6, MAPPED), (hook, ctx) => {
    if (hook.dialect === 'windows' && hook.attachType === 'cgroup_inet4_connect') ctx.set(ELSEWHERE4, 24);
  });
  expect(decision.rewritten).toEqual({ address: Uint8Array.of(...MAPPED.subarray(0, 12), ...ELSEWHERE4), port: 80 });
  expect(hooks.at(-1)).toBe('windows cgroup_inet4_connect_authorization 2 192,0,2,1');
});
