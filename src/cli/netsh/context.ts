// What the commands ask a context for.
import { AnyBpfError } from '../../base/diagnostic.ts';
import { canonicalPin, printPin } from '../../context/pins.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { Id, ObjectInfo, ObjectKind, Params, Session } from '../../spec/session.ts';

type InfoOf<K extends ObjectKind> = Extract<ObjectInfo, { readonly kind: K }>;

/** What of an object is told only where it is asked for. */
type Asked = Omit<Params<'object.info'>, 'fd'>;

/** The errno of a refusal; errors without one pass. */
export function errnoOf(error: unknown): number {
  const errno = error instanceof AnyBpfError ? error.diagnostic.errno : undefined;
  if (errno === undefined) throw error;
  return errno;
}

/** What a call gives, or the errno of its refusal. */
export const attempt = async <T>(call: Promise<T>): Promise<T | { readonly errno: number }> =>
  call.catch((error: unknown) => ({ errno: errnoOf(error) }));

export const hasFailed = (result: object): result is { readonly errno: number } => 'errno' in result;

/** What a call gives, undefined where there is no such object; all other refusals pass. */
const found = async <T extends object>(call: Promise<T>): Promise<T | undefined> =>
  call.catch((error: unknown) => (errnoOf(error) === ERRNO.ENOENT ? undefined : Promise.reject(error)));

/** A handle of the object with this id, as long as the body runs. Undefined where there is none. */
export async function withObject<T>(
  session: Session,
  kind: ObjectKind,
  id: Id,
  body: (fd: number) => Promise<T>,
): Promise<T | undefined> {
  const opened = await found(session.call('object.open', { kind, id }));
  if (opened === undefined) return undefined;
  try {
    return await body(opened.fd);
  } finally {
    await session.call('object.close', { fd: opened.fd });
  }
}

/** All objects of a kind, by id. Those that go while they are listed are left out. */
export async function objectsOf<K extends ObjectKind>(
  session: Session,
  kind: K,
  asked: Asked = {},
): Promise<readonly InfoOf<K>[]> {
  const infos: InfoOf<K>[] = [];
  for (let id = 0; ; ) {
    const next = await found(session.call('object.nextId', { kind, id }));
    if (next === undefined) return infos;
    id = next.id;
    const info = await infoOf(session, kind, id, asked);
    if (info !== undefined) infos.push(info);
  }
}

export const infoOf = <K extends ObjectKind>(
  session: Session,
  kind: K,
  id: Id,
  asked: Asked = {},
): Promise<InfoOf<K> | undefined> =>
  withObject(session, kind, id, async (fd) => (await session.call('object.info', { fd, ...asked })) as InfoOf<K>);

/** A path as Windows prints it. */
export function windowsPath(path: string): string {
  const canonical = canonicalPin(path);
  return 'path' in canonical ? printPin(canonical.path, 'windows') : path;
}

/** The pins of an object, in the order of their paths. */
export async function pinsOf(session: Session, kind: ObjectKind, id: Id): Promise<readonly string[]> {
  const { pins } = await session.call('object.pins', {});
  return pins.filter((pin) => pin.kind === kind && pin.id === id).map(({ path }) => path);
}
