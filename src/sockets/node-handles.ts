// The sockets of this Node process: the handles under net, tls, dgram, http and fetch, whose calls are asked about before they are made.
//
// Node has no public place for that. Its handles are classes of the bindings tcp_wrap and udp_wrap, the same in Node 20 to 26, and
// their methods give 0 or a negated errno; what refuses gives such a one, and Node's own error follows. Not seen: sockets of native
// addons, names that c-ares and getaddrinfo ask servers for, pipes.
import process from 'node:process';
import { AnyBpfError } from '../base/diagnostic.ts';
import { parseAddress } from '../hosts/memory/addresses.ts';
import type { Decision, Endpoint, SocketEvent, SocketOperation } from './events.ts';

export interface NodeHooks {
  decide(event: SocketEvent): Decision;
  /** What is not asked about is not looked at. */
  asks(operation: SocketOperation): boolean;
}

interface Name {
  readonly address: string;
  readonly port: number;
}

interface Rinfo {
  address: string;
  port: number;
}

type Method = (this: Handle, ...args: readonly never[]) => unknown;
/** What the bindings' handles have, as far as it is used here. */
interface Handle {
  getsockname(out: object): number;
  getpeername(out: object): number;
  onconnection?: ((this: Handle, status: number, client: Handle | undefined) => void) | undefined;
  onmessage?:
    | ((this: Handle, size: number, handle: Handle, buffer: unknown, from: Rinfo | undefined) => void)
    | undefined;
  close(callback?: () => void): void;
}

type Prototype = Record<string, Method>;

type Kind = 'stream' | 'dgram';
const PROTOCOL = { stream: 6, dgram: 17 } as const;

/** What is known of a handle beside what it tells: whether `release` and `closed` are due at its end. */
interface State {
  bound: boolean;
  connected: boolean;
  watched: boolean;
}

/** Numbers and bytes of an address as Node writes it, without its scope. */
function endpointOf({ address, port }: Name): Endpoint | undefined {
  try {
    return { address: parseAddress(address.replace(/%.*$/, '')), port };
  } catch (error) {
    // Node refuses it, too: by the call itself, with EINVAL.
    if (error instanceof AnyBpfError) return undefined;
    throw error;
  }
}

function textOf(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  return Array.from({ length: 8 }, (_, i) => ((address[i * 2] << 8) | address[i * 2 + 1]).toString(16)).join(':');
}

class Watcher {
  readonly #hooks: NodeHooks;
  readonly #states = new WeakMap<Handle, State>();
  /** The event's decision is being made: sockets that it needs itself pass. */
  #deciding = false;

  constructor(hooks: NodeHooks) {
    this.#hooks = hooks;
  }

