// S15: the cases of eBPF for Windows' tests/connect_redirect, each for every family and protocol: what is refused until a policy allows
// it, and what reaches another address than it asked for. Then some of them with real sockets.
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { sessionPolicy } from '../../src/sockets/policy.ts';
import { supervise } from '../../src/sockets/supervise.ts';
import { built } from '../support/built.ts';
import { requireCapability } from '../support/capability.ts';
import { ALL_SPEECHES, LOOPBACK, Machine, PID, PROTOCOLS, VERDICT } from './sockets.ts';

const machine = new Machine();
afterEach(() => machine.reset());
afterAll(() => machine[Symbol.dispose]());

const DESTINATION = 4444;
const PROXY = 4443;

/** RFC 5737 and 3849: of documentation, nobody's. Nothing is sent there: only programs see them. */
const documentation = (four: number, six: number) => ({
  4: Uint8Array.of(192, 0, 2, four),
  6: Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, six),
});
const ADDRESSES = {
  loopback_address: LOOPBACK,
  local_address: documentation(1, 1),
  remote_address: documentation(2, 2),
  vip_address: documentation(3, 3),
} as const;
type AddressName = keyof typeof ADDRESSES;

const GROUPS = ALL_SPEECHES.flatMap((speech) => PROTOCOLS.map((protocol) => ({ speech, protocol })));
const REDIRECTIONS: readonly (readonly [from: AddressName, to: AddressName])[] = [
  ['vip_address', 'remote_address'],
  ['vip_address', 'loopback_address'],
  ['vip_address', 'local_address'],
  ['loopback_address', 'remote_address'],
  ['loopback_address', 'local_address'],
  ['local_address', 'loopback_address'],
  ['local_address', 'remote_address'],
];

/** Who the program was told to run for. */
const AUDIT = { pid: PID, logonId: 999n, isAdmin: 1, sourcePort: 50_000 };

describe.each(['loopback_address', 'local_address', 'remote_address'] as const)('authorization of the %s', (name) => {
  test.each(GROUPS)('$speech.name, $protocol.name', async ({ speech, protocol }) => {
    const [programs] = await machine.loads(1);
    await programs.attach('connect', speech.version);
    const to = { address: ADDRESSES[name][speech.version], port: DESTINATION };
    const refused = protocol.type === 'stream' ? 'connect' : 'send';
    expect((await machine.reach(to, speech, protocol)).result).toBe(refused);
    expect(await programs.told()).toMatchObject(AUDIT);
    await programs.policy(to, protocol, VERDICT.SOFT);
    expect(await machine.reach(to, speech, protocol)).toMatchObject({
      result: 'allow',
      reached: { address: speech.spell(to.address), port: DESTINATION },
    });
    expect(await programs.told()).toMatchObject({ ...AUDIT, runs: 2 });
  });
});

describe.each(REDIRECTIONS)('redirection of the %s to the %s', (from, to) => {
  test.each(GROUPS)('$speech.name, $protocol.name', async ({ speech, protocol }) => {
    const [programs] = await machine.loads(1);
    await programs.attach('connect', speech.version);
    const asked = { address: ADDRESSES[from][speech.version], port: DESTINATION };
    const proxy = { address: ADDRESSES[to][speech.version], port: PROXY };
    await programs.policy(asked, protocol, VERDICT.SOFT, proxy);
    expect(await machine.reach(asked, speech, protocol)).toMatchObject({
      result: 'allow',
      reached: { address: speech.spell(proxy.address), port: PROXY },
      // For whoever gets the connection: bpf_sock_addr_set_redirect_context has it only here.
      redirectContext: 'from elsewhere\0',
    });
    expect(await programs.told()).toMatchObject({ ...AUDIT, setRedirectContext: 0 });
  });
});

test('the program knows whose connection it is, of a user who is no administrator, too', async () => {
  using other = new Machine({ logonId: 77n, isAdmin: false });
  const [programs] = await other.loads(1);
  for (const { speech, protocol } of GROUPS) {
    await programs.attach('connect', speech.version);
    const to = { address: LOOPBACK[speech.version], port: DESTINATION };
    await programs.policy(to, protocol, VERDICT.SOFT);
    expect((await other.reach(to, speech, protocol)).result).toBe('allow');
    expect(await programs.told()).toMatchObject({ ...AUDIT, logonId: 77n, isAdmin: 0 });
    await other.reset();
  }
});

/** Each kind of socket: a server at one port, and a client that reaches for another. */
const CLIENTS = `
import socket, sys
proxy, destination = int(sys.argv[1]), int(sys.argv[2])
KINDS = (("ipv4", socket.AF_INET, "127.0.0.1"), ("v4_mapped", socket.AF_INET6, "::ffff:127.0.0.1"), ("ipv6", socket.AF_INET6, "::1"))
def tcp(family, address):
    server = socket.create_server((address, proxy), family=family) if family == socket.AF_INET else dual(address)
    server.settimeout(5)
    client = socket.socket(family)
    client.connect((address, destination))
    there, _ = server.accept()
    there.sendall(b"reached")
    return client.recv(100).decode()
def dual(address, kind=socket.SOCK_STREAM):
    server = socket.socket(socket.AF_INET6, kind)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, proxy))
    if kind == socket.SOCK_STREAM: server.listen()
    return server
def udp(family, address):
    if family == socket.AF_INET:
        server = socket.socket(family, socket.SOCK_DGRAM); server.bind((address, proxy))
    else: server = dual(address, socket.SOCK_DGRAM)
    server.settimeout(5)
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.sendto(b"reached", (address, destination))
    return server.recv(100).decode()
for name, family, address in KINDS:
    for protocol in (tcp, udp):
        try: result = protocol(family, address)
        except OSError as error: result = error.errno
        print(name, protocol.__name__, result)
`;

const missing = requireCapability('seccomp-notify');

describe.skipIf(missing !== undefined)('real sockets of a Python program', () => {
  const proxy = 25_000 + (process.pid % 5_000);
  const destination = proxy + 5_000;

  async function run(): Promise<string[]> {
    const { child, ended } = await supervise({
      policy: sessionPolicy(machine.session),
      command: 'python3',
      args: ['-c', CLIENTS, `${proxy}`, `${destination}`],
      stdio: 'pipe',
      launcher: built('sockets/launch.js'),
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += String(data)));
    const closed = new Promise((resolve) => child.once('close', resolve));
    await ended;
    await closed;
    return output.trim().split('\n');
  }
  const KINDS = ['ipv4', 'v4_mapped', 'ipv6'].flatMap((name) => [`${name} tcp`, `${name} udp`]);

  test('are refused until a policy allows them, and reach where they are sent', async () => {
    const [programs] = await machine.loads(1);
    for (const version of [4, 6] as const) await programs.attach('connect', version);
    expect(await run()).toEqual(KINDS.map((kind) => `${kind} 13`));
    for (const version of [4, 6] as const) {
      const at = (port: number) => ({ address: LOOPBACK[version], port });
      for (const protocol of PROTOCOLS) await programs.policy(at(destination), protocol, VERDICT.SOFT, at(proxy));
    }
    expect(await run()).toEqual(KINDS.map((kind) => `${kind} reached`));
  });
});
