// object.*: what is the same for objects of all kinds.
import type { Fd, Id, ObjectInfo, ObjectKind, ProgramInfo } from '../../spec/session.ts';
import { close } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import { btfInfo, idOf, mapInfo, mapShape, programInfo, rawInfo } from './info.ts';
import { linkInfo } from './link-info.ts';
import { loadWholeObject } from './load-object.ts';
import type { LinuxHandlers } from './methods.ts';
import { ids, nextId, openId } from './objects.ts';
import { wholeName } from './program-code.ts';
import type { LinuxSession } from './session.ts';

const KINDS: ReadonlySet<string> = new Set<ObjectKind>(['map', 'prog', 'link', 'btf']);

function checkKind(operation: string, kind: ObjectKind): void {
  if (!KINDS.has(kind)) refuse(operation, 'EINVAL', `there are no objects of kind '${String(kind)}'`);
}

export const objectMethods: Pick<LinuxHandlers, `object.${string}` & keyof LinuxHandlers> = {
  'object.load': loadWholeObject,
  'object.nextId': (_, { kind, id }) => {
    checkKind('object.nextId', kind);
    return { id: checked('object.nextId', nextId(kind, id), {}, `there is no ${kind} with an id above ${id}`) };
  },
  'object.open': (session, { kind, id }) => {
    checkKind('object.open', kind);
    const fd = checked('object.open', openId(kind, id), {}, `there is no ${kind} with id ${id}`);
    return { fd: session.open(fd, kind) };
  },
  'object.info': infoOf,
  'object.close': (session, { fd }) => {
    session.closeHandle(fd);
    return {};
  },
  'object.duplicate': (session, { fd }) => ({ fd: session.duplicate(fd, 'object.duplicate') }),
  'object.pin': (session, { fd, path }) => {
    const kind = session.kindOf(fd, 'object.pin');
    if (kind === 'btf' || kind === 'stats') refuse('object.pin', 'EINVAL', `a handle of ${kind} cannot be pinned`);
    session.pins.pin(fd, path, 'object.pin');
    return {};
  },
  'object.get': (session, { path }) => {
    const { fd, kind } = session.pins.get(path, 'object.get');
    return { fd: session.open(fd, kind), kind };
  },
  'object.unpin': (session, { path }) => {
    session.pins.unpin(path, 'object.unpin');
    return {};
  },
  'object.pins': (session, { below }) => ({ pins: session.pins.below(below, 'object.pins') }),
};

function infoOf(session: LinuxSession, { fd }: { readonly fd: Fd }): ObjectInfo {
  const operation = 'object.info';
  const kind = session.kindOf(fd, operation);
  if (kind === 'stats') return refuse(operation, 'EINVAL', `handle ${fd} is not of an object`);
  const id = idOf(fd, kind);
  const pins = kind === 'btf' ? [] : session.pins.of(kind, id, operation);
  const made: { readonly [K in ObjectKind]: () => ObjectInfo | number } = {
    map: () => mapInfo(fd, pins),
    prog: () =>
      namedProgram(fd, programInfo(fd, { pins, linkCount: linksOf(session, id), loaded: session.loaded.get(id) })),
    link: () => linkInfo(fd, pins, session.linkTargets.get(id)),
    btf: () => btfInfo(fd, usersOf(id)),
  };
  const info = made[kind]();
  return typeof info === 'number' ? (checked(operation, info) as never) : info;
}

const namedProgram = (fd: Fd, info: ProgramInfo | number): ProgramInfo | number =>
  typeof info === 'number' ? info : { ...info, name: wholeName(fd, info.name) };

/** Links of a program that this session has handles of: the kernel counts none. */
function linksOf(session: LinuxSession, progId: Id): number {
  let count = 0;
  for (const [fd, { kind }] of session.handles) {
    if (kind !== 'link') continue;
    const info = rawInfo(fd, 'link');
    if (typeof info !== 'number' && info.getUint32(8, true) === progId) count++;
  }
  return count;
}

/** Programs and maps of BTF, which the kernel does not list. */
function usersOf(btfId: Id): { readonly progs: readonly Id[]; readonly maps: readonly Id[] } {
  const progs = [...ids('prog')].filter((id) => withId('prog', id, (fd) => uses(programInfo(fd, NOBODY), btfId)));
  const maps = [...ids('map')].filter((id) =>
    withId('map', id, (fd) => typeof mapShape(fd) !== 'number' && uses(mapInfo(fd, []), btfId)),
  );
  return { progs, maps };
}

const NOBODY = { pins: [], linkCount: 0 } as const;

const uses = (info: ObjectInfo | number, btfId: Id): boolean =>
  typeof info !== 'number' && 'btfId' in info && info.btfId === btfId;

function withId(kind: ObjectKind, id: Id, body: (fd: Fd) => boolean): boolean {
  const fd = openId(kind, id);
  if (fd < 0) return false;
  try {
    return body(fd);
  } finally {
    close(fd);
  }
}
