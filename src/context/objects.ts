// What lives in a context: objects with ids and reference counts, in a table for each kind.
//
// A reference is anything that keeps an object: a handle of a session, a pin, a program that uses a map, a map that holds a program
// or a map, a link that runs a program. With the last one the object goes, and drops those that it holds in turn. Handles and pins
// are the *users'* references; a prog_array without any of those is emptied, as in the kernel (bpf_map_put_uref): it may hold the
// very programs that hold it.
import type { ContextObserver, Id, Methods, ObjectKind } from '../spec/session.ts';

/** Kinds with a table, and the one that has only a handle: the wish to count run times. */
export type HandleKind = ObjectKind | 'stats';

/** What a handle can stand for. */
export abstract class Referenced {
  abstract readonly kind: HandleKind;
  #references = 0;
  #users = 0;
  #gone = false;
  readonly #undo: (() => void)[] = [];

  /** References of all sorts. */
  get references(): number {
    return this.#references;
  }

  /** Those of handles and pins. */
  get users(): number {
    return this.#users;
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Takes a reference, on behalf of another object. */
  retain(): this {
    this.#references++;
    return this;
  }

  /** Gives one back; the last one ends the object, at once. */
  release(): void {
    if (--this.#references === 0) this.end();
  }

  /** Ends the object whatever still refers to it: with its last reference, or with the context. */
  end(): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const undo of this.#undo.reverse()) undo();
  }

  /** As retain, for a handle or a pin. */
  retainUser(): this {
    this.#users++;
    return this.retain();
  }

  releaseUser(): void {
    if (--this.#users === 0) this.usersGone();
    this.release();
  }

  /** Called when the object ends, last added first: what it holds is released here. */
  onEnd(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** The last handle or pin is gone; other objects may still hold it. */
  protected usersGone(): void {
    // Most objects do not mind.
  }
}

/** An object of a table. */
export abstract class ContextObject<K extends ObjectKind = ObjectKind> extends Referenced {
  abstract override readonly kind: K;
  readonly id: Id;
  /** Canonical paths at which it is pinned, oldest first (context/pins.ts). */
  readonly pins = new Set<string>();

  constructor(id: Id) {
    super();
    this.id = id;
  }

  /** What object.info says. `paths`: the pins, as the context prints them. */
  abstract info(paths: readonly string[]): Methods['object.info']['result'];
}

/** All objects of a kind, by id. Ids only grow; the id of an object that is gone is not given again. */
export class ObjectTable<O extends ContextObject> {
  readonly kind: O['kind'];
  readonly #objects = new Map<Id, O>();
  /** Ascending. */
  readonly #ids: Id[] = [];
  readonly #observers: ReadonlySet<ContextObserver>;
  readonly #nextId: () => Id;

  /** @param nextId gives the next id; maps and programs have those of the runtime, which their memory holds */
  constructor(kind: O['kind'], observers: ReadonlySet<ContextObserver>, nextId: () => Id) {
    this.kind = kind;
    this.#observers = observers;
    this.#nextId = nextId;
  }

  /** The id for an object that is about to be made. */
  nextId(): Id {
    return this.#nextId();
  }

  /**
   * Puts a new object in, and tells the observers. It has no reference yet: the caller opens a handle, or retains it, at once. With its
   * last reference it leaves the table.
   */
  add(object: O): O {
    this.#objects.set(object.id, object);
    this.#ids.splice(this.#firstAbove(object.id), 0, object.id);
    object.onEnd(() => {
      this.#objects.delete(object.id);
      this.#ids.splice(this.#firstAbove(object.id) - 1, 1);
      for (const observer of this.#observers) observer.destroyed?.(object.kind, object.id);
    });
    for (const observer of this.#observers) observer.created?.(object.kind, object.id);
    return object;
  }

  get(id: Id): O | undefined {
    return this.#objects.get(id);
  }

  /** The object with the smallest id above `id`. */
  after(id: Id): O | undefined {
    return this.#objects.get(this.#ids[this.#firstAbove(id)]);
  }

  /** Index among the ids. */
  #firstAbove(id: Id): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[middle] > id) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  get size(): number {
    return this.#objects.size;
  }

  values(): IterableIterator<O> {
    return this.#objects.values();
  }
}
