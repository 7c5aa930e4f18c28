import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import type { Session } from '../../src/spec/session.ts';
import type { Decision, SocketEvent } from '../../src/sockets/events.ts';
import { objectPolicy, type PolicyEntry, type SocketPolicy } from '../../src/sockets/policy.ts';
import { supervise } from '../../src/sockets/supervise.ts';
import { built } from '../support/built.ts';
import { requireCapability } from '../support/capability.ts';

const EXAMPLES = '../../examples/portable';
const DIALECTS = ['linux', 'windows'] as const;
const missing = requireCapability('seccomp-notify');

/** Runs a command under a policy; what it printed, its exit code, and what was decided. */
async function run(policy: SocketPolicy, command: string, args: readonly string[]) {
  const events: (SocketEvent & { readonly decision: Decision })[] = [];
  const { child, ended } = await supervise({
    policy,
    command,
    args,
    stdio: 'pipe',
    launcher: built('sockets/launch.js'),
    decided: (event, decision) => events.push({ ...event, decision }),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += String(data)));
  const closed = new Promise((resolve) => child.once('close', resolve));
  const code = await ended;
  await closed;
  return { code, output, events };
}

/** The policy of an example in a context of its own. */
async function withPolicy<T>(
  object: string,
  entries: readonly PolicyEntry[],
  body: (policy: SocketPolicy) => Promise<T>,
): Promise<T> {
  const session: Session = createRuntime();
  try {
    const bytes = readFileSync(new URL(`${EXAMPLES}/${object}.bpf.o`, import.meta.url));
    return await body(await objectPolicy(session, object, bytes, entries));
  } finally {
    await session.close();
  }
}

/** The UDP port that a process has bound (/proc/net/udp by the inodes of its descriptors). */
function boundPort(pid: number): number {
  const inodes = readdirSync(`/proc/${pid}/fd`).map(
    (fd) => /^socket:\[(\d+)\]$/.exec(readlinkOf(`/proc/${pid}/fd/${fd}`))?.[1],
  );
  const rows = readFileSync(`/proc/${pid}/net/udp`, 'latin1').trim().split('\n').slice(1);
  const ports = rows.map((row) => row.trim().split(/\s+/)).filter((row) => inodes.includes(row[9]));
  return Math.max(0, ...ports.map((row) => Number.parseInt(row[1].split(':')[1], 16)));
}

function readlinkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

const port16 = (port: number): Uint8Array => Uint8Array.of(port & 0xff, port >> 8);
const refusedPort = (port: number): PolicyEntry => ({
  map: 'refused_ports',
  key: port16(port),
  value: Uint8Array.of(1),
});

const BIND = (port: number): string => `
import socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    s = socket.socket(family)
    try:
        s.bind((address, ${port})); print(family.name, "bound")
    except PermissionError as e:
        print(family.name, "refused", e.errno)
`;

/** struct destination4 of the example: address, port in network order, protocol. */
const destination = (port: number, protocol = 6): Uint8Array =>
  Uint8Array.of(127, 0, 0, 1, port >> 8, port & 0xff, protocol, 0);

/** Decides about datagrams only. */
const deciding = (decision: (event: SocketEvent) => Decision): SocketPolicy => ({
  asks: () => true,
  decide: async (event) => (event.operation === 'send' ? decision(event) : { allowed: true, errno: 0 }),
});

const UDP = `
import socket, sys
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(("127.0.0.1", 0)); a.settimeout(5)
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def attempt(how):
    try:
        how(("127.0.0.1", 9)); print(a.recv(100).decode())
    except PermissionError: print("refused")
print(a.getsockname()[1], file=sys.stderr)
attempt(lambda to: b.sendto(b"by sendto", to))
attempt(lambda to: b.sendmsg([b"by ", b"sendmsg"], [], 0, to))
`;

