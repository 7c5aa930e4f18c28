// object.*: what is the same for objects of all kinds.
import type { Handlers, ObjectKind } from '../spec/session.ts';
import { refuse } from './errors.ts';
import { loadWholeObject } from './load-object.ts';
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
  'object.info': (session, { fd }) => {
    const object = session.object(fd, 'object.info');
    return object.info(session.context.printedPins(object));
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
