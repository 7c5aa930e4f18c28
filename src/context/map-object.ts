// A map of a context: the run-time map, the objects that its elements hold, and what observers hear of its changes.
import { ERRNO } from '../spec/errno.ts';
import type { BpfMap, Status } from '../spec/map.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import type { Dialect } from '../spec/object.ts';
import type { Id, MapInfo } from '../spec/session.ts';
import { deleteBatch, lookupAndDeleteBatch, updateBatch } from '../maps/batch.ts';
import { LoadedMap } from '../run/map.ts';
import type { Runtime } from '../run/runtime.ts';
import type { ContextBtf } from './btf-object.ts';
import type { ExecutionContext } from './context.ts';
import { ContextObject, type Referenced } from './objects.ts';

/** Types whose elements hold objects: of which kind, and at which byte of the value its handle stands. */
const HOLDS: { readonly [T in MapTypeName]?: { readonly kind: 'map' | 'prog'; readonly at: 0 | 4 } } = {
  prog_array: { kind: 'prog', at: 0 },
  array_of_maps: { kind: 'map', at: 0 },
  hash_of_maps: { kind: 'map', at: 0 },
  devmap: { kind: 'prog', at: 4 },
  devmap_hash: { kind: 'prog', at: 4 },
  cpumap: { kind: 'prog', at: 4 },
};

/** An object that elements of maps can hold. */
export interface Held extends Referenced {
  readonly id: Id;
  /** Its id in the runtime that it lives in. */
  readonly rawId: Id;
  readonly runtime: Runtime;
}

/** Finds the object behind a handle of the session that updates; undefined where there is none. */
export type FindHandle = (fd: number) => Referenced | undefined;

export interface MapParts {
  readonly raw: BpfMap;
  readonly runtime: Runtime;
  readonly dialect: Dialect;
  readonly btf?: ContextBtf | undefined;
  readonly innerMapId?: Id;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const keyText = (key: Uint8Array): string => String.fromCharCode(...key);

export class ContextMap extends ContextObject<'map'> implements Held {
  readonly kind = 'map';
  readonly raw: BpfMap;
  /** As applications of this process use it. */
  readonly loaded: LoadedMap;
  readonly runtime: Runtime;
  readonly dialect: Dialect;
  readonly btf: ContextBtf | undefined;
  readonly rawId: Id;
  readonly #innerMapId: Id;
  readonly #context: ExecutionContext;
  /** What elements hold, by their keys. */
  readonly #held = new Map<string, Held>();

  constructor(id: Id, context: ExecutionContext, parts: MapParts) {
    super(id);
    this.#context = context;
    this.raw = parts.raw;
    this.rawId = parts.raw.id;
    this.runtime = parts.runtime;
    this.dialect = parts.dialect;
    this.btf = parts.btf?.retain();
    this.loaded = new LoadedMap(parts.raw, parts.btf?.types);
    this.#innerMapId = parts.innerMapId ?? 0;
    this.btf?.maps.add(id);
    this.onEnd(() => {
      this.btf?.maps.delete(id);
      this.btf?.release();
      this.#letGo();
      this.loaded[Symbol.dispose]();
      context.reclaimer.defer(() => this.runtime.removeMap(this.raw));
    });
  }

  get name(): string {
    return this.raw.spec.name;
  }

  /** At which byte of a value the id of such an object stands. */
  get holdsAt(): number {
    return HOLDS[this.raw.type]?.at ?? 0;
  }

  /** The kind of objects that elements hold; undefined for maps of plain values. */
  get holds(): 'map' | 'prog' | undefined {
    const row = HOLDS[this.raw.type];
    return row === undefined || this.raw.spec.valueSize < row.at + 4 ? undefined : row.kind;
  }

  info(pins: readonly string[]): MapInfo {
    const { kind, id, raw, btf } = this;
    const { name, type, keySize, valueSize, maxEntries, flags, extra, keyTypeId = 0, valueTypeId = 0 } = raw.spec;
    return {
      kind,
      id,
      name,
      type,
      keySize,
      valueSize,
      maxEntries,
      flags,
      ...(extra === undefined ? {} : { extra: BigInt(extra) }),
      btfId: btf?.id ?? 0,
      keyTypeId,
      valueTypeId,
      frozen: raw.frozen,
      innerMapId: this.#innerMapId,
      memory: raw.bytes,
      userValueSize: raw.userValueSize,
      pins,
    };
  }

  // The application's side: what bpf(2) does. A status is a negated errno.

  lookup(key: Uint8Array, flags?: number): Uint8Array | Status {
    return this.#shown(key, this.raw.lookup(key, flags));
  }

