// What sockets do, as the hooks of both dialects see it: one event becomes the contexts of its hooks, one after the other, and their
// verdicts become a decision. Who observes sockets (register, supervise) says what happens; who answers the hooks may be far away.
import type { Dialect } from '../spec/object.ts';
import type { AttachTypeName } from '../spec/program-types.ts';
import type { HookEvent, HookVerdict } from '../spec/session.ts';
import { cgroupSockAddr } from '../programs/sock-addr.ts';

export interface Endpoint {
  /** 4 or 16 bytes, in network order. */
  readonly address: Uint8Array;
  readonly port: number;
}

export type SocketOperation = keyof typeof OPERATIONS;

export interface SocketEvent {
  readonly operation: SocketOperation;
  readonly family: 4 | 6;
  readonly type: 'stream' | 'dgram';
  /** IPPROTO_*: 6 TCP, 17 UDP. */
  readonly protocol: number;
  /** Where the socket is, or (bind) is about to be. */
  readonly local?: Endpoint;
  /** Whom it is about to reach, or (accept, receive) who reaches it. */
  readonly remote?: Endpoint;
  readonly pid: number;
  /** What runs: a path or a name. */
  readonly application: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** Linux errno for the application where it is not. */
  readonly errno: number;
  /** In place of the address that the application gave: local of bind, remote of connect and send. */
  readonly rewritten?: Endpoint;
}

/** One hook of an operation. */
interface Step {
  readonly dialect: Dialect;
  /** By family; one entry where it is the same hook. */
  readonly hooks: readonly [four: AttachTypeName, six: AttachTypeName];
  context(event: SocketEvent): Pick<HookEvent, 'ctx' | 'data'>;
  /** Whether this verdict refuses. */
  refuses(verdict: number): boolean;
  /** Where a program may put another address in the context. */
  readonly rewrites?: 'user';
}

const EPERM = 1;
const EACCES = 13;
/** AF_* by dialect (winsock2.h, linux/socket.h). */
const AF: { readonly [D in Dialect]: { readonly 4: number; readonly 6: number } } = {
  linux: { 4: 2, 6: 10 },
  windows: { 4: 2, 6: 23 },
};
const SOCK = { stream: 1, dgram: 2 } as const;

/** IFTYPE_SOFTWARE_LOOPBACK in a NET_LUID: of all interfaces this one is known by the address. */
const LOOPBACK_LUID = 24n << 48n;

const isLoopback = ({ address }: Endpoint): boolean =>
  address.length === 4 ? address[0] === 127 : address.every((byte, i) => byte === (i === 15 ? 1 : 0));

const interfaceOf = ({ local, remote }: SocketEvent): { readonly interface_luid?: bigint } =>
  [remote ?? local].some((one) => one !== undefined && isLoopback(one)) ? { interface_luid: LOOPBACK_LUID } : {};

const networkOrder = (port: number): number => ((port & 0xff) << 8) | (port >> 8);
const NOWHERE: Endpoint = { address: new Uint8Array(16), port: 0 };

/** Fields `<prefix>_ip4` or `_ip6` and, where the layout has it, `<prefix>_port`. */
const endpoint = (prefix: string, family: 4 | 6, { address, port }: Endpoint, withPort = true) => ({
  [`${prefix}_ip${family}`]: address.subarray(0, family === 4 ? 4 : 16),
  ...(withPort ? { [`${prefix}_port`]: networkOrder(port) } : {}),
});

/** The context of Linux' sock_addr programs: the address that the system call has. */
const linuxAddress =
  (which: 'local' | 'remote', source = false): Step['context'] =>
  (event) => {
    const { family, type, protocol } = event;
    const linuxFamily = AF.linux[family];
    return {
      ctx: {
        user_family: linuxFamily,
        family: linuxFamily,
        type: SOCK[type],
        protocol,
        ...endpoint('user', family, event[which] ?? NOWHERE),
        ...(source ? endpoint('msg_src', family, event.local ?? NOWHERE, false) : {}),
      },
    };
  };

