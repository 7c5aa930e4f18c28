// Nothing lost: what is pinned in a context, and what that needs, outlives the service. Changes of applications are in the journal before
// they are acknowledged (`settle`). What programs change in maps nobody tells; it is in the snapshots, which are made every so often and
// at the end: after a crash, maps have what programs left at the last snapshot, and what applications did since.
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import { notKept, stateFolder } from '../base/messages/state.ts';
import type { ContextObserver, Id, ObjectKind } from '../spec/session.ts';
import type { Contents, DurableContext } from './durable.ts';
import { folded, reachable } from './fold.ts';
import type { Durability } from './choices.ts';
import { Journal } from './journal.ts';
import type { Entry } from './journal-entries.ts';
import { nodeFiles, type StateFiles } from './state-files.ts';
import { lockState, type StateLock } from './state-lock.ts';

export interface StateOptions {
  /** The state directory; made for its owner only where it is not there. */
  readonly folder: string;
  /** `process` where absent (service/journal.ts). */
  readonly durability?: Durability;
  /** Milliseconds from one snapshot to the next; 30,000 where absent. They are rarer where making one takes more than a fiftieth of it. */
  readonly snapshotEvery?: number;
  /** Bytes of a journal from which on a snapshot takes its place; 16 MiB where absent, and never less than the last snapshot had. */
  readonly compactAt?: number;
  /** What happens beside answers: what was cut off, not restored, not kept, not written. */
  readonly report?: (diagnostic: Diagnostic) => void;
  /** In place of the directory's files. */
  readonly files?: StateFiles;
}

const SNAPSHOT_EVERY = 30_000;
const COMPACT_AT = 16 * 2 ** 20;
/** Snapshots take at most this part of the time. */
const MOST_SHARE = 1 / 50;

const keyOf = (kind: ObjectKind, id: Id): string => `${kind} ${id}`;

