// What client and service say to each other beside the context's own methods: JSON-RPC 2.0, one handshake first, then the methods of
// spec/session.ts by their names, and the service's own.
import * as v from 'valibot';
import type { Diagnostic } from '../base/diagnostic.ts';
import { ROLES, type EventName, type MethodName, type Role } from '../spec/session.ts';

/** Versions of the protocol that this release speaks, first and last. */
export const PROTOCOL = { first: 1, last: 1 } as const;

/** JSON-RPC's error codes. The reason itself is the diagnostic in `error.data`. */
export const RPC_ERRORS = { refused: -32_000, noMethod: -32_601, badParams: -32_602, internal: -32_603 } as const;

export interface ErrorData {
  readonly diagnostic: Diagnostic;
}

const MOST_TEXT = 256;

/** The first request of a connection. */
export const HELLO = 'service.hello';
export const HELLO_PARAMS = v.strictObject({
  /** First and last version that the client speaks. */
  protocol: v.tuple([v.pipe(v.number(), v.safeInteger()), v.pipe(v.number(), v.safeInteger())]),
  /** Less than the socket gives; never more. */
  role: v.optional(v.picklist(ROLES)),
  token: v.optional(v.pipe(v.string(), v.maxLength(MOST_TEXT))),
  /** Who asks, for the log. */
  client: v.optional(v.pipe(v.string(), v.maxLength(MOST_TEXT))),
});
export type HelloParams = v.InferOutput<typeof HELLO_PARAMS>;

export interface HelloResult {
  readonly protocol: number;
  readonly role: Role;
  /** Release and process of the service. */
  readonly version: string;
  readonly pid: number;
}

/**
 * Asks for memory that large answers and records go through; a SharedFile (shared/memory.ts), or nothing where there is none. The client
 * maps it and says with `service.shared` whether it could: from then on the service uses it.
 */
export const SHARE = 'service.share';
export const SHARED = 'service.shared';
export const SHARED_PARAMS = v.strictObject({ taken: v.boolean() });

export interface ServiceStatus {
  readonly pid: number;
  readonly version: string;
  readonly protocol: number;
  readonly socket: string;
  /** Folder of pinned objects; absent where nothing outlives the service. */
  readonly state?: string;
  /** Seconds. */
  readonly uptime: number;
  readonly connections: number;
  readonly objects: {
    readonly maps: number;
    readonly programs: number;
    readonly links: number;
    readonly btfs: number;
    readonly pins: number;
  };
  /** Bytes of memory of the service's process. */
  readonly memory: number;
}

type None = Record<never, never>;

/** Ways to the packets of an interface (docs/live.md). */
export const LIVE_DRIVERS = ['af_xdp', 'af_packet', 'tap', 'pcap'] as const;
export type LiveDriver = (typeof LIVE_DRIVERS)[number];

const MOST_DEVICE = 64;

/** Which interface, and how. */
export const LIVE_OPEN_PARAMS = v.strictObject({
  device: v.pipe(v.string(), v.minLength(1), v.maxLength(MOST_DEVICE)),
  driver: v.picklist(LIVE_DRIVERS),
  /** Whose programs run there; Linux' where absent. */
  dialect: v.optional(v.picklist(['linux', 'windows'])),
  /** af_packet: false only observes. */
  enforce: v.optional(v.boolean()),
  /** tap: `ip` is a TUN interface. */
  layer: v.optional(v.picklist(['ethernet', 'ip'])),
  wait: v.optional(v.picklist(['poll', 'busy'])),
});
export interface LiveOptions {
  readonly driver: LiveDriver;
  readonly dialect?: 'linux' | 'windows';
  readonly enforce?: boolean;
  readonly layer?: 'ethernet' | 'ip';
  readonly wait?: 'poll' | 'busy';
}
export const LIVE_DEVICE_PARAMS = v.strictObject({ device: LIVE_OPEN_PARAMS.entries.device });
const NO_PARAMS = v.unknown();

/** An interface whose packets the service's programs decide on. */
export interface LiveDevice {
  readonly device: string;
  readonly ifindex: number;
  readonly driver: LiveDriver;
  /** For people: `native, copy, 1 queue`. */
  readonly mode: string;
  /** False: the system gets each packet whatever the verdict. */
  readonly enforces: boolean;
  readonly layer: 'ethernet' | 'ip';
  readonly dialect: 'linux' | 'windows';
  readonly statistics: Readonly<Record<string, number>>;
}

/** Who has the live interfaces of a service. */
export interface LiveHost {
  open(device: string, options: LiveOptions): LiveDevice;
  close(device: string): Promise<void>;
  list(): readonly LiveDevice[];
  closeAll(): Promise<void>;
}

/** Methods of the service itself. */
export interface ServiceMethods {
  'service.status': { readonly params: None; readonly result: ServiceStatus };
  /** What there is and what it did, as Prometheus text. */
  'service.metrics': { readonly params: None; readonly result: { readonly text: string } };
  /** Ends the service when what was begun has its answers. */
  'service.stop': { readonly params: None; readonly result: None };
  /** Makes an interface live: it is until the last program is taken off its hook. */
  'live.open': { readonly params: LiveOptions & { readonly device: string }; readonly result: LiveDevice };
  'live.close': { readonly params: { readonly device: string }; readonly result: None };
  'live.list': { readonly params: None; readonly result: { readonly devices: readonly LiveDevice[] } };
}
export type ServiceMethodName = keyof ServiceMethods;

export const SERVICE_ROLES: { readonly [M in ServiceMethodName]: Role } = {
  'service.status': 'read',
  'service.metrics': 'read',
  'service.stop': 'admin',
  // Who opens an interface reads what others send and receive there.
  'live.open': 'admin',
  'live.close': 'admin',
  'live.list': 'read',
};

/** What each takes; those that take nothing are given whatever it is. */
export const SERVICE_PARAMS: { readonly [M in ServiceMethodName]: v.GenericSchema<unknown, unknown> } = {
  'service.status': NO_PARAMS,
  'service.metrics': NO_PARAMS,
  'service.stop': NO_PARAMS,
  'live.open': LIVE_OPEN_PARAMS,
  'live.close': LIVE_DEVICE_PARAMS,
  'live.list': NO_PARAMS,
};

/** Events of a session, as notifications. */
export const eventMethod = (event: EventName): string => `event.${event}`;

export const versionRange = ([first, last]: readonly [number, number]): string =>
  first === last ? String(first) : `${first} to ${last}`;

/** The highest version that both speak. */
export function commonVersion([first, last]: readonly [number, number]): number | undefined {
  const version = Math.min(last, PROTOCOL.last);
  return version >= Math.max(first, PROTOCOL.first) ? version : undefined;
}

/**
 * Methods that are called often and have their answer at once: they go past JSON-RPC's queue, which takes some ten times as long as
 * they do. The messages are the same.
 */
export const DIRECT: ReadonlySet<string> = new Set<MethodName>([
  'map.lookup',
  'map.update',
  'map.delete',
  'map.nextKey',
  'map.lookupAndDelete',
  'map.lookupBatch',
  'map.updateBatch',
  'map.deleteBatch',
  'prog.testRun',
]);
