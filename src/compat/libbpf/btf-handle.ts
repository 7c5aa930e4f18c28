// struct btf: the types of a BTF, which may be added to, and its strings.
import type { Endian } from '../../base/bytes.ts';
import { type Btf } from '../../btf/btf.ts';
import { decodeBtf } from '../../btf/decode.ts';
import { encodeBtf, StringTable } from '../../btf/encode.ts';
import type { BtfType } from '../../btf/format.ts';

/** A BTF as it was read, and as one that is being made: what is added shows at once, bytes and look-ups are made when asked for. */
export class BtfHandle {
  readonly base: BtfHandle | null;
  fd = -1;
  pointerSize = 8;
  endian: Endian;
  /** Own types: the first has the id firstId. */
  readonly #types: BtfType[] = [];
  #strings: StringTable | undefined;
  #decoded: Btf | undefined;
  #raw: Uint8Array | undefined;

  private constructor(base: BtfHandle | null, endian: Endian, decoded?: Btf, raw?: Uint8Array) {
    this.base = base;
    this.endian = endian;
    this.#decoded = decoded;
    this.#raw = raw;
  }

  /** @throws AnyBpfError btf/* */
  static from(bytes: Uint8Array, base: BtfHandle | null = null): BtfHandle {
    const raw = bytes.slice();
    const decoded = decodeBtf(raw, base === null ? {} : { base: base.btf });
    return new BtfHandle(base, decoded.endian, decoded, raw);
  }

  static of(btf: Btf): BtfHandle {
    return new BtfHandle(null, btf.endian, btf);
  }

  static empty(base: BtfHandle | null = null): BtfHandle {
    return new BtfHandle(base, base?.endian ?? 'little');
  }

  get firstId(): number {
    return this.base?.count ?? 1;
  }

  get count(): number {
    return (
      this.firstId + (this.#decoded === undefined ? this.#types.length : this.#decoded.count - this.#decoded.firstId)
    );
  }

  /** @throws AnyBpfError btf/* where types refer to others that are not there yet */
  get btf(): Btf {
    this.#decoded ??= decodeBtf(this.raw, this.base === null ? {} : { base: this.base.btf });
    return this.#decoded;
  }

  get raw(): Uint8Array {
    this.#raw ??= encodeBtf(this.#own(), {
      endian: this.endian,
      strings: this.strings,
      ...(this.base === null ? {} : { base: this.base.btf }),
    });
    return this.#raw;
  }

  /** The string part, with the offsets that the strings had where they were read. */
  get strings(): StringTable {
    if (this.#strings === undefined) {
      this.#strings = new StringTable(this.base?.btf.stringEnd ?? 0);
      const read = this.#decoded;
      const encoder = new TextEncoder();
      if (read !== undefined) {
        for (let at = this.base === null ? 0 : (this.base.btf.stringEnd ?? 0); at < read.stringEnd; ) {
          const value = read.string(at);
          this.#strings.add(value);
          at += encoder.encode(value).length + 1;
        }
      }
    }
    return this.#strings;
  }

  #own(): BtfType[] {
    if (this.#decoded !== undefined && this.#types.length === 0)
      for (const [, type] of this.#decoded.types()) this.#types.push(type);
    return this.#types;
  }

  #changed(): void {
    this.#decoded = undefined;
    this.#raw = undefined;
  }

  /** A string's offset, added where it is new. */
  addString(value: string): number {
    const offset = this.strings.add(value);
    this.#own();
    this.#changed();
    return offset;
  }

  /** Puts a type at the end; gives its id. */
  add(type: BtfType): number {
    const { strings } = this;
    if ('name' in type) strings.add(type.name);
    this.#own().push(type);
    this.#changed();
    return this.firstId + this.#types.length - 1;
  }

  /** The type of an id, also while others that it refers to are missing. */
  type(id: number): BtfType | undefined {
    if (id === 0) return { kind: 'void' };
    if (id < this.firstId) return this.base?.type(id);
    if (this.#decoded !== undefined) return id < this.#decoded.count ? this.#decoded.type(id) : undefined;
    return this.#types[id - this.firstId];
  }

  get last(): BtfType | undefined {
    return this.count > this.firstId ? this.type(this.count - 1) : undefined;
  }

  /** Puts another type in the place of the last one: what members, parameters and values are added to. */
  replaceLast(type: BtfType): void {
    this.#own().splice(-1, 1, type);
    this.#changed();
  }

  setEndian(endian: Endian): void {
    if (endian === this.endian) return;
    void this.strings;
    this.#own();
    this.endian = endian;
    this.#changed();
  }
}

/** struct btf_ext. */
export class BtfExtHandle {
  readonly raw: Uint8Array;
  constructor(raw: Uint8Array) {
    this.raw = raw;
  }
}
