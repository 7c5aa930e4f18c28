// Maps of a loaded skeleton, with keys and values as plain data. A class for each way of use; the rows at the end say which map type
// is used how.
import { fail } from '../base/diagnostic.ts';
import { badValue } from '../base/messages/skeleton.ts';
import { ERRNO } from '../spec/errno.ts';
import type { MapInfo, Session } from '../spec/session.ts';
import { type Codec, decode, encode } from './codec.ts';
import { errnoOf, Handle, unless } from './handle.ts';

/** Bytes of keys and values that one batch asks for, about. */
const BATCH_BYTES = 1 << 18;
const MOST_IN_BATCH = 4096;
/** What contexts say to batches of map types that have none. */
const NO_BATCH: ReadonlySet<number> = new Set([ERRNO.ENOTSUPP, ERRNO.EOPNOTSUPP, ERRNO.EINVAL]);

/** Any map. */
export class AnyMap extends Handle<MapInfo> {
  constructor(session: Session, name: string, fd: number | undefined) {
    super(session, 'map', name, fd);
  }
}

/** A map with keys: what all of them can. `Seen` is what a lookup gives. */
abstract class Keyed<Key, KeyIn, Seen> extends AnyMap {
  readonly key: Codec<Key, KeyIn>;
  /** Bytes of one value for the application. */
  protected abstract valueBytes(): Promise<number>;
  protected abstract seen(bytes: Uint8Array): Seen;

  constructor(session: Session, name: string, fd: number | undefined, key: Codec<Key, KeyIn>) {
    super(session, name, fd);
    this.key = key;
  }

  protected keyBytes(key: KeyIn): Uint8Array {
    return encode(this.key, key, `key of ${this.name}`);
  }

  /** The value, or undefined where there is none. */
  async lookup(key: KeyIn, flags = 0): Promise<Seen | undefined> {
    const params = { fd: this.fd, key: this.keyBytes(key), flags };
    const found = await unless(ERRNO.ENOENT, this.session.call('map.lookup', params));
    return found === undefined ? undefined : this.seen(found.value);
  }

  /** Takes the element out and gives its value; undefined where there is none. */
  async take(key: KeyIn): Promise<Seen | undefined> {
    const params = { fd: this.fd, key: this.keyBytes(key) };
    const found = await unless(ERRNO.ENOENT, this.session.call('map.lookupAndDelete', params));
    return found === undefined ? undefined : this.seen(found.value);
  }

  /** Whether there was one. */
  async delete(key: KeyIn): Promise<boolean> {
    const params = { fd: this.fd, key: this.keyBytes(key) };
    return (await unless(ERRNO.ENOENT, this.session.call('map.delete', params))) !== undefined;
  }

  /** Keys in the order of the map. What programs and others add or delete meanwhile is seen or not, as with bpf(2). */
  async *keys(): AsyncGenerator<Key, void, undefined> {
    for (let key: Uint8Array | undefined; ; ) {
      const asked = key === undefined ? { fd: this.fd } : { fd: this.fd, key };
      const next = await unless(ERRNO.ENOENT, this.session.call('map.nextKey', asked));
      if (next === undefined) return;
      ({ key } = next);
      yield decode(this.key, key);
    }
  }

  /** Keys and values, asked for in batches where the map type has them. */
  async *entries(): AsyncGenerator<[Key, Seen], void, undefined> {
    const keySize = this.key.size;
    const valueSize = await this.valueBytes();
    const count = Math.max(1, Math.min(MOST_IN_BATCH, Math.floor(BATCH_BYTES / (keySize + valueSize))));
    for (let cursor: Uint8Array | undefined; ; ) {
      const asked = { fd: this.fd, count, ...(cursor === undefined ? {} : { cursor }) };
      const batch = await this.session.call('map.lookupBatch', asked).catch((error: unknown) => {
        const errno = errnoOf(error);
        if (errno === ERRNO.ENOENT) return 'end' as const;
        if (cursor === undefined && NO_BATCH.has(errno)) return 'none' as const;
        throw error;
      });
      if (batch === 'end') return;
      if (batch === 'none') return yield* this.#singly();
      for (let i = 0; i < batch.count; i++) {
        yield [
          decode(this.key, batch.keys.subarray(i * keySize, (i + 1) * keySize)),
          this.seen(batch.values.subarray(i * valueSize, (i + 1) * valueSize)),
        ];
      }
      ({ cursor } = batch);
      if (cursor === undefined) return;
    }
  }

