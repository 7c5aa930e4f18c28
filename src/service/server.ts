// The service: sockets, each with the role that it gives, and the connections on them. What is behind it comes from outside, and start.ts
// puts it together: the context (ServedContext); who keeps things (Opened.settle, Opened.close); who counts and logs (ServiceObserver).
import type { Socket } from 'node:net';
import process from 'node:process';
import { fail, type Diagnostic } from '../base/diagnostic.ts';
import { badFrame, cannotStart, notHere, tooManyConnections, wrongPeer } from '../base/messages/service.ts';
import type { Role } from '../spec/session.ts';
import { type ConnectionHost, ServiceConnection } from './connection.ts';
import { errorMessage } from './errors.ts';
import { encodeFrame } from './frames.ts';
import { LIMITS, type ServiceLimits } from './limits.ts';
import { groupId, listen, type Listening, lockSocket, prepareFolder } from './listen.ts';
import { isPipe, roleSocket } from './paths.ts';
import { peerOf } from './peer.ts';
import { type LiveHost, PROTOCOL, type ServiceStatus } from './protocol.ts';
import type { Peer, ServedContext, ServiceObserver } from './served.ts';
import type { StateLock } from './state-lock.ts';

export interface ServiceOptions {
  /** Path of the unix socket, or name of the pipe, whose connections have the role `admin`. */
  readonly socket: string;
  /** Makes what is behind the service: called when it is certain that no other serves this socket, and before anyone can connect. */
  readonly open: () => Opened | Promise<Opened>;
  /** Release, for status and handshakes. */
  readonly version: string;
  /** A second socket, `ROLE.sock` beside the first, for the members of a group. */
  readonly group?: { readonly name: string; readonly role: Role };
  /** Role of a token (tokens.ts). */
  readonly tokenRole?: (token: string) => Role | undefined;
  readonly limits?: Partial<ServiceLimits>;
  readonly observers?: readonly ServiceObserver[];
}

/** What a service serves. */
export interface Opened {
  readonly context: ServedContext;
  /** Answers wait for it: what they acknowledge is written then. */
  readonly settle?: () => Promise<void> | undefined;
  /** Folder of pinned objects, for the status. */
  readonly state?: string;
  /** What there is and what it did, as Prometheus text. */
  readonly metrics?: () => Promise<string>;
  /** Absent where the service takes no packets of interfaces. */
  readonly live?: LiveHost;
  /** When all connections have ended, and before another service can take this one's place. */
  close?(): Promise<void> | void;
}

/** A socket and who is on it. */
interface Door {
  readonly role: Role;
  readonly path: string;
  /** Whether the socket's mode lets others than the owner in. */
  readonly shared: boolean;
  readonly inside: Set<ServiceConnection>;
}

export class Service {
  readonly socket: string;
  /** Resolves when it has stopped. */
  readonly stopped: Promise<void>;
  readonly #options: ServiceOptions;
  readonly #limits: ServiceLimits;
  readonly #observers: readonly ServiceObserver[];
  readonly #doors = new Map<ServiceConnection, Door>();
  readonly #listening: Listening[] = [];
  readonly #begun = process.hrtime.bigint();
  #lock: StateLock | undefined;
  #opened: Opened | undefined;
  #stopping: Promise<void> | undefined;
  #stopped: () => void = () => undefined;

  /** Use serve. */
  constructor(options: ServiceOptions) {
    this.#options = options;
    this.socket = options.socket;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#observers = options.observers ?? [];
    this.stopped = new Promise((resolve) => {
      this.#stopped = resolve;
    });
  }

