// Objects by what the grammar calls them: `id N`, `name X`, `tag X`, `pinned PATH`.
import { fail } from '../../base/diagnostic.ts';
import { wrongWords } from '../../base/messages/bpftool.ts';
import type { Fd, LinkInfo, MapInfo, ObjectInfo, ObjectKind, ProgramInfo } from '../../spec/session.ts';
import { ERRNO } from '../../spec/errno.ts';
import { strerror } from '../../spec/strerror.ts';
import type { Words } from './arguments.ts';
import { refuse, said, unless } from './errors.ts';
import { DONE } from './output.ts';
import type { Run, Tool } from './tool.ts';

/** An object with a handle of the session, and what is known of it. */
export interface Opened<I extends ObjectInfo = ObjectInfo> {
  readonly fd: Fd;
  readonly info: I;
}

type InfoOf<K extends ObjectKind> = Extract<ObjectInfo, { readonly kind: K }>;

/** What of a kind's objects bpftool calls them. */
const KIND_WORDS: {
  readonly [K in ObjectKind]: { readonly next: string; readonly one: string; readonly byId: string };
} = {
  map: { next: 'map', one: 'map', byId: 'get map by id' },
  prog: { next: 'program', one: 'prog', byId: 'get by id' },
  link: { next: 'link', one: 'link', byId: 'failed to get link with ID' },
  btf: { next: 'BTF object', one: 'BTF object', byId: "can't get BTF object by id" },
};

async function infoOf<K extends ObjectKind>(tool: Tool, kind: K, fd: Fd): Promise<Opened<InfoOf<K>>> {
  const info = await said(
    tool.call('object.info', { fd }),
    (why) => `can't get ${KIND_WORDS[kind].one} info: ${why}`,
    -1,
  );
  if (info.kind !== kind) return refuse(`incorrect object type: ${info.kind}`);
  return { fd, info: info as InfoOf<K> };
}

/** The object of this id. `what` begins the sentence where it is not there. */
export async function byId<K extends ObjectKind>(
  tool: Tool,
  kind: K,
  id: number,
  what = KIND_WORDS[kind].byId,
): Promise<Opened<InfoOf<K>>> {
  const place = kind === 'link' ? `${id}` : `(${id})`;
  const { fd } = await said(
    tool.call('object.open', { kind, id }),
    (why) => `${what} ${place}: ${why}`,
    // Only of links bpftool gives the errno away.
    kind === 'link' ? undefined : -1,
  );
  return infoOf(tool, kind, fd);
}

/** All objects of a kind, by rising ids, each closed when the next is asked for. Those that go meanwhile are passed over. */
export async function* all<K extends ObjectKind>(tool: Tool, kind: K): AsyncGenerator<Opened<InfoOf<K>>> {
  for (let id = 0; ; ) {
    const next = await said(
      unless('ENOENT', tool.call('object.nextId', { kind, id })),
      (why) => `can't get next ${KIND_WORDS[kind].next}: ${why}`,
      -1,
    );
    if (next === undefined) return;
    id = next.id;
    const opened = await unless('ENOENT', tool.call('object.open', { kind, id }));
    if (opened === undefined) continue;
    yield await infoOf(tool, kind, opened.fd);
    await tool.call('object.close', opened);
  }
}

async function pinned<K extends ObjectKind>(tool: Tool, kind: K, path: string): Promise<Opened<InfoOf<K>>> {
  const found = await said(tool.call('object.get', { path }), (why) => `bpf obj get (${path}): ${why}`, -1);
  if (found.kind !== kind) return refuse(`incorrect object type: ${found.kind}`);
  return infoOf(tool, kind, found.fd);
}

/** Those of a kind that `wanted` is true of; their handles stay open. */
async function matching<K extends 'map' | 'prog'>(
  tool: Tool,
  kind: K,
  wanted: (info: InfoOf<K>) => boolean,
): Promise<Opened<InfoOf<K>>[]> {
  const found: Opened<InfoOf<K>>[] = [];
  for await (const { fd, info } of all(tool, kind)) {
    if (wanted(info)) found.push({ ...(await tool.call('object.duplicate', { fd })), info });
  }
  return found;
}

