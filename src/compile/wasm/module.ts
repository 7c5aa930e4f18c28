// A WebAssembly module under construction: imports first, then functions, in one index space.
import { Bytes, I32, PLAIN, type ValueType } from './encoding.ts';
import type { Emitter } from './emitter.ts';

export interface Signature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const KIND = { function: 0, table: 1, memory: 2, global: 3 } as const;
const FUNCREF = 0x70;
const FUNCTYPE = 0x60;
/** Of 64 KiB, in a memory. */
const MOST_PAGES = 65_536;
const CONST_I32 = 0x41;

interface FunctionEntry {
  readonly type: number;
  emitter: Emitter | undefined;
}

export class ModuleBuilder {
  readonly #types: Signature[] = [];
  readonly #typeKeys = new Map<string, number>();
  readonly #imports: { readonly module: string; readonly name: string; readonly write: (out: Bytes) => void }[] = [];
  readonly #exports: { readonly name: string; readonly kind: number; readonly index: number }[] = [];
  readonly #functions: FunctionEntry[] = [];
  readonly #routines = new Map<string, number>();
  readonly #elements: { readonly at: number; readonly index: number }[] = [];
  readonly #data: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #importedFunctions = 0;
  #tableSize: number | undefined;
  #globals = 0;
  #start: number | undefined;
  /** After `finish`: where each defined function's code begins in the module, by function index. */
  readonly codeOffsets = new Map<number, number>();

  /** By the object that describes it, as most are constants. */
  readonly #typeOf = new Map<Signature, number>();

  type(signature: Signature): number {
    let index = this.#typeOf.get(signature);
    if (index === undefined) {
      index = this.#addType(signature);
      this.#typeOf.set(signature, index);
    }
    return index;
  }