  /** @throws AnyBpfError service/running, service/place, service/start */
  async open(): Promise<void> {
    const { socket, group } = this.#options;
    if (group !== undefined && isPipe(socket)) fail(cannotStart({}, 'pipes of Windows have no group'));
    const gid = group === undefined ? undefined : groupId(group.name);
    prepareFolder(socket, gid);
    this.#lock = await lockSocket(socket);
    try {
      this.#opened = await this.#options.open();
      const host = this.#hostOf(this.#opened);
      await this.#openDoor({ role: 'admin', path: socket, shared: false, inside: new Set() }, undefined, host);
      if (group === undefined) return;
      const path = roleSocket(socket, group.role);
      await this.#openDoor({ role: group.role, path, shared: true, inside: new Set() }, gid, host);
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  #hostOf({ context, settle, metrics, live }: Opened): ConnectionHost {
    const { version, tokenRole } = this.#options;
    return {
      context,
      limits: this.#limits,
      version,
      observers: this.#observers,
      methods: {
        'service.status': () => this.status(),
        'service.metrics': async () => ({ text: (await metrics?.()) ?? '' }),
        'service.stop': () => {
          // After its own answer.
          setImmediate(() => void this.stop('it was told to stop'));
          return {};
        },
        'live.open': (_, { device, ...options }) =>
          (live ?? fail(notHere({}, 'live interfaces'))).open(device, options),
        'live.close': async (_, { device }) => {
          await (live ?? fail(notHere({}, 'live interfaces'))).close(device);
          return {};
        },
        'live.list': () => ({ devices: live?.list() ?? [] }),
      },
      keeps: () => this.#checkKept(),
      ended: (connection) => {
        this.#doors.get(connection)?.inside.delete(connection);
        this.#doors.delete(connection);
      },
      ...(tokenRole === undefined ? {} : { tokenRole }),
      ...(settle === undefined ? {} : { settle }),
    };
  }

  /** @throws AnyBpfError service/start before it is open, and after its end */
  status(): ServiceStatus {
    const { context, state } = this.#opened ?? fail(cannotStart({}, 'it is not open'));
    const { version } = this.#options;
    return {
      pid: process.pid,
      version,
      protocol: PROTOCOL.last,
      socket: this.socket,
      ...(state === undefined ? {} : { state }),
      uptime: Number(process.hrtime.bigint() - this.#begun) / 1e9,
      connections: this.#doors.size,
      objects: context.counts(),
      memory: process.memoryUsage.rss(),
    };
  }

  /** Takes no more requests, waits for the answers of those that were begun, ends all connections. */
  stop(why = 'the service stops'): Promise<void> {
    this.#stopping ??= this.#stop(why);
    return this.#stopping;
  }

  async #stop(why: string): Promise<void> {
    for (const observer of this.#observers) observer.stopping?.();
    for (const one of this.#listening.splice(0)) one.close();
    const all = [...this.#doors.keys()];
    await Promise.all(all.map((connection) => connection.drain(why)));
    await this.#close();
    this.#stopped();
  }

  async #close(): Promise<void> {
    for (const one of this.#listening.splice(0)) one.close();
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.close?.();
    await this.#lock?.release();
    this.#lock = undefined;
  }

  async #openDoor(door: Door, gid: number | undefined, host: ConnectionHost): Promise<void> {
    const place = { path: door.path, ...(gid === undefined ? {} : { gid }) };
    this.#listening.push(await listen(place, (socket) => this.#accept(socket, door, host)));
  }

  #accept(socket: Socket, door: Door, host: ConnectionHost): void {
    const peer = peerOf(socket);
    const refusal = this.#refusal(peer, door);
    if (refusal !== undefined) {
      for (const observer of this.#observers) observer.refused?.(peer, refusal);
      turnAway(socket, refusal);
      return;
    }
    const connection = new ServiceConnection(socket, peer, door.role, host);
    door.inside.add(connection);
    this.#doors.set(connection, door);
  }

  #refusal({ pid, uid }: Peer, { path, shared, inside }: Door): Diagnostic | undefined {
    const { connections, handshakes, perProcess } = this.#limits;
    const me = process.getuid?.();
    if (!shared && uid !== undefined && me !== undefined && uid !== me && uid !== 0) return wrongPeer({}, uid);
    if (pid !== undefined && pid !== process.pid) {
      let same = 0;
      for (const { peer } of inside) if (peer.pid === pid) same++;
      if (same >= perProcess) return tooManyConnections({}, `process ${pid}`, perProcess);
    }
    const waiting = [...inside].filter(({ greeted }) => !greeted);
    if (waiting.length >= handshakes) {
      inside.delete(waiting[0]);
      waiting[0].destroy('another connection took its place before its handshake');
    }
    return inside.size - waiting.length >= connections ? tooManyConnections({}, path, connections) : undefined;
  }

  /** Parts of messages take memory that all connections share: the largest goes. */
  #checkKept(): void {
    let sum = 0;
    let largest: ServiceConnection | undefined;
    for (const connection of this.#doors.keys()) {
      sum += connection.kept;
      if (largest === undefined || connection.kept > largest.kept) largest = connection;
    }
    if (sum <= this.#limits.partial) return;
    largest?.refuse(badFrame({}, `messages that are not whole have more than ${this.#limits.partial} bytes`));
  }
}

/** Milliseconds that a client who is turned away has to hear why, and how many have them at a time. */
const HEAR = 1_000;
const HEARING = 256;
let hearing = 0;

/** Says why, and ends the connection when the other side has; what it sends is not looked at. */
function turnAway(socket: Socket, finding: Diagnostic): void {
  socket.on('error', () => undefined);
  if (hearing >= HEARING) {
    socket.destroy();
    return;
  }
  hearing++;
  const late = setTimeout(() => socket.destroy(), HEAR);
  socket.once('close', () => {
    hearing--;
    clearTimeout(late);
  });
  socket.end(Buffer.concat(encodeFrame(errorMessage(finding))));
  socket.resume();
}

/**
 * Opens a service on a context. It answers when this resolves.
 *
 * @throws AnyBpfError service/running where one runs at this socket, service/place, service/start
 */
export async function serve(options: ServiceOptions): Promise<Service> {
  const service = new Service(options);
  await service.open();
  return service;
}