/** Names are kept to so many characters by bpf(2); longer ones are looked for by their beginning. */
const MAX_NAME = 15;
const TAG = /^[0-9a-f]{16}$/i;

const sameName = (name: string, wanted: string): boolean =>
  name === wanted || (wanted.length > MAX_NAME && name === wanted.slice(0, MAX_NAME));

const noneOf = (kind: 'map' | 'prog', by: string): never =>
  refuse(`no ${kind} has this ${by}: ${strerror(ERRNO.ENOENT)}`, -1);

/** PROG := { id PROG_ID | pinned FILE | tag PROG_TAG | name PROG_NAME }: one program, or all of a tag or name. */
export async function programsOf(tool: Tool, words: Words): Promise<Opened<ProgramInfo>[]> {
  if (words.skip('id')) return [await byId(tool, 'prog', words.u32('ID'))];
  if (words.skip('tag')) {
    const tag = words.take();
    if (!TAG.test(tag)) fail(wrongWords({}, "can't parse tag"));
    const found = await matching(tool, 'prog', (info) => info.tag === tag.toLowerCase());
    return found.length > 0 ? found : noneOf('prog', 'tag');
  }
  if (words.skip('name')) {
    const name = words.take();
    const found = await matching(tool, 'prog', (info) => sameName(info.name, name));
    return found.length > 0 ? found : noneOf('prog', 'name');
  }
  if (words.skip('pinned')) return [await pinned(tool, 'prog', words.take())];
  return fail(wrongWords({}, `expected 'id', 'tag', 'name' or 'pinned', got: '${words.next}'?`));
}

/** MAP := { id MAP_ID | pinned FILE | name MAP_NAME }: one map, or all of a name. */
export async function mapsOf(tool: Tool, words: Words): Promise<Opened<MapInfo>[]> {
  if (words.skip('id')) return [await byId(tool, 'map', words.u32('ID'))];
  if (words.skip('name')) {
    const name = words.take();
    const found = await matching(tool, 'map', (info) => sameName(info.name, name));
    return found.length > 0 ? found : noneOf('map', 'name');
  }
  if (words.skip('pinned')) return [await pinned(tool, 'map', words.take())];
  return fail(wrongWords({}, `expected 'id', 'name' or 'pinned', got: '${words.next}'?`));
}

export async function programOf(tool: Tool, words: Words): Promise<Opened<ProgramInfo>> {
  const found = await programsOf(tool, words);
  return found.length === 1 ? found[0] : refuse('several programs match this handle');
}

export async function mapOf(tool: Tool, words: Words): Promise<Opened<MapInfo>> {
  const found = await mapsOf(tool, words);
  return found.length === 1 ? found[0] : refuse('several maps match this handle');
}

/** LINK := { id LINK_ID | pinned FILE }. */
export async function linkOf(tool: Tool, words: Words): Promise<Opened<LinkInfo>> {
  if (words.skip('id')) return byId(tool, 'link', words.u32('ID'));
  if (words.skip('pinned')) return pinned(tool, 'link', words.take());
  return fail(wrongWords({}, `expected 'id' or 'pinned', got: '${words.next}'?`));
}

/** OBJECT FILE: the command `pin` of a group. */
export const pinOf =
  (objectOf: (tool: Tool, words: Words) => Promise<Opened>): Run =>
  async (tool, words) => {
    const { fd } = await objectOf(tool, words.need(3, -ERRNO.EINVAL));
    const path = words.take();
    words.end();
    await pin(tool, fd, path);
    return DONE;
  };

/** Pins an object; its handle stays open. */
export async function pin(tool: Tool, fd: Fd, path: string): Promise<void> {
  await said(tool.call('object.pin', { fd, path }), (why) => `can't pin the object (${path}): ${why}`);
}
