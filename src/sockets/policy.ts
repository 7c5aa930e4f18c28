// Where decisions about sockets come from: the programs of an object that is loaded here, or whatever is attached in a service.
import type { Dialect } from '../spec/object.ts';
import type { AttachTypeName } from '../spec/program-types.ts';
import type { AttachTarget, Fd, Result, Session } from '../spec/session.ts';
import { decide, type Decision, hooksOf, SOCKET_HOOKS, type SocketEvent, type SocketOperation } from './events.ts';
import { fail } from '../base/diagnostic.ts';
import { noSocketPrograms } from '../base/messages/sockets.ts';

export interface SocketPolicy {
  decide(event: SocketEvent): Promise<Decision>;
  /** Whether this operation may be decided otherwise than by letting it pass: what need not be watched. */
  asks(operation: SocketOperation): boolean;
}

/** An element that a map has before the first decision. */
export interface PolicyEntry {
  readonly map: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Everything that is attached to socket hooks in the session's context, now and later. Needs the role `admin`. */
export const sessionPolicy = (session: Session): SocketPolicy => ({
  decide: (event) => decide(event, (hook) => session.call('hook.fire', hook)),
  asks: () => true,
});

/** Which hooks a policy's programs are attached to. */
export interface Attached {
  /** Handles of the object's maps by name, of the session. */
  readonly maps: ReadonlyMap<string, Fd>;
  asked(attachType: AttachTypeName, dialect: Dialect): boolean;
  asks(operation: SocketOperation): boolean;
}

/**
 * Loads an object into a context and attaches its socket programs there, for as long as the session lives.
 *
 * @param session of a context that nothing else is attached in, or with a target that is the policy's own
 * @throws AnyBpfError sockets/no-programs where none of its programs is for sockets; as object.load does
 */
export async function attachPolicy(
  session: Session,
  name: string,
  object: Uint8Array,
  entries: readonly PolicyEntry[] = [],
  target: AttachTarget = {},
): Promise<Attached> {
  const loaded = await session.call('object.load', { object, name });
  await fill(session, loaded, entries);
  const attached = new Set<AttachTypeName>();
  for (const { fd } of loaded.programs) {
    const info = await session.call('object.info', { fd });
    const attachType = info.kind === 'prog' ? (info.attachType ?? BY_TYPE.get(info.type)) : undefined;
    if (attachType === undefined || !SOCKET_HOOKS.has(attachType)) continue;
    await session.call('link.create', { fd, attachType, target });
    attached.add(attachType);
  }
  if (attached.size === 0) {
    const names = loaded.programs.map((program) => program.name);
    fail(noSocketPrograms({ file: name }, names));
  }
  return {
    maps: new Map(loaded.maps.map((map) => [map.name, map.fd])),
    asked: (attachType) => attached.has(attachType),
    asks: (operation) => hooksOf(operation).some((attachType) => attached.has(attachType)),
  };
}

/** The policy of an object's programs: {@link attachPolicy}. */
export async function objectPolicy(
  session: Session,
  name: string,
  object: Uint8Array,
  entries: readonly PolicyEntry[] = [],
): Promise<SocketPolicy> {
  const { asked, asks } = await attachPolicy(session, name, object, entries);
  return { asks, decide: (event) => decide(event, (hook) => session.call('hook.fire', hook), asked) };
}

/** Program types whose section does not say the attach type, because there is one. */
const BY_TYPE: ReadonlyMap<string, AttachTypeName> = new Map([
  ['sock_ops', 'cgroup_sock_ops'],
  ['bind', 'bind'],
]);

async function fill(session: Session, loaded: Result<'object.load'>, entries: readonly PolicyEntry[]): Promise<void> {
  for (const { map, key, value } of entries) {
    const found = loaded.maps.find((one) => one.name === map);
    if (found !== undefined) await session.call('map.update', { fd: found.fd, key, value });
  }
}
