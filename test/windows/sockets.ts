// What sockets do on a machine whose hooks have programs of socket_policy.bpf.c, for the tests that eBPF for Windows does with real
// sockets between two processes: each end's events go to the hooks in the order in which a stack would ask them.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import type { ContextSession } from '../../src/context/session.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import {
  decide,
  type Decision,
  type Endpoint,
  type SocketEvent,
  type SocketOperation,
} from '../../src/sockets/events.ts';
import type { ProcessIdentity } from '../../src/spec/host.ts';
import type { AttachTypeName } from '../../src/spec/program-types.ts';
import type { LoadedObjectInfo } from '../../src/spec/session.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { programFile } from './support.ts';

export const VERDICT = { REJECT: 0, SOFT: 1, HARD: 2, UNKNOWN: 0xaaaa_aaaa } as const;
export const PID = 4711;
const CLIENT_PORT = 50_000;
const SOCKET = { protocol: 'tcp', localAddress: '127.0.0.1', localPort: CLIENT_PORT } as const;

type Version = 4 | 6;

/** How an application speaks: `version` is what the filters see of it. */
export interface Speech {
  readonly name: string;
  readonly family: Version;
  readonly version: Version;
  /** An address (4 bytes of it, or 16) as the socket has it. */
  spell(address: Uint8Array): Uint8Array;
}

const V4: Speech = { name: 'ipv4', family: 4, version: 4, spell: (address) => address };
/** An IPv6 socket with IPV6_V6ONLY off. */
const MAPPED: Speech = {
  name: 'v4_mapped',
  family: 6,
  version: 4,
  spell: (address) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...address),
};
/** A dual-stack socket that speaks IPv6 does so just as one of IPv6. */
const V6: Speech = { name: 'ipv6', family: 6, version: 6, spell: (address) => address };