  watch(prototype: Prototype, kind: Kind): void {
    const wrap = (name: string, around: (original: Method, handle: Handle, args: unknown[]) => unknown): void => {
      const original = prototype[name];
      if (typeof original !== 'function') return;
      prototype[name] = function wrapped(this: Handle, ...args: unknown[]) {
        return around(original, this, args);
      } as Method;
    };
    for (const [name, family] of [
      ['bind', 4],
      ['bind6', 6],
    ] as const) {
      wrap(name, (original, handle, args) => this.#bind(original, handle, args, kind, family));
    }
    wrap('close', (original, handle, args) => this.#close(original, handle, args, kind));
    for (const [name, family] of [
      ['connect', 4],
      ['connect6', 6],
    ] as const) {
      // connect(request, address, port) of a stream; connect(address, port) of datagrams.
      const at = kind === 'stream' ? 1 : 0;
      wrap(name, (original, handle, args) => this.#connect(original, handle, args, at, kind, family));
    }
    if (kind === 'stream') wrap('listen', (original, handle, args) => this.#listen(original, handle, args));
    else {
      for (const [name, family] of [
        ['send', 4],
        ['send6', 6],
      ] as const) {
        wrap(name, (original, handle, args) => this.#send(original, handle, args, family));
      }
      wrap('recvStart', (original, handle, args) => this.#receive(original, handle, args));
    }
  }

  #state(handle: Handle): State {
    let state = this.#states.get(handle);
    if (state === undefined) {
      state = { bound: false, connected: false, watched: false };
      this.#states.set(handle, state);
    }
    return state;
  }

  /** The decision, or undefined where nobody is asked: then all stays as it is. */
  #ask(
    operation: SocketOperation,
    kind: Kind,
    family: 4 | 6,
    ends: { readonly local?: Endpoint | undefined; readonly remote?: Endpoint | undefined },
  ): Decision | undefined {
    if (this.#deciding || !this.#hooks.asks(operation)) return undefined;
    this.#deciding = true;
    try {
      const { local, remote } = ends;
      return this.#hooks.decide({
        operation,
        family,
        type: kind,
        protocol: PROTOCOL[kind],
        ...(local === undefined ? {} : { local }),
        ...(remote === undefined ? {} : { remote }),
        pid: process.pid,
        application: process.execPath,
      });
    } finally {
      this.#deciding = false;
    }
  }

  #local = (handle: Handle): Endpoint | undefined => nameOf((out) => handle.getsockname(out));
  #remote = (handle: Handle): Endpoint | undefined => nameOf((out) => handle.getpeername(out));

  #bind(original: Method, handle: Handle, args: unknown[], kind: Kind, family: 4 | 6): unknown {
    const [address, port] = args as [string, number];
    const local = endpointOf({ address, port });
    if (local === undefined) return call(original, handle, args);
    const decision = this.#ask('bind', kind, family, { local });
    if (decision?.allowed === false) return -decision.errno;
    const given = decision?.rewritten === undefined ? args : replaced(args, 0, decision.rewritten);
    const status = call(original, handle, given);
    if (status !== 0) return status;
    this.#state(handle).bound = true;
    // Too late to give the port back: as in the kernel, the socket is bound and the call has failed.
    const after = this.#ask('bound', kind, family, { local: this.#local(handle) ?? local });
    return after?.allowed === false ? -after.errno : status;
  }

  #listen(original: Method, handle: Handle, args: unknown[]): unknown {
    const local = this.#local(handle);
    if (local !== undefined) {
      const decision = this.#ask('listen', 'stream', familyOf(local), { local });
      if (decision?.allowed === false) return -decision.errno;
    }
    this.#watchConnections(handle);
    return call(original, handle, args);
  }

  /** Connections that a program refuses are closed before the server hears of them. */
  #watchConnections(handle: Handle): void {
    const state = this.#state(handle);
    const { onconnection } = handle;
    if (onconnection === undefined || state.watched) return;
    state.watched = true;
    const accepts = (client: Handle): boolean => this.#accept(client);
    handle.onconnection = function onConnection(status, client) {
      if (status === 0 && client !== undefined && !accepts(client)) client.close();
      else onconnection.call(this, status, client);
    };
  }

  #accept(client: Handle): boolean {
    const [local, remote] = [this.#local(client), this.#remote(client)];
    if (local === undefined) return true;
    const family = familyOf(local);
    if (this.#ask('accept', 'stream', family, { local, remote })?.allowed === false) return false;
    this.#state(client).connected = true;
    this.#ask('accepted', 'stream', family, { local, remote });
    return true;
  }

  #connect(original: Method, handle: Handle, args: unknown[], at: 0 | 1, kind: Kind, family: 4 | 6): unknown {
    const [address, port] = args.slice(at) as [string, number];
    const remote = endpointOf({ address, port });
    if (remote === undefined) return call(original, handle, args);
    const decision = this.#ask('connect', kind, family, { local: this.#local(handle), remote });
    if (decision?.allowed === false) return -decision.errno;
    const target = decision?.rewritten ?? remote;
    if (kind === 'stream') this.#watchConnect(handle, args[0] as { oncomplete?: unknown }, family, target);
    return call(original, handle, decision?.rewritten === undefined ? args : replaced(args, at, decision.rewritten));
  }