  /** @param find resolves the handles in values of maps that hold objects */
  update(key: Uint8Array, value: Uint8Array, flags: number | undefined, find: FindHandle): Status {
    const row = HOLDS[this.raw.type];
    if (row === undefined || this.holds === undefined)
      return this.#changed(this.raw.update(key, value, flags), key, value);
    if (value.length !== this.raw.userValueSize) return this.raw.update(key, value, flags);
    const fd = viewOf(value).getUint32(row.at, true);
    const found = find(fd);
    const object = found?.kind === row.kind ? (found as unknown as Held) : undefined;
    const here = object?.runtime === this.runtime ? object : undefined;
    // A program's place may be left empty where it is not the value itself.
    const none = row.at > 0 && (fd === 0 || fd > 0x7fff_ffff);
    if (row.at > 0 && !none && here === undefined) return -ERRNO.EINVAL;
    const status = this.raw.update(key, this.#withId(value, row.at, here?.rawId ?? 0), flags);
    // What is there but cannot be held is another answer than what is not there.
    if (status === -ERRNO.EBADF && found !== undefined) return -ERRNO.EINVAL;
    if (status === 0) this.#hold(key, here, this.#withId(value, row.at, here?.id ?? 0));
    return status;
  }

  delete(key: Uint8Array): Status {
    return this.#taken(this.raw.delete(key), key);
  }

  lookupAndDelete(key: Uint8Array, flags?: number): Uint8Array | Status {
    const before = this.#shown(key, this.raw.lookupAndDelete(key, flags));
    if (typeof before !== 'number') this.#taken(0, key);
    return before;
  }

  freeze(): Status {
    const status = this.raw.freeze();
    if (status === 0) this.#context.tell((observer) => observer.mapFrozen?.(this.id));
    return status;
  }

  updateBatch(keys: Uint8Array, values: Uint8Array, count: number, flags: number | undefined, find: FindHandle) {
    const { keySize } = this.raw.spec;
    const valueSize = this.raw.userValueSize;
    const keyOf = (i: number): Uint8Array => keys.subarray(i * keySize, (i + 1) * keySize);
    const valueOf = (i: number): Uint8Array => values.subarray(i * valueSize, (i + 1) * valueSize);
    if (this.holds === undefined) {
      const { status, count: done } = updateBatch(this.raw, keys, values, count, flags);
      // Refused as a whole, `count` is given back as it was.
      if (status === 0 || done < count) this.#tellAll(done, keyOf, valueOf);
      return { status, count: done };
    }
    const { status } = updateBatch(this.raw, keys, values, 0, flags);
    if (status !== 0) return { status, count };
    if (keys.length < keySize * count || values.length < valueSize * count) return { status: -ERRNO.EFAULT, count: 0 };
    for (let i = 0; i < count; i++) {
      const one = this.update(keyOf(i), valueOf(i), flags, find);
      if (one !== 0) return { status: one, count: i };
    }
    return { status: 0, count };
  }

  deleteBatch(keys: Uint8Array, count: number): { readonly status: Status; readonly count: number } {
    const { keySize } = this.raw.spec;
    const result = deleteBatch(this.raw, keys, count);
    const done = result.status === 0 || result.count < count ? result.count : 0;
    for (let i = 0; i < done; i++) this.#taken(0, keys.subarray(i * keySize, (i + 1) * keySize));
    return result;
  }

  takeBatch(count: number, cursor: Uint8Array | undefined, flags?: number) {
    const result = lookupAndDeleteBatch(this.raw, count, cursor, flags);
    const { keySize } = this.raw.spec;
    const values = this.shownBatch(result.keys, result.values);
    for (let at = 0; at < result.keys.length; at += keySize) this.#taken(0, result.keys.subarray(at, at + keySize));
    return { ...result, values };
  }

  /** Values as applications see them: the runtime's ids made the context's. */
  shownBatch(keys: Uint8Array, values: Uint8Array): Uint8Array {
    if (this.holds === undefined) return values;
    const { keySize } = this.raw.spec;
    const valueSize = this.raw.userValueSize;
    const shown = values.slice();
    for (let i = 0; i * keySize < keys.length; i++) {
      const value = this.#shown(
        keys.subarray(i * keySize, (i + 1) * keySize),
        shown.slice(i * valueSize, (i + 1) * valueSize),
      );
      if (typeof value !== 'number') shown.set(value, i * valueSize);
    }
    return shown;
  }

  /** Takes on objects that the loader has put in as initial elements. */
  adopt(key: Uint8Array, object: Held): void {
    this.#hold(key, object);
  }

  /** A value with the context's id in place of the runtime's, which differ in runtimes of ahead-of-time modules. */
  #shown(key: Uint8Array, value: Uint8Array | Status): Uint8Array | Status {
    const row = HOLDS[this.raw.type];
    if (typeof value === 'number' || row === undefined || this.holds === undefined) return value;
    return this.#withId(value, row.at, this.#held.get(keyText(key))?.id ?? 0);
  }

  #withId(value: Uint8Array, at: number, id: Id): Uint8Array {
    const copy = value.slice();
    viewOf(copy).setUint32(at, id, true);
    return copy;
  }

  #hold(key: Uint8Array, object: Held | undefined, value?: Uint8Array): void {
    const text = keyText(key);
    const before = this.#held.get(text);
    if (object === undefined) this.#held.delete(text);
    else this.#held.set(text, object.retain() as Held);
    if (value !== undefined) this.#changed(0, key, value);
    if (before !== undefined) this.#context.reclaimer.defer(() => before.release());
  }

  #changed(status: Status, key: Uint8Array, value: Uint8Array): Status {
    if (status === 0) this.#context.tell((observer) => observer.mapElement?.(this.id, key, value));
    return status;
  }

  #taken(status: Status, key: Uint8Array): Status {
    if (status !== 0) return status;
    if (this.holds !== undefined) this.#hold(key, undefined);
    this.#context.tell((observer) => observer.mapElement?.(this.id, key, undefined));
    return 0;
  }

  #tellAll(count: number, keyOf: (i: number) => Uint8Array, valueOf: (i: number) => Uint8Array): void {
    this.#context.tell((observer) => {
      if (observer.mapElement === undefined) return;
      for (let i = 0; i < count; i++) observer.mapElement(this.id, keyOf(i), valueOf(i));
    });
  }

  #letGo(): void {
    for (const object of this.#held.values()) object.release();
    this.#held.clear();
  }

  /** prog_array_map_clear: with its last handle and pin, programs that it holds are taken out. */
  protected override usersGone(): void {
    if (this.raw.type !== 'prog_array' || this.gone) return;
    for (const text of this.#held.keys()) {
      const key = Uint8Array.from(text, (char) => char.charCodeAt(0));
      this.raw.delete(key);
      this.#hold(key, undefined);
    }
  }
}
