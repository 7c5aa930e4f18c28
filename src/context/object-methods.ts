// object.*: what is the same for objects of all kinds.
import type { Fd, Handlers, ObjectKind } from '../spec/session.ts';
import { refuse } from './errors.ts';
import { loadWholeObject } from './load-object.ts';
import type { ContextObject } from './objects.ts';
import type { ContextSession } from './session.ts';

type Names = `object.${string}` & keyof Handlers<ContextSession>;

export const objectMethods: Pick<Handlers<ContextSession>, Names> = {
  'object.load': loadWholeObject,
  'object.nextId': ({ context }, { kind, id }) => {
    const next = tableOf(context, kind, 'object.nextId').after(id);
    return { id: next?.id ?? refuse('object.nextId', 'ENOENT', `there is no ${kind} with an id above ${id}`) };
  },
  'object.open': (session, { kind, id }) => {
    const object = tableOf(session.context, kind, 'object.open').get(id);
    return { fd: session.open(object ?? refuse('object.open', 'ENOENT', `there is no ${kind} with id ${id}`)) };
  },
  'object.info': (session, { fd, holders = false }) => {
    const object = session.object(fd, 'object.info');
    const info = object.info(session.context.printedPins(object));
    return holders ? { ...info, holders: holdersOf(session, fd, object) } : info;
  },
  'object.close': (session, { fd }) => {
    session.closeHandle(fd);
    return {};
  },
  'object.duplicate': (session, { fd }) => ({ fd: session.open(session.handle(fd, 'object.duplicate')) }),
  'object.pin': (session, { fd, path }) => {
    const object = session.object(fd, 'object.pin');
    // BTF has no place in bpffs (bpf_fd_probe_obj).
    if (object.kind === 'btf') refuse('object.pin', 'EINVAL', 'BTF cannot be pinned');
    session.context.pin(object, path);
    return {};
  },
  'object.get': (session, { path }) => {
    const { context } = session;
    const canonical = context.pinPath(path, 'object.get');
    const object =
      context.pins.get(canonical) ??
      refuse('object.get', 'ENOENT', `nothing is pinned at ${context.printPin(canonical)}`);
    return { fd: session.open(object), kind: object.kind };
  },
  'object.unpin': ({ context }, { path }) => {
    context.unpin(path);
    return {};
  },
  'object.pins': ({ context }, { below }) => {
    const root = below === undefined ? '' : context.pinFolder(below, 'object.pins');
    return {
      pins: context.pins.below(root).map(([path, { kind, id }]) => ({ path: context.printPin(path), kind, id })),
    };
  },
};

function tableOf(context: ContextSession['context'], kind: ObjectKind, operation: string) {
  return context.table(kind) ?? refuse(operation, 'EINVAL', `there are no objects of kind '${String(kind)}'`);
}

/** Processes with handles of an object, but for the one that asks by a handle of its own. */
function holdersOf(asking: ContextSession, by: Fd, object: ContextObject): number[] {
  const pids = new Set<number>();
  for (const session of asking.context.sessions) {
    const { pid, handles } = session;
    if (pid === undefined || pids.has(pid)) continue;
    for (const [fd, held] of handles) {
      if (held !== object || (session === asking && fd === by)) continue;
      pids.add(pid);
      break;
    }
  }
  return [...pids].sort((a, b) => a - b);
}