/** The context of Windows' sock_addr programs. `user` is the destination of connect, the own address of bind and listen. */
const windowsAddress =
  (user: 'local' | 'remote', source?: 'local' | 'remote'): Step['context'] =>
  (event) => ({
    ctx: {
      family: AF.windows[event.family],
      protocol: event.protocol,
      compartment_id: 1,
      ...interfaceOf(event),
      ...endpoint('user', event.family, event[user] ?? NOWHERE),
      ...(source === undefined ? {} : endpoint('msg_src', event.family, event[source] ?? NOWHERE)),
    },
  });

/** struct bpf_sock of the hooks that see a socket and not an address. */
const linuxSocket = (event: SocketEvent): Pick<HookEvent, 'ctx'> => {
  const { family, type, protocol, local, remote } = event;
  return {
    ctx: {
      family: AF.linux[family],
      type: SOCK[type],
      protocol,
      ...(local === undefined
        ? {}
        : { [`src_ip${family}`]: local.address.subarray(0, family === 4 ? 4 : 16), src_port: local.port }),
      ...(remote === undefined
        ? {}
        : {
            [`dst_ip${family}`]: remote.address.subarray(0, family === 4 ? 4 : 16),
            dst_port: networkOrder(remote.port),
          }),
    },
  };
};

const BIND_OPERATIONS = { bind: 0, postBind: 1, unbind: 2 } as const;

/** The application id of Windows' filtering platform: its path in UTF-16, with a NUL at the end. */
function applicationId(path: string): Uint8Array {
  const units = Uint16Array.from(`${path}\0`, (unit) => unit.charCodeAt(0));
  return new Uint8Array(units.buffer);
}

/** bind_md: the address as a struct sockaddr_in, of which 16 bytes are there (of a sockaddr_in6 the first 16). */
const windowsBind =
  (operation: number): Step['context'] =>
  ({ family, protocol, local = NOWHERE, pid, application }) => {
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF.windows[family], true);
    view.setUint16(2, local.port);
    address.set(local.address.subarray(0, family === 4 ? 4 : 8), family === 4 ? 4 : 8);
    return {
      data: applicationId(application),
      ctx: { process_id: BigInt(pid), socket_address: address, socket_address_length: 16, operation, protocol },
    };
  };

/** BPF_SOCK_OPS_* (uapi linux/bpf.h); Windows has numbers of its own for the three that it has. */
const sockOps =
  (numbers: { readonly [D in Dialect]: number }, dialect: Dialect): Step['context'] =>
  (event) => {
    const { family, protocol, local = NOWHERE, remote = NOWHERE } = event;
    const ctx = {
      op: numbers[dialect],
      family: AF[dialect][family],
      ...endpoint('local', family, local, false),
      ...endpoint('remote', family, remote, false),
      ...(dialect === 'linux'
        ? // The local port as a number, the other in network order in the upper half of its word.
          { local_port: local.port, remote_port: (networkOrder(remote.port) << 16) >>> 0 }
        : { local_port: networkOrder(local.port), remote_port: networkOrder(remote.port) }),
      ...(dialect === 'windows' ? { protocol, compartment_id: 1, ...interfaceOf(event) } : {}),
    };
    return { ctx };
  };

const linux = (
  hooks: Step['hooks'],
  context: Step['context'],
  rest: Partial<Pick<Step, 'rewrites' | 'refuses'>> = {},
): Step => ({ dialect: 'linux', hooks, context, refuses: (verdict) => (verdict & 1) === 0, ...rest });
const windows = (
  hooks: Step['hooks'],
  context: Step['context'],
  rest: Partial<Pick<Step, 'rewrites' | 'refuses'>> = {},
): Step => ({ dialect: 'windows', hooks, context, refuses: (verdict) => verdict !== 1 && verdict !== 2, ...rest });