export const PROTOCOLS = [
  { name: 'TCP', number: 6, type: 'stream' },
  { name: 'UDP', number: 17, type: 'dgram' },
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export const SPEECHES = { IPv4: [V4, MAPPED], IPv6: [V6] } as const;
export const ALL_SPEECHES = [V4, MAPPED, V6] as const;

export const LOOPBACK = {
  4: Uint8Array.of(127, 0, 0, 1),
  6: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
};

export type HookName = 'connect' | 'connect_authorization' | 'recv_accept' | 'bind' | 'listen';
const attachTypeOf = (hook: HookName, version: Version): AttachTypeName => `cgroup_inet${version}_${hook}`;

/** struct end of the program. */
function endBytes({ address, port }: Endpoint, protocol: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  bytes.set(address);
  view.setUint16(16, port, false);
  view.setUint16(18, protocol, true);
  return bytes;
}

/** What the last run of a program was told by helpers (struct told). */
export interface Told {
  readonly pid: number;
  readonly logonId: bigint;
  readonly cookie: bigint;
  readonly isAdmin: number;
  readonly setRedirectContext: number;
  readonly getNetworkContext: number;
  readonly sourcePort: number;
  readonly runs: number;
  readonly network: {
    version: number;
    interfaceType: number;
    tunnelType: number;
    nextHop: bigint;
    subInterface: number;
  };
}

/** One load of socket_policy.bpf.c, with maps of its own. */
export class Programs {
  readonly #session: ContextSession;
  readonly #loaded: LoadedObjectInfo;
  readonly #attached: (readonly [hook: HookName, version: Version, compartment: number])[] = [];
  readonly #keys: Uint8Array[] = [];

  constructor(session: ContextSession, loaded: LoadedObjectInfo) {
    this.#session = session;
    this.#loaded = loaded;
  }

  fd(hook: HookName, version: Version): number {
    const { fd } = this.#loaded.programs.find(({ name }) => name === `${hook}${version}`) ?? expect.fail(hook);
    return fd;
  }

  #map(wanted: string): number {
    return this.#loaded.maps.find(({ name }) => name === wanted)?.fd ?? expect.fail(wanted);
  }

  /** bpf_prog_attach. */
  async attach(hook: HookName, version: Version, compartment = 0): Promise<void> {
    const attachType = attachTypeOf(hook, version);
    await this.#session.call('prog.attach', { fd: this.fd(hook, version), attachType, target: { compartment } });
    this.#attached.push([hook, version, compartment]);
  }

  /** bpf_prog_detach2 of the last attachment. */
  async detach(): Promise<void> {
    const [hook, version, compartment] = this.#attached.pop() ?? expect.fail('not attached');
    const attachType = attachTypeOf(hook, version);
    await this.#session.call('prog.detach', { fd: this.fd(hook, version), attachType, target: { compartment } });
  }

  /** What becomes of an address: a verdict, and another address; undefined takes it back, and it is refused. */
  async policy(at: Endpoint, { number }: Protocol, verdict: number | undefined, to: Endpoint = at): Promise<void> {
    const key = endBytes(at, number);
    const fd = this.#map('policy');
    if (verdict === undefined) {
      await this.#session.call('map.delete', { fd, key }).catch(() => undefined);
      return;
    }
    const value = new Uint8Array(24);
    value.set(endBytes(to, number));
    new DataView(value.buffer).setUint32(20, verdict, true);
    await this.#session.call('map.update', { fd, key, value });
    this.#keys.push(key);
  }

  async told(): Promise<Told> {
    const { value } = await this.#session.call('map.lookup', { fd: this.#map('told'), key: new Uint8Array(4) });
    const view = new DataView(value.buffer, value.byteOffset);
    const network = 40;
    return {
      pid: Number(view.getBigUint64(0, true) >> 32n),
      logonId: view.getBigUint64(8, true),
      cookie: view.getBigUint64(16, true),
      isAdmin: view.getInt32(24, true),
      setRedirectContext: view.getInt32(28, true),
      getNetworkContext: view.getInt32(32, true),
      sourcePort: view.getUint16(36, false),
      runs: view.getUint16(38, true),
      network: {
        version: view.getUint32(network, true),
        interfaceType: view.getUint32(network + 4, true),
        tunnelType: view.getUint32(network + 8, true),
        nextHop: view.getBigUint64(network + 16, true),
        subInterface: view.getUint32(network + 24, true),
      },
    };
  }

  /** As it was when it was loaded. */
  async reset(): Promise<void> {
    while (this.#attached.length > 0) await this.detach();
    const fd = this.#map('policy');
    for (const key of this.#keys.splice(0)) await this.#session.call('map.delete', { fd, key }).catch(() => undefined);
    await this.#session.call('map.update', {
      fd: this.#map('told'),
      key: new Uint8Array(4),
      value: new Uint8Array(72),
    });
  }
}

/** What an attempt came to. */
export interface Outcome {
  /** `allow`, or which operation was refused. */
  readonly result: 'allow' | SocketOperation;
  /** The address that was reached. */
  readonly reached: Endpoint;
  /** Of each hook that had a program: the verdict's name, and how many programs ran. */
  readonly verdicts: readonly (readonly [hook: string, verdict: string | undefined, ran: number])[];
  readonly redirectContext?: string;
}

export class Machine implements Disposable {
  readonly session: ContextSession;
  readonly #all: Programs[] = [];

  /** @param user whose sockets they are */
  constructor(user: Pick<ProcessIdentity, 'logonId' | 'isAdmin'> = { logonId: 999n, isAdmin: true }) {
    const host = memoryHost({ network: { sockets: [SOCKET], currentSocket: 0 }, process: user });
    this.session = createRuntime({ host });
  }

  async load(): Promise<Programs> {
    const name = 'socket_policy.o';
    const object = readFileSync(path.join(PROJECT_ROOT, programFile(name)));
    const programs = new Programs(this.session, await this.session.call('object.load', { object, name }));
    this.#all.push(programs);
    return programs;
  }