  async *#singly(): AsyncGenerator<[Key, Seen], void, undefined> {
    for await (const key of this.keys()) {
      // What decoding gives, encoding takes.
      const value = await this.lookup(key as unknown as KeyIn);
      if (value !== undefined) yield [key, value];
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<[Key, Seen], void, undefined> {
    return this.entries();
  }
}

/** Hash tables, arrays, tries, and whatever else has one value for a key. */
export class ValueMap<Key, KeyIn, Value, ValueIn> extends Keyed<Key, KeyIn, Value> {
  readonly value: Codec<Value, ValueIn>;

  constructor(
    session: Session,
    name: string,
    fd: number | undefined,
    key: Codec<Key, KeyIn>,
    value: Codec<Value, ValueIn>,
  ) {
    super(session, name, fd, key);
    this.value = value;
  }

  protected async valueBytes(): Promise<number> {
    return this.value.size;
  }

  protected seen(bytes: Uint8Array): Value {
    return decode(this.value, bytes);
  }

  /** @param flags UPDATE_FLAGS: 1 only where there is none, 2 only where there is one */
  async update(key: KeyIn, value: ValueIn, flags = 0): Promise<void> {
    await this.session.call('map.update', {
      fd: this.fd,
      key: this.keyBytes(key),
      value: encode(this.value, value, `value of ${this.name}`),
      flags,
    });
  }

  /** Many elements, in few calls. Raises where one is refused; those before it are then in the map. */
  async updateAll(entries: Iterable<readonly [KeyIn, ValueIn]>, flags = 0): Promise<void> {
    const { key, value } = this;
    const most = Math.max(1, Math.floor(BATCH_BYTES / (key.size + value.size)));
    let keys = new Uint8Array(most * key.size);
    let values = new Uint8Array(most * value.size);
    let count = 0;
    const flush = async (): Promise<void> => {
      if (count === 0) return;
      const all = { keys: keys.subarray(0, count * key.size), values: values.subarray(0, count * value.size), count };
      const done = await this.session.call('map.updateBatch', { fd: this.fd, ...all, flags });
      // The one that was refused, again by itself, says why.
      for (let i = done.count; i < count; i++) {
        await this.session.call('map.update', {
          fd: this.fd,
          key: keys.slice(i * key.size, (i + 1) * key.size),
          value: values.slice(i * value.size, (i + 1) * value.size),
          flags,
        });
      }
      keys = new Uint8Array(most * key.size);
      values = new Uint8Array(most * value.size);
      count = 0;
    };
    for (const [k, v] of entries) {
      keys.set(this.keyBytes(k), count * key.size);
      values.set(encode(value, v, `value of ${this.name}`), count * value.size);
      if (++count === most) await flush();
    }
    await flush();
  }
}

const stride = (size: number): number => Math.ceil(size / 8) * 8;

/** Maps with a value for each CPU: lists of them. */
export class PerCpuMap<Key, KeyIn, Value, ValueIn> extends Keyed<Key, KeyIn, Value[]> {
  readonly value: Codec<Value, ValueIn>;
  #cpus: number | undefined;

  constructor(
    session: Session,
    name: string,
    fd: number | undefined,
    key: Codec<Key, KeyIn>,
    value: Codec<Value, ValueIn>,
  ) {
    super(session, name, fd, key);
    this.value = value;
  }

  protected async valueBytes(): Promise<number> {
    return (await this.cpus()) * stride(this.value.size);
  }

  protected seen(bytes: Uint8Array): Value[] {
    const each = stride(this.value.size);
    const out: Value[] = [];
    for (let at = 0; at + this.value.size <= bytes.length; at += each) out.push(decode(this.value, bytes.subarray(at)));
    return out;
  }

  /** CPUs that there are values for. */
  async cpus(): Promise<number> {
    this.#cpus ??= (await this.info()).userValueSize / stride(this.value.size);
    return this.#cpus;
  }