  #addType(signature: Signature): number {
    const key = `${signature.params.join()}>${signature.results.join()}`;
    const known = this.#typeKeys.get(key);
    if (known !== undefined) return known;
    this.#types.push(signature);
    this.#typeKeys.set(key, this.#types.length - 1);
    return this.#types.length - 1;
  }

  /** Indices of the functions that `routine` has made. */
  get routines(): readonly number[] {
    return [...this.#routines.values()];
  }

  /** A function that stands once in the module, by its name: made when it is first asked for. Its index. */
  routine(name: string, signature: Signature, body: () => Emitter): number {
    let index = this.#routines.get(name);
    if (index === undefined) {
      index = this.declare(signature);
      this.#routines.set(name, index);
      this.define(index, body());
    }
    return index;
  }

  /** Memory that threads share, with whatever maximum. */
  importSharedMemory(module: string, name: string): void {
    this.#imports.push({ module, name, write: (out) => out.byte(KIND.memory).byte(3).u32(1).u32(MOST_PAGES) });
  }

  /** @param pages of 64 KiB, at least; `maximum`: those that it may grow to, where the memory has to declare it */
  importMemory(module: string, name: string, pages = 1, maximum?: number): void {
    this.#imports.push({
      module,
      name,
      write: (out) => {
        out.byte(KIND.memory);
        if (maximum === undefined) out.byte(0).u32(pages);
        else out.byte(1).u32(pages).u32(maximum);
      },
    });
  }

  importTable(module: string, name: string): void {
    this.#imports.push({ module, name, write: (out) => out.byte(KIND.table).byte(FUNCREF).byte(0).u32(0) });
  }

  /** A mutable i32; its index is the order of import. */
  importGlobal(module: string, name: string): void {
    this.#imports.push({ module, name, write: (out) => out.byte(KIND.global).byte(I32).byte(1) });
  }

  /** Whether imports may come at any time: they are none of the module's own then. */
  readonly late: boolean = false;

  /** Index of the function; imports come before any `declare`. */
  importFunction(module: string, name: string, signature: Signature): number {
    if (this.#functions.length > 0) throw new Error('imports come before functions');
    const type = this.type(signature);
    this.#imports.push({ module, name, write: (out) => out.byte(KIND.function).u32(type) });
    return this.#importedFunctions++;
  }

  /** Reserves the index of a function whose body is set later. */
  declare(signature: Signature): number {
    this.#functions.push({ type: this.type(signature), emitter: undefined });
    return this.#importedFunctions + this.#functions.length - 1;
  }

  define(index: number, emitter: Emitter): void {
    this.#functions[index - this.#importedFunctions].emitter = emitter;
  }

  export(name: string, index: number, kind: keyof typeof KIND = 'function'): void {
    this.#exports.push({ name, kind: KIND[kind], index });
  }

  /** The module's own table of functions, in place of an imported one. */
  defineTable(size: number): void {
    this.#tableSize = size;
  }

  /** A mutable i32 of the module itself, 0 at first; its index. Not together with imported ones. */
  defineGlobal(): number {
    return this.#globals++;
  }

  /** Puts a function into the table when the module is made ready. */
  element(at: number, index: number): void {
    this.#elements.push({ at, index });
  }

  /** Writes bytes into the memory when the module is made ready. */
  data(at: number, bytes: Uint8Array): void {
    this.#data.push({ at, bytes });
  }

  /** Runs after the data were written. */
  start(index: number): void {
    this.#start = index;
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new Bytes();
    for (const byte of MAGIC) out.byte(byte);
    const section = (id: number, content: Bytes): void => {
      out.byte(id).u32(content.length).append(content);
    };
    const types = list(this.#types, (to, { params, results }) => {
      to.byte(FUNCTYPE).u32(params.length);
      for (const type of params) to.byte(type);
      to.u32(results.length);
      for (const type of results) to.byte(type);
    });
    section(1, types);
    section(
      2,
      list(this.#imports, (to, { module, name, write }) => write(to.name(module).name(name))),
    );
    section(
      3,
      list(this.#functions, (to, { type }) => to.u32(type)),
    );
    if (this.#tableSize !== undefined) section(4, new Bytes().u32(1).byte(FUNCREF).byte(0).u32(this.#tableSize));
    if (this.#globals > 0) {
      const globals = Array.from({ length: this.#globals }, () => 0);
      section(
        6,
        list(globals, (to, value) => constant(to.byte(I32).byte(1), value)),
      );
    }
    section(
      7,
      list(this.#exports, (to, { name, kind, index }) => to.name(name).byte(kind).u32(index)),
    );
    if (this.#start !== undefined) section(8, new Bytes().u32(this.#start));
    if (this.#elements.length > 0) {
      section(
        9,
        list(this.#elements, (to, { at, index }) => constant(to.u32(0), at).u32(1).u32(index)),
      );
    }
    const code = new Bytes().u32(this.#functions.length);
    const starts: number[] = [];
    for (const { emitter } of this.#functions) {
      if (emitter === undefined) throw new Error('a declared function has no body');
      const body = emitter.body();
      code.u32(body.length);
      starts.push(code.length + body.length - emitter.code.length);
      code.append(body);
    }
    out.byte(10).u32(code.length);
    starts.forEach((start, i) => this.codeOffsets.set(this.#importedFunctions + i, out.length + start));
    out.append(code);
    if (this.#data.length > 0) {
      section(
        11,
        list(this.#data, (to, { at, bytes }) => constant(to.u32(0), at).u32(bytes.length).raw(bytes)),
      );
    }
    return out.finish();
  }
}

/** A constant expression of an i32. */
const constant = (to: Bytes, value: number): Bytes =>
  to
    .byte(CONST_I32)
    .s32(value | 0)
    .byte(PLAIN.end);

/** A vector of the specification: a count, then the items. */
function list<T>(items: readonly T[], write: (to: Bytes, item: T) => void): Bytes {
  const content = new Bytes().u32(items.length);
  for (const item of items) write(content, item);
  return content;
}