  #watchConnect(handle: Handle, request: { oncomplete?: unknown }, family: 4 | 6, remote: Endpoint): void {
    const { oncomplete } = request;
    if (typeof oncomplete !== 'function') return;
    const connected = (): void => {
      this.#state(handle).connected = true;
      this.#ask('connected', 'stream', family, { local: this.#local(handle), remote });
    };
    request.oncomplete = function onComplete(this: unknown, status: number, ...rest: unknown[]) {
      if (status === 0) connected();
      return (oncomplete as (...args: unknown[]) => unknown).call(this, status, ...rest);
    };
  }

  /** send(request, list, length, port, address, hasCallback); without port and address on a connected socket. */
  #send(original: Method, handle: Handle, args: unknown[], family: 4 | 6): unknown {
    if (args.length < 6) return call(original, handle, args);
    const [port, address] = args.slice(3) as [number, string];
    const remote = endpointOf({ address, port });
    if (remote === undefined) return call(original, handle, args);
    const decision = this.#ask('send', 'dgram', family, { local: this.#local(handle), remote });
    if (decision?.allowed === false) return -decision.errno;
    if (decision?.rewritten === undefined) return call(original, handle, args);
    const changed = [...args];
    changed[3] = decision.rewritten.port;
    changed[4] = textOf(decision.rewritten.address);
    return call(original, handle, changed);
  }

  #receive(original: Method, handle: Handle, args: unknown[]): unknown {
    const state = this.#state(handle);
    const { onmessage } = handle;
    if (onmessage !== undefined && !state.watched) {
      state.watched = true;
      /** Whether the application gets it; under another name where a program gives it one. */
      const passes = (from: Rinfo): boolean => {
        const remote = endpointOf(from);
        if (remote === undefined) return true;
        const decision = this.#ask('receive', 'dgram', familyOf(remote), { local: this.#local(handle), remote });
        if (decision?.allowed === false) return false;
        if (decision?.rewritten === undefined) return true;
        from.address = textOf(decision.rewritten.address);
        from.port = decision.rewritten.port;
        return true;
      };
      const named: typeof onmessage = function onMessage(size, self, buffer, from) {
        if (size >= 0 && from !== undefined && !passes(from)) return;
        onmessage.call(this, size, self, buffer, from);
      };
      Object.assign(handle, { onmessage: named });
    }
    return call(original, handle, args);
  }

  #close(original: Method, handle: Handle, args: unknown[], kind: Kind): unknown {
    const state = this.#states.get(handle);
    if (state !== undefined && (state.bound || state.connected)) {
      const [local, remote] = [this.#local(handle), this.#remote(handle)];
      if (local !== undefined) {
        if (state.connected) this.#ask('closed', kind, familyOf(local), { local, remote });
        if (state.bound) this.#ask('release', kind, familyOf(local), { local });
      }
      this.#states.delete(handle);
    }
    return call(original, handle, args);
  }
}

const call = (original: Method, handle: Handle, args: readonly unknown[]): unknown =>
  original.apply(handle, args as readonly never[] as never[]);

const familyOf = ({ address }: Endpoint): 4 | 6 => (address.length === 4 ? 4 : 6);

/** The arguments with address and port at this place and the next. */
function replaced(args: readonly unknown[], at: number, { address, port }: Endpoint): unknown[] {
  const changed = [...args];
  changed[at] = textOf(address);
  changed[at + 1] = port;
  return changed;
}

function nameOf(ask: (out: object) => number): Endpoint | undefined {
  const out: Partial<Name> = {};
  if (ask(out) !== 0 || out.address === undefined || out.port === undefined) return undefined;
  return endpointOf({ address: out.address, port: out.port });
}

let watched = false;

/** Asks about all sockets of this thread from now on; sockets that are there already are asked about from their next call. */
export function watchSockets(hooks: NodeHooks): void {
  if (watched) throw new Error('the sockets of this thread are watched already');
  watched = true;
  const { binding } = process as unknown as { binding(name: string): Record<string, { prototype: Prototype }> };
  const watcher = new Watcher(hooks);
  watcher.watch(binding.call(process, 'tcp_wrap').TCP.prototype, 'stream');
  watcher.watch(binding.call(process, 'udp_wrap').UDP.prototype, 'dgram');
}
