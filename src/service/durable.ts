// What durability needs of a context; service/restore.ts gives it for the one of context/.
import type { Diagnostic } from '../base/diagnostic.ts';
import type { AttachTypeName } from '../spec/program-types.ts';
import type { AttachTarget, ContextObserver, Id, ObjectKind } from '../spec/session.ts';
import type { Entry, ObjectRecord } from './journal-entries.ts';

export interface PinRecord {
  readonly path: string;
  readonly kind: ObjectKind;
  readonly id: Id;
}

/** What prog.attach has attached without a link. */
export interface AttachedRecord {
  readonly progId: Id;
  readonly attachType: AttachTypeName;
  readonly target: AttachTarget;
  readonly flags: number;
}

/** What was in a journal, as far as it is to be made again. */
export interface Contents {
  readonly last: Readonly<Record<ObjectKind, Id>>;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  /** By kind and id. */
  readonly objects: readonly ObjectRecord[];
  readonly pins: readonly PinRecord[];
  readonly attached: readonly AttachedRecord[];
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
  /** Links that hold without handle or pin: those of prog.attach. */
  ownLinks(): readonly Id[];
  attached(): readonly AttachedRecord[];
  /** What an element of a map of maps or programs stands for; undefined for other maps. */
  named(map: Id, value: Uint8Array): { readonly kind: ObjectKind; readonly id: Id } | undefined;
  /** Makes everything again, in an empty context. What cannot be made is left out and said. */
  restore(contents: Contents): Promise<readonly Diagnostic[]>;
}