const never = (): boolean => false;
const BIND_DENY = 1;
const OPS: Step['hooks'] = ['cgroup_sock_ops', 'cgroup_sock_ops'];
const established = (numbers: { readonly [D in Dialect]: number }): readonly Step[] => [
  linux(OPS, sockOps(numbers, 'linux'), { refuses: never }),
  windows(OPS, sockOps(numbers, 'windows'), { refuses: never }),
];

const WINDOWS_CONNECT: readonly Step[] = [
  windows(['cgroup_inet4_connect', 'cgroup_inet6_connect'], windowsAddress('remote', 'local'), { rewrites: 'user' }),
  windows(
    ['cgroup_inet4_connect_authorization', 'cgroup_inet6_connect_authorization'],
    windowsAddress('remote', 'local'),
  ),
];
/** user_* is the destination, which is this socket (as netebpfext fills them, not as its header's comment says). */
const WINDOWS_ACCEPT: Step = windows(
  ['cgroup_inet4_recv_accept', 'cgroup_inet6_recv_accept'],
  windowsAddress('local', 'remote'),
);

/** What each operation asks, in order. The first refusal ends it; a rewritten address is what the next hook sees. */
const OPERATIONS = {
  create: [linux(['cgroup_inet_sock_create', 'cgroup_inet_sock_create'], linuxSocket)],
  bind: [
    linux(['cgroup_inet4_bind', 'cgroup_inet6_bind'], linuxAddress('local'), { rewrites: 'user' }),
    windows(['cgroup_inet4_bind', 'cgroup_inet6_bind'], windowsAddress('local')),
    windows(['bind', 'bind'], windowsBind(BIND_OPERATIONS.bind), { refuses: (verdict) => verdict === BIND_DENY }),
  ],
  bound: [
    linux(['cgroup_inet4_post_bind', 'cgroup_inet6_post_bind'], linuxSocket),
    windows(['bind', 'bind'], windowsBind(BIND_OPERATIONS.postBind), { refuses: never }),
  ],
  /** A bound socket is closed. */
  release: [
    linux(['cgroup_inet_sock_release', 'cgroup_inet_sock_release'], linuxSocket, { refuses: never }),
    windows(['bind', 'bind'], windowsBind(BIND_OPERATIONS.unbind), { refuses: never }),
  ],
  listen: [windows(['cgroup_inet4_listen', 'cgroup_inet6_listen'], windowsAddress('local'))],
  connect: [
    linux(['cgroup_inet4_connect', 'cgroup_inet6_connect'], linuxAddress('remote'), { rewrites: 'user' }),
    ...WINDOWS_CONNECT,
  ],
  accept: [WINDOWS_ACCEPT],
  // Windows asks at the first datagram to an address, here at each: its verdict is the same as long as the program's is.
  send: [
    linux(['cgroup_udp4_sendmsg', 'cgroup_udp6_sendmsg'], linuxAddress('remote', true), { rewrites: 'user' }),
    ...WINDOWS_CONNECT,
  ],
  /** A datagram has come; where it is refused, the application does not get it. */
  receive: [
    linux(['cgroup_udp4_recvmsg', 'cgroup_udp6_recvmsg'], linuxAddress('remote'), { refuses: never, rewrites: 'user' }),
    WINDOWS_ACCEPT,
  ],
  connected: established({ linux: 4, windows: 0 }),
  accepted: established({ linux: 5, windows: 1 }),
  closed: established({ linux: 10, windows: 2 }),
} as const satisfies Record<string, readonly Step[]>;

/** Attach types of either dialect that an operation asks. */
export const hooksOf = (operation: SocketOperation): readonly AttachTypeName[] => [
  ...new Set(OPERATIONS[operation].flatMap(({ hooks }) => hooks)),
];

/** Every attach type that sockets ask. */
export const SOCKET_HOOKS: ReadonlySet<AttachTypeName> = new Set(
  (Object.keys(OPERATIONS) as SocketOperation[]).flatMap(hooksOf),
);

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

const isMapped = ({ address }: Endpoint): boolean =>
  address.length === 16 && MAPPED.every((byte, i) => byte === address[i]);