/** What was restored when a state was opened. */
export interface Restored {
  readonly objects: number;
  readonly pins: number;
  readonly milliseconds: number;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Takes a state directory, makes what is in it again in an empty context, and keeps it up to date from now on.
 *
 * @throws AnyBpfError state/held, state/folder, state/corrupt, state/version: the directory is as it was then
 */
export async function openState(context: DurableContext, options: StateOptions): Promise<State> {
  const begin = performance.now();
  const files = options.files ?? openFolder(options.folder);
  const lock = options.files === undefined ? await lockState(options.folder) : undefined;
  try {
    const { journal, entries, diagnostics } = Journal.open(files, options.durability ?? 'process');
    const contents = reachable(folded(entries));
    const found = [...diagnostics, ...(await context.restore(contents))];
    for (const diagnostic of found) options.report?.(diagnostic);
    const restored: Restored = {
      objects: contents.objects.length,
      pins: contents.pins.length,
      milliseconds: performance.now() - begin,
      diagnostics: found,
    };
    return new State(context, journal, lock, contents, restored, options);
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

export class State {
  readonly restored: Restored;
  readonly #context: DurableContext;
  readonly #journal: Journal;
  readonly #lock: StateLock | undefined;
  readonly #options: StateOptions;
  readonly #durability: Durability;
  /** Objects that are in the journal. */
  readonly #kept = new Set<string>();
  /** Blobs that are. */
  readonly #blobs = new Set<string>();
  /** Last ids that were given. */
  readonly #last: Record<ObjectKind, Id>;
  readonly #undo: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #settling: Promise<void> | undefined;
  #snapshotAt = performance.now();
  #snapshotTook = 0;
  #snapshotSize = 0;
  /** The journal could not be written: only a snapshot says all that there is. */
  #broken = false;
  #closed = false;

  /** Use openState. */
  constructor(
    context: DurableContext,
    journal: Journal,
    lock: StateLock | undefined,
    contents: Contents,
    restored: Restored,
    options: StateOptions,
  ) {
    this.#context = context;
    this.#journal = journal;
    this.#lock = lock;
    this.#options = options;
    this.#durability = options.durability ?? 'process';
    this.restored = restored;
    for (const { kind, id } of contents.objects) this.#kept.add(keyOf(kind, id));
    this.#last = { ...contents.last };
    for (const digest of contents.blobs.keys()) this.#blobs.add(digest);
    this.#undo = context.observe(this.#observer);
    const every = options.snapshotEvery ?? SNAPSHOT_EVERY;
    this.#timer = setInterval(() => this.#periodic(every), every);
    this.#timer.unref();
  }

  /**
   * Writes what has changed; an answer that acknowledges a change goes out after it. Undefined where that is done already; with
   * durability `power`, all that come together are written with one fdatasync.
   *
   * @throws AnyBpfError state/not-written
   */
  settle(): Promise<void> | undefined {
    if (this.#closed) return undefined;
    if (this.#durability === 'process') {
      this.#flush();
      return undefined;
    }
    if (!this.#journal.hasWaiting && !this.#broken) return this.#settling;
    this.#settling ??= new Promise<void>((resolve) => {
      setImmediate(resolve);
    }).then(() => {
      this.#settling = undefined;
      this.#flush();
    });
    return this.#settling;
  }

  /** Replaces journal and snapshot by what there is now. */
  snapshot(): void {
    if (this.#closed) return;
    const begin = performance.now();
    this.#snapshotSize = this.#journal.snapshot(this.#everything());
    this.#broken = false;
    this.#snapshotAt = performance.now();
    this.#snapshotTook = this.#snapshotAt - begin;
  }

  /** Makes a last snapshot and gives the directory back. The context stays as it is, and is not observed any more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    clearInterval(this.#timer);
    this.#undo();
    try {
      await this.#settling;
      this.snapshot();
    } finally {
      this.#closed = true;
      this.#journal.close();
      await this.#lock?.release();
    }
  }

  #flush(): void {
    const { compactAt = COMPACT_AT } = this.#options;
    const most = Math.max(compactAt, this.#snapshotSize);
    if (this.#broken || this.#journal.size > most) return this.snapshot();
    try {
      this.#journal.flush();
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  #periodic(every: number): void {
    const rest = performance.now() - this.#snapshotAt;
    if (this.#kept.size === 0 && this.#journal.size === 0) return;
    if (rest < every / 2 || this.#snapshotTook > rest * MOST_SHARE) return;
    try {
      this.snapshot();
    } catch (error) {
      this.#broken = true;
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    if (!(error instanceof AnyBpfError)) throw error;
    this.#options.report?.(error.diagnostic);
  }

  readonly #observer: ContextObserver = {
    mapElement: (map, key, value) => {
      if (!this.#kept.has(keyOf('map', map)) || !this.#context.keepsElements(map)) return;
      if (value === undefined) return this.#journal.add({ op: 'delete', map, key });
      const named = this.#context.named(map, value);
      if (named !== undefined) this.#add(this.#described(named.kind, named.id));
      this.#journal.add({ op: 'set', map, key, value });
    },
    mapFrozen: (map) => {
      if (this.#kept.has(keyOf('map', map))) this.#journal.add({ op: 'frozen', map });
    },
    pinned: (path, kind, id) => {
      this.#add(this.#described(kind, id));
      if (this.#kept.has(keyOf(kind, id))) this.#journal.add({ op: 'pin', path, kind, id });
    },
    unpinned: (path) => this.#journal.add({ op: 'unpin', path }),
    created: (kind, id) => {
      this.#last[kind] = Math.max(this.#last[kind], id);
      if (kind === 'link' && this.#context.ownLinks().includes(id)) this.#add(this.#described(kind, id));
    },
    destroyed: (kind, id) => {
      if (this.#kept.delete(keyOf(kind, id))) this.#journal.add({ op: 'gone', kind, id });
    },
    linkUpdated: (id) => this.#again('link', id),
    linkDetached: (id) => this.#again('link', id),
    attachmentsChanged: () => this.#add(this.#attached()),
    mapBound: (id) => this.#again('prog', id),
  };

  #add(entries: Iterable<Entry>): void {
    for (const entry of entries) this.#journal.add(entry);
  }

  /** The object is another one now than the journal says. */
  #again(kind: ObjectKind, id: Id): void {
    if (!this.#kept.delete(keyOf(kind, id))) return;
    this.#journal.add({ op: 'gone', kind, id });
    this.#add(this.#described(kind, id));
  }

  /** The entries of an object that is not kept yet, after those of what it needs. */
  *#described(kind: ObjectKind, id: Id): Generator<Entry> {
    const key = keyOf(kind, id);
    if (this.#kept.has(key)) return;
    const described = this.#context.describe(kind, id);
    if ('refused' in described) {
      this.#options.report?.(notKept({}, `${kind} ${id}`, described.refused));
      return;
    }
    // Before what it needs: a program may be in a map that it uses.
    this.#kept.add(key);
    for (const need of described.object.needs) yield* this.#described(need.kind, need.id);
    for (const [digest, bytes] of described.blobs) {
      if (this.#blobs.has(digest)) continue;
      this.#blobs.add(digest);
      yield { op: 'blob', digest, bytes };
    }
    yield { op: 'object', object: described.object };
    if (kind === 'map') yield* this.#contentsOf(id);
  }

  *#contentsOf(map: Id): Generator<Entry> {
    for (const [key, value] of this.#context.elements(map)) {
      const named = this.#context.named(map, value);
      if (named !== undefined) yield* this.#described(named.kind, named.id);
      yield { op: 'set', map, key, value };
    }
    if (this.#context.frozen(map)) yield { op: 'frozen', map };
  }

  *#attached(): Generator<Entry> {
    const attached = this.#context.attached();
    for (const { progId } of attached) yield* this.#described('prog', progId);
    yield { op: 'attached', attached };
  }

  *#everything(): Generator<Entry> {
    this.#kept.clear();
    this.#blobs.clear();
    yield { op: 'ids', last: { ...this.#last } };
    for (const id of this.#context.ownLinks()) yield* this.#described('link', id);
    yield* this.#attached();
    for (const { path, kind, id } of this.#context.pins()) {
      yield* this.#described(kind, id);
      if (this.#kept.has(keyOf(kind, id))) yield { op: 'pin', path, kind, id };
    }
  }
}

function openFolder(folder: string): StateFiles {
  try {
    return nodeFiles(folder);
  } catch (error) {
    return fail(stateFolder({}, folder, (error as Error).message));
  }
}
