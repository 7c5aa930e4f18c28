// The instructions of WebAssembly functions, by name, and programs whose code is to be looked at.
import { compilerBackend } from '../../src/compile/wasm/backend.ts';
import { MEMORY, PLAIN } from '../../src/compile/wasm/encoding.ts';
import type { Backend } from '../../src/spec/backend.ts';
import { type Setting, start } from './support.ts';

const NAMES = new Map<number, string>([
  ...Object.entries(PLAIN).map(([name, opcode]) => [opcode, name] as const),
  ...Object.entries(MEMORY).map(([name, [opcode]]) => [opcode, name] as const),
]);

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#bytes[this.at++];
  }

  /** A LEB128 number; only its lower 32 bits, without sign. */
  leb(): number {
    let value = 0;
    let byte = 0x80;
    for (let shift = 0; (byte & 0x80) !== 0; shift += 7) {
      byte = this.byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
    }
    return value >>> 0;
  }

  name(): string {
    const length = this.leb();
    this.at += length;
    return new TextDecoder().decode(this.#bytes.subarray(this.at - length, this.at));
  }

  skip(...parts: readonly ('byte' | 'leb' | 'name')[]): void {
    for (const part of parts) this[part]();
  }
}

/** Immediates of the instructions that are in neither table. */
const OTHERS: Readonly<Record<number, { readonly name: string; readonly skip: (reader: Reader) => void }>> = {
  2: { name: 'block', skip: (reader) => reader.byte() },
  3: { name: 'loop', skip: (reader) => reader.byte() },
  4: { name: 'if', skip: (reader) => reader.byte() },
  12: { name: 'br', skip: (reader) => reader.leb() },
  13: { name: 'br_if', skip: (reader) => reader.leb() },
  14: {
    name: 'br_table',
    skip: (reader) => {
      for (let left = reader.leb(); left >= 0; left--) reader.leb();
    },
  },
  16: { name: 'call', skip: (reader) => reader.leb() },
  32: { name: 'local.get', skip: (reader) => reader.leb() },
  33: { name: 'local.set', skip: (reader) => reader.leb() },
  34: { name: 'local.tee', skip: (reader) => reader.leb() },
  35: { name: 'global.get', skip: (reader) => reader.leb() },
  36: { name: 'global.set', skip: (reader) => reader.leb() },
  65: { name: 'i32.const', skip: (reader) => reader.leb() },
  66: { name: 'i64.const', skip: (reader) => reader.leb() },
};

function instructions(reader: Reader, end: number): string[] {
  const names: string[] = [];
  for (let runs = reader.leb(); runs > 0; runs--) {
    reader.leb();
    reader.byte();
  }
  while (reader.at < end) {
    const opcode = reader.byte();
    const known = NAMES.get(opcode);
    const other = OTHERS[opcode];
    if (known === undefined && other === undefined) throw new Error(`opcode ${opcode} is not known here`);
    names.push(known ?? other.name);
    other?.skip(reader);
    // Alignment and offset.
    if (known !== undefined && known in MEMORY) reader.skip('leb', 'leb');
  }
  return names;
}

/** Names of the instructions of the function that a module exports by a name. */
export function exportedCode(bytes: Uint8Array, name: string): string[] {
  const reader = new Reader(bytes);
  reader.at = 8;
  let imported = 0;
  let index: number | undefined;
  while (reader.at < bytes.length) {
    const section = reader.byte();
    const size = reader.leb();
    const end = reader.at + size;
    if (section === 2) {
      for (let left = reader.leb(); left > 0; left--) {
        reader.skip('name', 'name');
        const kind = reader.byte();
        if (kind === 0) imported++;
        // A type; else the kind of elements, limits, or the type of a global.
        if (kind === 0) reader.leb();
        else if (kind === 3) reader.skip('byte', 'byte');
        else {
          if (kind === 1) reader.byte();
          const limits = reader.byte();
          reader.leb();
          if ((limits & 1) !== 0) reader.leb();
        }
      }
    } else if (section === 7) {
      for (let left = reader.leb(); left > 0; left--) {
        const exported = reader.name();
        const kind = reader.byte();
        const at = reader.leb();
        if (kind === 0 && exported === name) index = at;
      }
    } else if (section === 10) {
      const count = reader.leb();
      for (let i = 0; i < count; i++) {
        const length = reader.leb();
        const last = reader.at + length;
        if (imported + i === index) return instructions(reader, last);
        reader.at = last;
      }
    }
    reader.at = end;
  }
  throw new Error(`the module exports no function ${name}`);
}

/** The compiler for code that was verified. */
export const trustedBackend: Backend = {
  name: 'compile',
  load: (image) => compilerBackend.load(image, { trusted: true }),
};

/** Does something, and adds the bytes of the modules that are made meanwhile. */
export function watched<T>(modules: Uint8Array[], body: () => T): T {
  const original = WebAssembly.Module;
  WebAssembly.Module = class extends original {
    constructor(bytes: BufferSource) {
      super(bytes);
      modules.push(new Uint8Array(bytes as ArrayBuffer));
    }
  };
  try {
    return body();
  } finally {
    WebAssembly.Module = original;
  }
}

/** Names of the instructions of a program's main function; of a verified one, unless another back end is given. */
export function mainCode(text: string, setting: Partial<Omit<Setting, 'programs'>> = {}): string[] {
  const modules: Uint8Array[] = [];
  watched(modules, () => start({ backend: trustedBackend, ...setting, programs: [text] }));
  return exportedCode(modules[0], 'main');
}