describe.skipIf(missing !== undefined)('commands under supervision', () => {
  let server: Server;
  let port = 0;
  beforeAll(async () => {
    server = createServer((socket) => socket.end('HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => {
    server.close();
  });

  test.each(DIALECTS)('a port that a %s program refuses is not bound, others are', async (dialect) => {
    const free = 20_000 + (process.pid % 10_000);
    const outputs = await withPolicy(`bind_ports.${dialect}`, [refusedPort(free)], async (policy) => [
      (await run(policy, 'python3', ['-c', BIND(free)])).output,
      (await run(policy, 'python3', ['-c', BIND(free + 1)])).output,
    ]);
    const errno = dialect === 'linux' ? 1 : 13;
    expect(outputs).toEqual([
      `AF_INET refused ${errno}\nAF_INET6 refused ${errno}\n`,
      'AF_INET bound\nAF_INET6 bound\n',
    ]);
  });

  test.each(DIALECTS)('a connection goes where a %s program sends it', async (dialect) => {
    const nobody = 9;
    const entry = { map: 'policy4', key: destination(nobody), value: destination(port) };
    const { code, output, events } = await withPolicy(`connect_policy.${dialect}`, [entry], (policy) =>
      run(policy, 'curl', ['-s', '--max-time', '10', `http://127.0.0.1:${nobody}/`]),
    );
    expect({ code, output }).toEqual({ code: 0, output: 'hello\n' });
    expect(events.find(({ decision }) => decision.rewritten?.port === port)).toBeDefined();
  });

  test.each(DIALECTS)('a connection that a %s program refuses fails', async (dialect) => {
    const entry = { map: 'policy4', key: destination(port), value: destination(0) };
    const { code } = await withPolicy(`connect_policy.${dialect}`, [entry], (policy) =>
      run(policy, 'curl', ['-s', '--max-time', '10', `http://127.0.0.1:${port}/`]),
    );
    // curl: failed to connect.
    expect(code).toBe(7);
  });

  test('datagrams are refused, and go elsewhere, by sendto and sendmsg', async () => {
    let bound = 0;
    const refusing = await run(
      deciding(() => ({ allowed: false, errno: 1 })),
      'python3',
      ['-c', UDP],
    );
    expect(refusing.output).toContain('refused\nrefused\n');
    // The receiver's port is known once it has said so: it is the socket that was bound last.
    const elsewhere = await run(
      deciding(({ pid }) => {
        // The sender is bound, too, once it has sent.
        bound ||= boundPort(pid);
        return { allowed: true, errno: 0, rewritten: { address: Uint8Array.of(127, 0, 0, 1), port: bound } };
      }),
      'python3',
      ['-c', UDP],
    );
    expect(elsewhere.output).toContain('by sendto\nby sendmsg\n');
    expect(elsewhere.output).toContain(`${bound}\n`);
  });

  test('listen is asked about', async () => {
    const policy: SocketPolicy = {
      asks: (operation) => operation === 'listen',
      decide: async () => ({ allowed: false, errno: 13 }),
    };
    const program = 'import socket\ns=socket.socket()\ns.bind(("127.0.0.1",0))\ns.listen()';
    const { output, events } = await run(policy, 'python3', ['-c', program]);
    expect(output).toContain('PermissionError: [Errno 13]');
    expect(events).toMatchObject([{ operation: 'listen', family: 4, local: { address: Uint8Array.of(127, 0, 0, 1) } }]);
  });

  test('the command keeps its arguments, environment and exit code, and what it starts is supervised too', async () => {
    const free = 31_000 + (process.pid % 10_000);
    const { code, output } = await withPolicy('bind_ports.linux', [refusedPort(free)], (policy) =>
      run(policy, 'sh', ['-c', `python3 -c '${BIND(free).replaceAll("'", '"')}'; echo "$0 $1"; exit 7`, 'a b', 'c']),
    );
    expect({ code, output }).toEqual({ code: 7, output: 'AF_INET refused 1\nAF_INET6 refused 1\na b c\n' });
  });

  test('a command that is not there is told so', async () => {
    const { code, output } = await withPolicy('bind_ports.linux', [], (policy) => run(policy, 'no-such-command', []));
    expect(code).toBe(127);
    expect(output).toContain('no-such-command: there is no such command');
  });

  test('the policy of an object without socket programs is refused', async () => {
    const session = createRuntime();
    const bytes = readFileSync(new URL('../../examples/drop-port/drop_port.bpf.o', import.meta.url));
    await expect(objectPolicy(session, 'drop_port', bytes)).rejects.toThrow('no program of the object is for sockets');
    await session.close();
  });
});