  /** @param values one for each CPU */
  async update(key: KeyIn, values: readonly ValueIn[], flags = 0): Promise<void> {
    const cpus = await this.cpus();
    const path = `value of ${this.name}`;
    if (values.length !== cpus) fail(badValue({}, path, `must be a list of ${cpus}, one for each CPU`));
    const each = stride(this.value.size);
    const value = new Uint8Array(cpus * each);
    for (const [i, one] of values.entries()) value.set(encode(this.value, one, `${path}[${i}]`), i * each);
    await this.session.call('map.update', { fd: this.fd, key: this.keyBytes(key), value, flags });
  }
}

const NO_KEY = new Uint8Array();

/** Queues and stacks. */
export class SequenceMap<Value, ValueIn> extends AnyMap {
  readonly value: Codec<Value, ValueIn>;

  constructor(session: Session, name: string, fd: number | undefined, value: Codec<Value, ValueIn>) {
    super(session, name, fd);
    this.value = value;
  }

  /** @param flags UPDATE_FLAGS.EXIST (2): put out the oldest where it is full */
  async push(value: ValueIn, flags = 0): Promise<void> {
    const bytes = encode(this.value, value, `value of ${this.name}`);
    await this.session.call('map.update', { fd: this.fd, key: NO_KEY, value: bytes, flags });
  }

  /** Takes the next value; undefined where it is empty. */
  async pop(): Promise<Value | undefined> {
    const found = await unless(ERRNO.ENOENT, this.session.call('map.lookupAndDelete', { fd: this.fd, key: NO_KEY }));
    return found === undefined ? undefined : decode(this.value, found.value);
  }

  /** The next value, which stays; undefined where it is empty. */
  async peek(): Promise<Value | undefined> {
    const found = await unless(ERRNO.ENOENT, this.session.call('map.lookup', { fd: this.fd, key: NO_KEY }));
    return found === undefined ? undefined : decode(this.value, found.value);
  }
}

/** Bloom filters. */
export class BloomMap<ValueIn> extends AnyMap {
  readonly value: Codec<unknown, ValueIn>;

  constructor(session: Session, name: string, fd: number | undefined, value: Codec<unknown, ValueIn>) {
    super(session, name, fd);
    this.value = value;
  }

  async add(value: ValueIn): Promise<void> {
    const bytes = encode(this.value, value, `value of ${this.name}`);
    await this.session.call('map.update', { fd: this.fd, key: NO_KEY, value: bytes });
  }

  /** False: surely not. True: probably. */
  async has(value: ValueIn): Promise<boolean> {
    // bpf(2) gives the value that is looked for in the value's place; a Session has the key's for it.
    const key = encode(this.value, value, `value of ${this.name}`);
    return (await unless(ERRNO.ENOENT, this.session.call('map.lookup', { fd: this.fd, key }))) !== undefined;
  }
}

/** Maps of programs or maps: values are handles. */
export class ObjectMap<Key, KeyIn> extends AnyMap {
  readonly key: Codec<Key, KeyIn>;

  constructor(session: Session, name: string, fd: number | undefined, key: Codec<Key, KeyIn>) {
    super(session, name, fd);
    this.key = key;
  }

  #key(key: KeyIn): Uint8Array {
    return encode(this.key, key, `key of ${this.name}`);
  }

  /** Puts a program (prog_array) or map (maps of maps) there. */
  async set(key: KeyIn, object: { readonly fd: number }): Promise<void> {
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, object.fd, true);
    await this.session.call('map.update', { fd: this.fd, key: this.#key(key), value });
  }

  /** Id of the object there, undefined where there is none. */
  async id(key: KeyIn): Promise<number | undefined> {
    const found = await unless(ERRNO.ENOENT, this.session.call('map.lookup', { fd: this.fd, key: this.#key(key) }));
    return found === undefined ? undefined : new DataView(found.value.slice().buffer).getUint32(0, true);
  }

  /** Whether there was one. */
  async delete(key: KeyIn): Promise<boolean> {
    const params = { fd: this.fd, key: this.#key(key) };
    return (await unless(ERRNO.ENOENT, this.session.call('map.delete', params))) !== undefined;
  }
}
