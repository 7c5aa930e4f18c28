// Global variables: those of an opened skeleton in its image of the section, those of a loaded one in the context.
import type { Session } from '../spec/session.ts';
import { type Codec, decode, encode } from './codec.ts';
import { AnyMap } from './maps.ts';

/** A variable: its place in the section. */
export interface Variable<Out, In = Out> {
  readonly offset: number;
  readonly codec: Codec<Out, In>;
}

/** The variable at this byte. */
export const variable = <Out, In>(offset: number, codec: Codec<Out, In>): Variable<Out, In> => ({ offset, codec });

export type Variables = Readonly<Record<string, Variable<unknown, never>>>;

/** Variables by name, as they are read. */
export type Values<V extends Variables> = { [K in keyof V]: V[K] extends Variable<infer Out, never> ? Out : never };
/** Variables by name, as they are written. */
export type Inputs<V extends Variables> = {
  [K in keyof V]?: V[K] extends {
    readonly codec: { encode(view: DataView, at: number, value: infer In, path: string): void };
  }
    ? In
    : never;
};

/** A data section: its size, what is in it before anything runs, and its variables. */
export interface SectionRow<V extends Variables = Variables> {
  readonly section: string;
  /** Name of its map in the object. */
  readonly map: string;
  readonly size: number;
  /** Base64; absent for zeros. */
  readonly initial?: string;
  readonly variables: V;
}

export const section = <V extends Variables>(
  name: string,
  map: string,
  size: number,
  variables: V,
  initial?: string,
): SectionRow<V> => ({ section: name, map, size, variables, ...(initial === undefined ? {} : { initial }) });

/** Base64 as bytes. */
export const unbase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

function read<V extends Variables, K extends keyof V>(variables: V, bytes: Uint8Array, name: K): Values<V>[K] {
  const { offset, codec } = variables[name];
  return decode(codec, bytes.subarray(offset)) as Values<V>[K];
}

/** Writes the variables that are given; all or, where one does not fit, none. */
function write<V extends Variables>(row: SectionRow<V>, bytes: Uint8Array, values: Inputs<V>): void {
  const parts = Object.entries(values).flatMap(([name, value]): [number, Uint8Array][] => {
    if (value === undefined) return [];
    const { offset, codec } = row.variables[name] as Variable<unknown, unknown>;
    return [[offset, encode(codec, value, name)]];
  });
  for (const [offset, part] of parts) bytes.set(part, offset);
}

const readAll = <V extends Variables>(variables: V, bytes: Uint8Array): Values<V> =>
  Object.fromEntries(Object.keys(variables).map((name) => [name, read(variables, bytes, name)])) as Values<V>;

/** A data section before loading. */
export class OpenedSection<V extends Variables> {
  readonly #row: SectionRow<V>;
  readonly #image: Uint8Array;
  #changed = false;

  constructor(row: SectionRow<V>) {
    this.#row = row;
    this.#image = new Uint8Array(row.size);
    if (row.initial !== undefined) this.#image.set(unbase64(row.initial));
  }

  get<K extends keyof V>(name: K): Values<V>[K] {
    return read(this.#row.variables, this.#image, name);
  }

  /** Values that the object is loaded with; constants too. Raises skeleton/value, and then changes nothing. */
  set(values: Inputs<V>): this {
    write(this.#row, this.#image, values);
    this.#changed = true;
    return this;
  }

  read(): Values<V> {
    return readAll(this.#row.variables, this.#image);
  }

  /** The section's bytes where a variable was set. */
  get image(): Uint8Array | undefined {
    return this.#changed ? this.#image.slice() : undefined;
  }
}

const FIRST = new Uint8Array(4);

/** A data section of a loaded object. */
export class LoadedSection<V extends Variables> extends AnyMap {
  readonly #row: SectionRow<V>;

  constructor(session: Session, row: SectionRow<V>, fd: number | undefined) {
    super(session, row.section, fd);
    this.#row = row;
  }

  async #bytes(): Promise<Uint8Array> {
    return (await this.session.call('map.lookup', { fd: this.fd, key: FIRST })).value;
  }

  /** All variables, as they are at one moment. */
  async read(): Promise<Values<V>> {
    return readAll(this.#row.variables, await this.#bytes());
  }

  async get<K extends keyof V>(name: K): Promise<Values<V>[K]> {
    return read(this.#row.variables, await this.#bytes(), name);
  }

  /**
   * Reads the section, changes the variables, and writes the section back, as a Session has no smaller write: what programs store in it
   * between the two is lost. Constants are frozen: EPERM.
   */
  async set(values: Inputs<V>): Promise<void> {
    const bytes = (await this.#bytes()).slice();
    write(this.#row, bytes, values);
    await this.session.call('map.update', { fd: this.fd, key: FIRST, value: bytes });
  }
}
