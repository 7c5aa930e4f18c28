// What a journal's entries come to, and what of it is to be made again.
import type { Id, ObjectKind } from '../spec/session.ts';
import type { AttachedRecord, Contents, PinRecord } from './durable.ts';
import type { Entry, ObjectRecord } from './journal-entries.ts';

const keyOf = ({ kind, id }: { readonly kind: ObjectKind; readonly id: Id }): string => `${kind} ${id}`;

type Element = Contents['elements'][number];

interface Folding {
  last: Record<ObjectKind, Id>;
  readonly blobs: Map<string, Uint8Array>;
  readonly objects: Map<string, ObjectRecord>;
  readonly pins: Map<string, PinRecord>;
  attached: readonly AttachedRecord[];
  elements: Element[];
  readonly frozen: Set<Id>;
}

/** All entries in order. An object's record takes the place of an earlier one; with the object, what was said of it goes. */
export function folded(entries: readonly Entry[]): Contents {
  const into: Folding = {
    last: { map: 0, prog: 0, link: 0, btf: 0 },
    blobs: new Map(),
    objects: new Map(),
    pins: new Map(),
    attached: [],
    elements: [],
    frozen: new Set(),
  };
  for (const entry of entries) (FOLD[entry.op] as (into: Folding, entry: Entry) => void)(into, entry);
  const { objects, pins, ...rest } = into;
  return { ...rest, objects: [...objects.values()], pins: [...pins.values()] };
}

const FOLD: { readonly [O in Entry['op']]: (into: Folding, entry: Extract<Entry, { readonly op: O }>) => void } = {
  set: ({ elements }, entry) => elements.push(entry),
  delete: ({ elements }, entry) => elements.push(entry),
  blob: ({ blobs }, { digest, bytes }) => blobs.set(digest, bytes),
  object: (into, { object }) => {
    into.objects.set(keyOf(object), object);
    into.last[object.kind] = Math.max(into.last[object.kind], object.id);
  },
  gone: ({ objects }, entry) => objects.delete(keyOf(entry)),
  pin: ({ pins }, { path, kind, id }) => pins.set(path, { path, kind, id }),
  unpin: ({ pins }, { path }) => pins.delete(path),
  frozen: ({ frozen }, { map }) => frozen.add(map),
  attached: (into, { attached }) => {
    into.attached = attached;
  },
  ids: ({ last }, entry) => Object.assign(last, entry.last),
};

/** Without what no pin and no attachment leads to: it was held by connections, which are gone. */
export function reachable(contents: Contents): Contents {
  const known = new Map(contents.objects.map((object) => [keyOf(object), object]));
  const elements = new Map<Id, Element[]>();
  for (const element of contents.elements) {
    const list = elements.get(element.map);
    if (list === undefined) elements.set(element.map, [element]);
    else list.push(element);
  }
  const found = new Set<string>();
  const visit = (key: string): void => {
    const object = known.get(key);
    if (object === undefined || found.has(key)) return;
    found.add(key);
    for (const need of object.needs) visit(keyOf(need));
    if (object.holds === undefined) return;
    for (const element of elements.get(object.id) ?? []) {
      if (element.op === 'set') visit(`${object.holds.kind} ${wordAt(element.value, object.holds.at)}`);
    }
  };
  for (const pin of contents.pins) visit(keyOf(pin));
  for (const { progId } of contents.attached) visit(`prog ${progId}`);
  for (const object of contents.objects) if (object.root === true) visit(keyOf(object));
  return {
    ...contents,
    objects: contents.objects.filter((object) => found.has(keyOf(object))),
    pins: contents.pins.filter((pin) => found.has(keyOf(pin))),
    attached: contents.attached.filter(({ progId }) => found.has(`prog ${progId}`)),
    elements: contents.elements.filter(({ map }) => found.has(`map ${map}`)),
  };
}

const wordAt = (value: Uint8Array, at: number): Id =>
  value.length < at + 4 ? 0 : new DataView(value.buffer, value.byteOffset).getUint32(at, true);