  /** So many loads, which later tests use again. */
  async loads(count: number): Promise<readonly Programs[]> {
    while (this.#all.length < count) await this.load();
    return this.#all.slice(0, count);
  }

  async reset(): Promise<void> {
    for (const programs of this.#all) await programs.reset();
  }

  /** A client reaches for an address, and a server has the other end: a connection of TCP, a datagram of UDP. */
  async reach(to: Endpoint, speech: Speech, protocol: Protocol): Promise<Outcome> {
    const verdicts: [string, string | undefined, number][] = [];
    let redirectContext: string | undefined;
    const ask = (operation: SocketOperation, local: Endpoint, remote: Endpoint): Promise<Decision> => {
      const { family } = speech;
      const { type, number } = protocol;
      const event: SocketEvent = {
        operation,
        family,
        type,
        protocol: number,
        local,
        remote,
        pid: PID,
        application: 'app',
      };
      return decide(event, async (hook) => {
        const answer = await this.session.call('hook.fire', hook);
        if (answer.ran.length > 0)
          verdicts.push([hook.attachType.replace(/^cgroup_inet\d_/, ''), answer.name, answer.ran.length]);
        if (answer.redirectContext !== undefined) redirectContext = new TextDecoder().decode(answer.redirectContext);
        return answer;
      });
    };
    const from: Endpoint = { address: speech.spell(LOOPBACK[speech.version]), port: CLIENT_PORT };
    const remote: Endpoint = { address: speech.spell(to.address), port: to.port };
    const [there, here] =
      protocol.type === 'stream' ? (['connect', 'accept'] as const) : (['send', 'receive'] as const);
    const outward = await ask(there, from, remote);
    const reached = outward.rewritten ?? remote;
    const rest = () => ({ reached, verdicts, ...(redirectContext === undefined ? {} : { redirectContext }) });
    if (!outward.allowed) return { result: there, ...rest() };
    const inward = await ask(here, reached, from);
    return { result: inward.allowed ? 'allow' : here, ...rest() };
  }

  async result(at: Endpoint, speech: Speech, protocol: Protocol): Promise<Outcome['result']> {
    return (await this.reach(at, speech, protocol)).result;
  }

  /** A server binds, or listens at, its own address: the verdict's name and how many programs ran; undefined where none is there. */
  async own(operation: 'bind' | 'listen', at: Endpoint, speech: Speech, protocol: Protocol) {
    const local = { address: speech.spell(at.address), port: at.port };
    const { family } = speech;
    const { type, number } = protocol;
    let seen: { readonly verdict: string | undefined; readonly ran: number } | undefined;
    const event: SocketEvent = { operation, family, type, protocol: number, local, pid: PID, application: 'app' };
    const { allowed } = await decide(event, async (hook) => {
      const answer = await this.session.call('hook.fire', hook);
      if (answer.ran.length > 0) seen = { verdict: answer.name, ran: answer.ran.length };
      return answer;
    });
    return { allowed, ...seen };
  }

  [Symbol.dispose](): void {
    this.session.context[Symbol.dispose]();
  }
}

export const PORT = 8989;
/** The loopback address as the filters see it. */
export const loopback = (speech: Speech, port = PORT): Endpoint => ({ address: LOOPBACK[speech.version], port });

/** Who refuses: the end that reaches out, or the other. */
export const outward = ({ type }: Protocol): SocketOperation => (type === 'stream' ? 'connect' : 'send');
export const inward = ({ type }: Protocol): SocketOperation => (type === 'stream' ? 'accept' : 'receive');

const NAMES: Readonly<Record<number, string>> = {
  [VERDICT.REJECT]: 'REJECT',
  [VERDICT.SOFT]: 'PROCEED_SOFT',
  [VERDICT.HARD]: 'PROCEED_HARD',
};
/** What is not known is a refusal. */
export const verdictName = (verdict: number): string => NAMES[verdict] ?? 'REJECT';

/** A case for each family and protocol, each on a machine without programs. */
export async function everywhere(
  machine: Machine,
  body: (speech: Speech, protocol: Protocol) => Promise<void>,
  speeches: readonly Speech[] = ALL_SPEECHES,
  protocols: readonly Protocol[] = PROTOCOLS,
): Promise<void> {
  for (const speech of speeches) {
    for (const protocol of protocols) {
      await body(speech, protocol);
      await machine.reset();
    }
  }
}
