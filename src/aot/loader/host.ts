// What the code of a program asks of its host: whether it may access an address, why it stops, helpers.
import { AotError, fail, type Place } from './errors.ts';
import { FALLBACKS, type ModuleState } from './fallback.ts';
import type { HelperFunction } from './helpers.ts';
import { decode64, type ModuleMemory } from './memory.ts';
import type { ModuleRecord, ProgramRecord } from './record.ts';

/** Class and mode of an opcode, those of atomic operations, and the only one of these that takes any address (RFC 9669, 5.3). */
const CLASS_AND_MODE = 0xe7;
const ATOMIC = 0xc3;
const LOAD_ACQUIRE = 0x100;

/** Why code stops by itself, by the number that it gives: code and message. */
const ABORTS: readonly (readonly [code: string, message: (detail: number, type: string) => string])[] = [
  ['run/budget', () => 'the budget of instructions for one run is spent'],
  ['run/call-depth', () => 'calls are nested deeper than 8 functions'],
  ['run/missing-helper', (n, type) => `calls helper ${n}, which programs of type ${type} do not have here`],
  ['run/missing-kfunc', (n) => `calls the kfunc that is extern ${n}, which this host does not have`],
  ['run/no-arena', () => 'addr_space_cast needs an arena map, which this engine does not have'],
];

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Where an instruction of a program is, with its source line. */
function placeOf({ name, lines, files }: ProgramRecord, insn: number): Place {
  const line = lines.findLast(([slot]) => slot <= insn);
  return {
    program: name,
    insn,
    ...(line === undefined ? {} : { source: { file: files[line[1]], line: line[2], column: line[3] } }),
  };
}

/** What a program's code asks of the host: the functions that it imports. */
export class ProgramHost {
  readonly #program: ProgramRecord;
  readonly #record: ModuleRecord;
  readonly #memory: ModuleMemory;
  readonly #code: DataView;
  /** Contexts of the run or batch, and which of them runs now. */
  contexts: readonly number[] = [];
  index = (): number => 0;
  /** Of the module, once it is ready. */
  state: (() => ModuleState) | undefined;

  constructor(program: ProgramRecord, record: ModuleRecord, memory: ModuleMemory) {
    this.#program = program;
    this.#record = record;
    this.#memory = memory;
    const code = decode64(program.code);
    this.#code = new DataView(code.buffer);
  }

  readonly own: Readonly<Record<string, (...args: never[]) => unknown>> = {
    abort: (kind: number, slot: number, detail: number) => {
      const [code, message] = ABORTS[kind];
      fail(code, message(detail, this.#program.type), placeOf(this.#program, slot));
    },
    admit: (slot: number, register: number, address: number, size: number, write: number) => {
      const at = BigInt(address >>> 0);
      if (this.#misaligned(slot, at, size) || !this.#memory.admit(register, address >>> 0, size, write !== 0)) {
        this.#refuse(slot, at, size, write !== 0);
      }
    },
    asks: (register: number, address: number, size: number, write: number) =>
      this.#memory.admit(register, address >>> 0, size >>> 0, write !== 0) ? 1 : 0,
    leave: () => this.#memory.discardRecord(),
    refuse: (slot: number, address: bigint, size: number, write: number) =>
      this.#refuse(slot, BigInt.asUintN(64, address), size, write !== 0),
  };

  /** Only atomic operations need an address that is a multiple of their size. */
  #misaligned(slot: number, address: bigint, size: number): boolean {
    const at = slot * 8;
    const atomic = (this.#code.getUint8(at) & CLASS_AND_MODE) === ATOMIC;
    return atomic && this.#code.getInt32(at + 4, true) !== LOAD_ACQUIRE && address % BigInt(size) !== 0n;
  }

  #refuse(slot: number, address: bigint, size: number, write: boolean): never {
    const place = placeOf(this.#program, slot);
    const inMemory = address <= 0xffff_ffffn;
    if (inMemory && this.#misaligned(slot, address, size) && this.#memory.admit(0, Number(address), size, write)) {
      const what = `an atomic operation on ${size} bytes needs an address that is a multiple, not ${hex(address)}`;
      return fail('run/misaligned-atomic', what, place);
    }
    const region = inMemory ? this.#memory.regionAt(Number(address)) : undefined;
    const why =
      address === 0n
        ? 'it is NULL'
        : region === undefined
          ? 'it belongs to nothing that the program was given'
          : `it is in ${region.kind} ${region.name}`;
    const bytes = `${size} ${size === 1 ? 'byte' : 'bytes'}`;
    return fail('run/bad-access', `may not ${write ? 'write' : 'read'} ${bytes} at ${hex(address)}: ${why}`, place);
  }

  /** The import for a helper: its result is a number, or NaN where it stands in the control block. */
  helper(body: HelperFunction): (slot: number, ...args: (number | bigint)[]) => number {
    const { name } = this.#program;
    const memory = this.#memory.wasm;
    return (slot, ...args) => {
      try {
        const context = this.contexts[this.contexts.length === 1 ? 0 : this.index()];
        const result = body({ memory, program: name, context }, ...args);
        if (typeof result !== 'bigint') return result ?? 0;
        const at = this.#record.memory.control + RESULT;
        new DataView(memory.buffer).setBigUint64(at, BigInt.asUintN(64, result), true);
        return Number.NaN;
      } catch (error) {
        if (error instanceof AotError) throw error;
        return fail('aot/helper', `a helper failed: ${(error as Error).message}`, placeOf(this.#program, slot), error);
      }
    };
  }

  /** The import for a helper that the module has itself, for what it leaves to the host. */
  beyond(name: string): (slot: number, ...args: number[]) => number {
    const fallback =
      Object.hasOwn(FALLBACKS, name) && this.#record.platform.dialect === 'linux' ? FALLBACKS[name] : undefined;
    const what = `${name} was given what it may not have, or needs more memory: AnyBPF's helpers, given to load, say which`;
    return (slot, ...args) => {
      const state = this.state?.();
      const result = state === undefined ? undefined : fallback?.(state, ...args);
      if (result === undefined) return fail('aot/beyond', what, placeOf(this.#program, slot));
      this.#memory.forgetWindows();
      return result;
    };
  }

  /** A trap as an abort with its place, where the stack of the error tells the offset in the module. */
  placed(error: unknown): unknown {
    if (!(error instanceof WebAssembly.RuntimeError) && !(error instanceof RangeError)) return error;
    const text = /wasm-function\[\d+\]:0x([0-9a-f]+)/.exec(error.stack ?? '')?.[1];
    const offset = text === undefined ? -1 : Number.parseInt(text, 16);
    const { name } = this.#program;
    const offsets = this.#record.offsets[this.#record.programs.indexOf(this.#program)];
    let [at, slot, found] = [0, 0, -1];
    for (let i = 0; i < offsets.length; i += 2) {
      at += offsets[i];
      slot += offsets[i + 1];
      if (at > offset) break;
      found = slot;
    }
    const place = found < 0 ? { program: name } : placeOf(this.#program, found);
    return new AotError('run/trap', `was stopped by a trap: ${error.message}`, place, { cause: error });
  }
}

/** Offset of a helper's 64-bit result in the control block. */
const RESULT = 8;