/** Of an address that is not mapped (`::`) nothing is left. */
const unmapped = (end: Endpoint): Endpoint => ({
  address: isMapped(end) ? end.address.subarray(MAPPED.length) : new Uint8Array(4),
  port: end.port,
});
const mapped = ({ address, port }: Endpoint): Endpoint => ({ address: Uint8Array.of(...MAPPED, ...address), port });

/** Windows' filters see IPv4 where an IPv6 socket speaks it (`::ffff:127.0.0.1`); Linux' hooks see the socket's family. */
function asWindowsSees(event: SocketEvent): SocketEvent {
  const { family, local, remote } = event;
  const decisive = remote ?? local;
  if (family === 4 || decisive === undefined || !isMapped(decisive)) return event;
  return {
    ...event,
    family: 4,
    ...(local === undefined ? {} : { local: unmapped(local) }),
    ...(remote === undefined ? {} : { remote: unmapped(remote) }),
  };
}

/** The address that a program left in the context, where it is another one than before. */
function rewritten(
  { dialect }: Step,
  family: 4 | 6,
  before: Endpoint,
  ctx: Uint8Array | undefined,
): Endpoint | undefined {
  const fields = cgroupSockAddr.contexts[dialect]?.fields;
  if (ctx === undefined || fields === undefined) return undefined;
  const at = fields[`user_ip${family}`].offset;
  const address = ctx.slice(at, at + (family === 4 ? 4 : 16));
  const port = (ctx[fields.user_port.offset] << 8) | ctx[fields.user_port.offset + 1];
  const same = port === before.port && address.every((byte, i) => byte === before.address[i]);
  return same ? undefined : { address, port };
}

/**
 * What is to be done: yields each hook's event and takes its verdict, so that hooks may be asked here or elsewhere, at once or later.
 *
 * @param asked whether anything may be attached there: what is not is not asked
 */
export function* decision(
  event: SocketEvent,
  asked: (attachType: AttachTypeName, dialect: Dialect) => boolean = () => true,
): Generator<HookEvent, Decision, HookVerdict> {
  const which = event.operation === 'bind' ? 'local' : 'remote';
  let now = event;
  let changed: Endpoint | undefined;
  for (const step of OPERATIONS[event.operation] as readonly Step[]) {
    const { dialect, hooks } = step;
    const seen = dialect === 'windows' ? asWindowsSees(now) : now;
    const attachType = hooks[seen.family === 4 ? 0 : 1];
    if (!asked(attachType, dialect)) continue;
    const answer = yield { attachType, dialect, pid: event.pid, ...step.context(seen) };
    if (answer.ran.length === 0) continue;
    if (step.refuses(answer.verdict)) return { allowed: false, errno: dialect === 'linux' ? EPERM : EACCES };
    if (step.rewrites === undefined) continue;
    const other = rewritten(step, seen.family, seen[which] ?? NOWHERE, answer.ctx);
    if (other === undefined) continue;
    changed = seen.family === event.family ? other : mapped(other);
    now = { ...now, [which]: changed };
  }
  return { allowed: true, errno: 0, ...(changed === undefined ? {} : { rewritten: changed }) };
}

/** Asks hooks one after the other, at once. */
export function decideNow(
  event: SocketEvent,
  fire: (event: HookEvent) => HookVerdict,
  asked?: (attachType: AttachTypeName, dialect: Dialect) => boolean,
): Decision {
  const steps = decision(event, asked);
  let step = steps.next();
  while (step.done !== true) step = steps.next(fire(step.value));
  return step.value;
}

/** As decideNow, where answers take time. */
export async function decide(
  event: SocketEvent,
  fire: (event: HookEvent) => Promise<HookVerdict>,
  asked?: (attachType: AttachTypeName, dialect: Dialect) => boolean,
): Promise<Decision> {
  const steps = decision(event, asked);
  let step = steps.next();
  while (step.done !== true) step = steps.next(await fire(step.value));
  return step.value;
}
