// What durability needs of a context; service/restore.ts gives it for the one of context/.
import type { Diagnostic } from '../base/diagnostic.ts';
import type { ContextObserver, Id, ObjectKind } from '../spec/session.ts';
import type { Entry, ObjectRecord } from './journal-entries.ts';

export interface PinRecord {
  readonly path: string;
  readonly kind: ObjectKind;
  readonly id: Id;
}

/** What was in a journal, as far as it is to be made again. */
export interface Contents {
  readonly last: Readonly<Record<ObjectKind, Id>>;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** By kind and id. */
  readonly objects: readonly ObjectRecord[];
  readonly pins: readonly PinRecord[];
  /** Changes of maps' elements, oldest first. */
  readonly elements: readonly Extract<Entry, { readonly op: 'set' | 'delete' }>[];
  readonly frozen: ReadonlySet<Id>;
}

/** An object as it is kept: its record, with what its digests name. Or why it cannot be kept. */
export type Described =
  | { readonly object: ObjectRecord; readonly blobs: ReadonlyMap<string, Uint8Array> }
  | { readonly refused: string };

export interface DurableContext {
  /** The function that is given back takes the observer away. */
  observe(observer: ContextObserver): () => void;
  describe(kind: ObjectKind, id: Id): Described;
  /** All elements of a map, as an application would put them in, in an order in which it could. */
  elements(map: Id): Iterable<readonly [key: Uint8Array, value: Uint8Array]>;
  /** Whether a map's elements are kept at all. */
  keepsElements(map: Id): boolean;
  frozen(map: Id): boolean;
  pins(): readonly PinRecord[];
  /** What holds without handle or pin: attachments of prog.attach. */
  attachments(): readonly { readonly kind: ObjectKind; readonly id: Id }[];
  /** What an element of a map of maps or programs stands for; undefined for other maps. */
  named(map: Id, value: Uint8Array): { readonly kind: ObjectKind; readonly id: Id } | undefined;
  /** Makes everything again, in an empty context. What cannot be made is left out and said. */
  restore(contents: Contents): Promise<readonly Diagnostic[]>;
}
