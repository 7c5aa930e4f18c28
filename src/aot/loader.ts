// Loads a module that `anybpf compile` made, and runs its programs. It imports nothing and needs nothing of AnyBPF.
// The compiler writes this text beside the module, with the lines that bind the two at its end.

/** What the module says of itself, in its custom section `anybpf`. */
export interface ModuleRecord {
  readonly format: 1;
  /** Name and version of what made it. */
  readonly producer: string;
  /** Name of the object. */
  readonly object: string;
  /** SHA-256 of this record without this field, in hexadecimal digits: who has it, has all that the module is. */
  readonly digest?: string;
  readonly digests: {
    /** Of all bytes of the module before the section. */
    readonly module: string;
    /** Of `programs`, `platform` and `options`, each as JSON. */
    readonly programs: string;
    readonly platform: string;
    readonly options: string;
  };
  readonly platform: {
    readonly dialect: 'linux' | 'windows';
    /** The functions that the module imports of the host for its programs. */
    readonly imports: readonly ImportRecord[];
  };
  readonly options: {
    /** Verified elsewhere: accesses are confined to the memory and not checked further. */
    readonly trusted: boolean;
    /** Most instructions of one run. */
    readonly budget: number;
    readonly cpus: number;
  };
  readonly memory: {
    /** Pages of 64 KiB that the maps and stacks take, and the most that the memory may grow to. */
    readonly pages: number;
    readonly maximum: number;
    /** First address that belongs to nobody. */
    readonly top: number;
    /** Control block, and in it where the windows of checked code begin and end. */
    readonly control: number;
    readonly windows: readonly [from: number, to: number];
    /** Lowest frame of the stack. */
    readonly stack: number;
    /** What programs may access, beside context and packet. */
    readonly regions: readonly RegionRecord[];
  };
  readonly programs: readonly ProgramRecord[];
  readonly maps: readonly MapRecord[];
  /** Addresses of kernel symbols, in the order of the object's externs. */
  readonly externs: readonly ExternRecord[];
}

export interface ImportRecord {
  readonly program: string;
  /** `helper.map_update_elem`, `kfunc.NAME`, or what the code needs of the loader itself (`abort`, `admit`, ...). */
  readonly name: string;
  /** Helpers: number, and the kinds of the arguments and of the result. */
  readonly number?: number;
  readonly args?: readonly string[];
  readonly returns?: string;
  /** The module does it itself, and asks the host only for what it cannot: a refused argument, a map that must grow. */
  readonly intrinsic?: true;
}

export interface RegionRecord {
  readonly base: number;
  readonly size: number;
  readonly kind: string;
  readonly name: string;
  readonly writable: boolean;
  /** A row of slots: only the first `slot` bytes of each `stride` may be accessed. */
  readonly stride?: number;
  readonly slot?: number;
}

export interface ProgramRecord {
  readonly name: string;
  /** What tail calls name it by. */
  readonly id: number;
  readonly section: string;
  readonly type: string;
  readonly attachType?: string;
  readonly license: string;
  /** Its instructions, in base64. */
  readonly code: string;
  /** Functions: name, first slot, slots. */
  readonly functions: readonly (readonly [name: string, slot: number, length: number])[];
  /** Source files, and for each line: slot, index of the file, line, column. */
  readonly files: readonly string[];
  readonly lines: readonly (readonly [slot: number, file: number, line: number, column: number])[];
  /** Where the code of each instruction begins: each pair is the difference to the one before in offset and slot. */
  readonly offsets: readonly number[];
  readonly verdicts: Readonly<Record<string, number>>;
  readonly otherVerdict?: string;
  readonly context: {
    readonly name: string;
    readonly size: number;
    readonly writable: boolean;
    /** Packet programs that the loader can lay input for. */
    readonly packet?: PacketRecord;
  };
}

/** How a packet and its context lie in memory. */
export interface PacketRecord {
  readonly headRoom: number;
  /** Bytes from the head to the end of the buffer, or after the packet where `tailRoom` is there. */
  readonly frame?: number;
  readonly tailRoom?: number;
  readonly writable: boolean;
  /** Sizes of packets that are taken. */
  readonly least: number;
  readonly most: number;
  /** Fields that hold an address: offset, size, of what. */
  readonly pointers: readonly (readonly [offset: number, size: number, of: 'data' | 'end' | 'meta'])[];
  /** The context of a fresh packet, in base64; pointers are zero. */
  readonly image: string;
}

export interface MapRecord {
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Address of its descriptor. */
  readonly handle: number;
  /** Copies of each value, for per-CPU types. */
  readonly copies: number;
  /** Operations that the module exports for the loader: `map_NAME.lookup`, ... */
  readonly operations: readonly string[];
  /** What only AnyBPF needs, to make the map again. */
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface ExternRecord {
  readonly name: string;
  readonly kind: string;
  readonly weak: boolean;
  readonly value?: string;
}

/** Which module a loader belongs to. */
export interface Binding {
  /** Name of the module's file, beside the loader. */
  readonly file: string;
  /** The digest of its record. */
  readonly digest: string;
  /** Address of the loader's own file. */
  readonly url: string;
}

/** What went wrong, by a stable code; aborts of programs have the codes of `anybpf run`. */
export class AotError extends Error {
  override readonly name = 'AotError';
  readonly code: string;
  readonly program: string | undefined;
  readonly insn: number | undefined;
  readonly source: { readonly file: string; readonly line: number; readonly column: number } | undefined;

  constructor(code: string, message: string, place: Place = {}, options?: ErrorOptions) {
    const where = [
      place.program === undefined ? '' : `program ${place.program}`,
      place.insn === undefined ? '' : `instruction ${place.insn}`,
      place.source === undefined ? '' : `${place.source.file}:${place.source.line}`,
    ].filter((part) => part !== '');
    super(`${where.length === 0 ? '' : `${where.join(', ')}: `}${message} [${code}]`, options);
    this.code = code;
    this.program = place.program;
    this.insn = place.insn;
    this.source = place.source;
  }
}

interface Place {
  readonly program?: string;
  readonly insn?: number;
  readonly source?: { readonly file: string; readonly line: number; readonly column: number };
}

const fail = (code: string, message: string, place?: Place, cause?: unknown): never => {
  throw new AotError(code, message, place, cause === undefined ? undefined : { cause });
};

// Reading and checking a module

const SECTION = 'anybpf';

/** The section of the record in a module's bytes: where it begins, and its text. It is the last one. */
export function recordSection(bytes: Uint8Array): { readonly start: number; readonly text: string } {
  const broken = (why: string): never => fail('aot/not-a-module', `this is no module of anybpf compile: ${why}`);
  if (![0, 0x61, 0x73, 0x6d, 1, 0, 0, 0].every((byte, at) => bytes[at] === byte)) broken('it is no WebAssembly');
  let at = 8;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 28) return broken('a number is cut off');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const id = bytes[at++];
    const size = number();
    const end = at + size;
    if (end > bytes.length) broken('a section is cut off');
    if (id === 0) {
      const length = number();
      const name = new TextDecoder().decode(bytes.subarray(at, at + length));
      if (name === SECTION && end === bytes.length) {
        return { start, text: new TextDecoder().decode(bytes.subarray(at + length, end)) };
      }
    }
    at = end;
  }
  return broken('it has no record');
}

/** SHA-256, in hexadecimal digits. */
export async function sha256(data: Uint8Array | string): Promise<string> {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) fail('aot/no-digest', 'crypto.subtle is missing: browsers have it only in secure contexts');
  const digest = await (subtle as SubtleCrypto).digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The record of a module, after all its digests were found right. Raises aot/not-a-module, aot/altered. */
export async function checkedRecord(bytes: Uint8Array): Promise<ModuleRecord> {
  const { start, text } = recordSection(bytes);
  const altered = (what: string): never => fail('aot/altered', `the module was altered: ${what} has another digest`);
  let record: ModuleRecord;
  try {
    record = JSON.parse(text) as ModuleRecord;
  } catch (error) {
    return fail('aot/altered', 'the module was altered: its record cannot be read', {}, error);
  }
  const { digest, ...rest } = record;
  if (digest !== (await sha256(JSON.stringify(rest)))) altered('its record');
  const { programs, platform, options, digests } = record;
  if (digests.programs !== (await sha256(JSON.stringify(programs)))) altered('the record of its instructions');
  if (digests.platform !== (await sha256(JSON.stringify(platform)))) altered('the record of its platform');
  if (digests.options !== (await sha256(JSON.stringify(options)))) altered('the record of its options');
  if (digests.module !== (await sha256(bytes.subarray(0, start)))) altered('its code');
  if (record.format !== 1)
    fail('aot/format', `the module has format ${String(record.format)}; this loader reads format 1`);
  return record;
}

/** Where the bytes of a module come from; without one, the file beside the loader. */
export type Source = Uint8Array | ArrayBuffer | Response | URL | string;

async function bytesOf(source: Source): Promise<Uint8Array<ArrayBuffer>> {
  if (source instanceof Uint8Array) return new Uint8Array(source);
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (typeof Response !== 'undefined' && source instanceof Response) return new Uint8Array(await source.arrayBuffer());
  const url = new URL(source as URL | string, globalThis.location?.href ?? 'file:///');
  try {
    if (url.protocol === 'file:') {
      const { readFile } = (await import('node:fs/promises')) as { readFile(url: URL): Promise<Uint8Array> };
      return new Uint8Array(await readFile(url));
    }
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    return fail('aot/read', `${url.href} cannot be read: ${(error as Error).message}`, {}, error);
  }
}

/** Raises what `checkedRecord` does, and aot/other-module where the loader was made for another one. */
export async function readModule(
  binding: Binding,
  source: Source = new URL(binding.file, binding.url),
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly record: ModuleRecord }> {
  const bytes = await bytesOf(source);
  const record = await checkedRecord(bytes);
  if (record.digest !== binding.digest) {
    fail('aot/other-module', `this loader belongs to the module with digest ${binding.digest}, not ${record.digest}`);
  }
  return { bytes, record };
}

// Helpers

/**
 * A helper as the caller gives it: arguments as numbers (addresses, sizes, 32-bit values) or bigints (64-bit values), a result
 * of r0: negative ones are error numbers.
 */
export type HelperFunction = (run: RunView, ...args: (number | bigint)[]) => number | bigint | void;

/** What a helper sees of the run. */
export interface RunView {
  readonly memory: WebAssembly.Memory;
  readonly program: string;
  /** Address of the context. */
  readonly context: number;
}

/** Nanoseconds of a clock that only goes forward. */
const monotonic = (): bigint => BigInt(Math.round(performance.now() * 1e6));

/** Helpers that need nothing but the language. What the caller gives goes before them. */
export const PLAIN_HELPERS: Readonly<Record<string, HelperFunction>> = {
  ktime_get_ns: monotonic,
  ktime_get_boot_ns: monotonic,
  ktime_get_coarse_ns: monotonic,
  get_prandom_u32: () => (Math.random() * 2 ** 32) >>> 0,
  get_smp_processor_id: () => 0,
  get_numa_node_id: () => 0,
};

// Memory, as programs may use it

/** Bytes between any two blocks, as in AnyBPF: an overflow of one never lands in the next. */
const GAP = 16;
const PAGE = 65_536;
const NOTHING = 'it belongs to nothing that the program was given';

const aligned = (value: number): number => Math.ceil(value / 8) * 8;

const decode64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

/** The module's memory: blocks above what it brought, and the regions that programs may access. */
class ModuleMemory {
  readonly wasm: WebAssembly.Memory;
  u8: Uint8Array;
  view: DataView;
  readonly regions: RegionRecord[];
  readonly #maximum: number;
  readonly #windows: readonly [from: number, to: number];
  #top: number;

  constructor({ memory: { pages, maximum, top, regions, windows } }: ModuleRecord) {
    this.wasm = new WebAssembly.Memory({ initial: pages, maximum });
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.view = new DataView(this.wasm.buffer);
    this.regions = [...regions].sort((a, b) => a.base - b.base);
    this.#maximum = maximum * PAGE;
    this.#windows = windows;
    this.#top = aligned(top);
  }

  /** Zeroed bytes that are never given back. */
  alloc(size: number): number {
    const address = this.#top;
    const end = aligned(address + size + GAP);
    if (end > this.#maximum) fail('aot/out-of-memory', `${size} more bytes do not fit in the module's memory`);
    const missing = end - this.wasm.buffer.byteLength;
    if (missing > 0) this.wasm.grow(Math.ceil(missing / PAGE));
    this.#top = end;
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.view = new DataView(this.wasm.buffer);
    return address;
  }

  /** Forgets what checked code has learned about addresses: regions have moved. */
  forgetWindows(): void {
    this.u8.fill(0, ...this.#windows);
  }

  regionAt(address: number): RegionRecord | undefined {
    return this.regions.find(({ base, size }) => address >= base && address < base + size);
  }

  /** The bounds within which an access at an address may be, where this one may. */
  bounds(address: number, size: number, write: boolean): readonly [from: number, to: number] | undefined {
    const region = this.regionAt(address);
    if (region === undefined || (write && !region.writable)) return undefined;
    const { base, stride, slot } = region;
    const from = stride === undefined ? base : address - ((address - base) % stride);
    const to = from + (stride === undefined ? region.size : (slot ?? stride));
    return address + size > to ? undefined : [from, to];
  }
}

// Programs

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
class ProgramHost {
  readonly #program: ProgramRecord;
  readonly #record: ModuleRecord;
  readonly #memory: ModuleMemory;
  readonly #code: DataView;
  context = 0;

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
      if (this.#misaligned(slot, at, size) || !this.#asks(register, address >>> 0, size, write !== 0)) {
        this.#refuse(slot, at, size, write !== 0);
      }
    },
    asks: (register: number, address: number, size: number, write: number) =>
      this.#asks(register, address >>> 0, size >>> 0, write !== 0) ? 1 : 0,
    leave: () =>
      fail('aot/beyond', 'a ring buffer record was neither submitted nor discarded', { program: this.#program.name }),
    refuse: (slot: number, address: bigint, size: number, write: number) =>
      this.#refuse(slot, BigInt.asUintN(64, address), size, write !== 0),
  };

  /** Whether an access may be; its bounds become the window of the register, within which code does not ask again. */
  #asks(register: number, address: number, size: number, write: boolean): boolean {
    const bounds = this.#memory.bounds(address, size, write);
    if (bounds === undefined) return false;
    const window = this.#record.memory.windows[0] + (register * 2 + (write ? 1 : 0)) * 8;
    this.#memory.view.setUint32(window, bounds[0], true);
    this.#memory.view.setUint32(window + 4, bounds[1], true);
    return true;
  }

  /** Only atomic operations need an address that is a multiple of their size. */
  #misaligned(slot: number, address: bigint, size: number): boolean {
    const at = slot * 8;
    const atomic = (this.#code.getUint8(at) & CLASS_AND_MODE) === ATOMIC;
    return atomic && this.#code.getInt32(at + 4, true) !== LOAD_ACQUIRE && address % BigInt(size) !== 0n;
  }

  #refuse(slot: number, address: bigint, size: number, write: boolean): never {
    const place = placeOf(this.#program, slot);
    const inMemory = address <= 0xffff_ffffn;
    if (inMemory && this.#memory.bounds(Number(address), size, write) !== undefined) {
      const what = `an atomic operation on ${size} bytes needs an address that is a multiple, not ${hex(address)}`;
      return fail('run/misaligned-atomic', what, place);
    }
    const region = inMemory ? this.#memory.regionAt(Number(address)) : undefined;
    const why =
      address === 0n ? 'it is NULL' : region === undefined ? NOTHING : `it is in ${region.kind} ${region.name}`;
    const bytes = `${size} ${size === 1 ? 'byte' : 'bytes'}`;
    return fail('run/bad-access', `may not ${write ? 'write' : 'read'} ${bytes} at ${hex(address)}: ${why}`, place);
  }

  /** The import for a helper: its result is a number, or NaN where it stands in the control block. */
  helper(body: HelperFunction): (slot: number, ...args: (number | bigint)[]) => number {
    const { name } = this.#program;
    const memory = this.#memory.wasm;
    return (slot, ...args) => {
      try {
        const result = body({ memory, program: name, context: this.context }, ...args);
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
  beyond(name: string): (slot: number) => never {
    const what = `${name} was given what it may not have, or needs more memory: AnyBPF's helpers, given to load, say which`;
    return (slot) => fail('aot/beyond', what, placeOf(this.#program, slot));
  }

  /** A trap as an abort with its place, where the stack of the error tells the offset in the module. */
  placed(error: unknown): unknown {
    if (!(error instanceof WebAssembly.RuntimeError) && !(error instanceof RangeError)) return error;
    const text = /wasm-function\[\d+\]:0x([0-9a-f]+)/.exec(error.stack ?? '')?.[1];
    const offset = text === undefined ? -1 : Number.parseInt(text, 16);
    const { offsets, name } = this.#program;
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

export interface RunOutput {
  /** The lower 32 bits of r0. */
  readonly retval: number;
  /** Name of the return value, where the program type has one for it. */
  readonly verdict: string | undefined;
  /** The packet after the run; empty for programs that have none. */
  readonly packet: Uint8Array;
  /** The context after the run. */
  readonly ctx: Uint8Array;
}

/** Memory for one packet and its context. */
class PacketSlot {
  readonly #memory: ModuleMemory;
  readonly #record: ProgramRecord['context'];
  readonly #packet: PacketRecord;
  readonly #image: Uint8Array;
  readonly ctx: number;
  #head: number;
  #capacity: number;
  #data = 0;
  #end = 0;

  constructor(memory: ModuleMemory, record: ProgramRecord['context'], packet: PacketRecord) {
    this.#memory = memory;
    this.#record = record;
    this.#packet = packet;
    this.#image = decode64(packet.image);
    this.ctx = memory.alloc(record.size);
    this.#capacity = 4096;
    this.#head = memory.alloc(this.#capacity);
  }

  lay(bytes: Uint8Array): void {
    const { headRoom, least, most, frame, tailRoom = 0, pointers } = this.#packet;
    if (bytes.length < least || bytes.length > most) {
      fail('aot/packet', `a packet has ${least} to ${most} bytes, not ${bytes.length}`);
    }
    const size = Math.max(frame ?? 0, headRoom + bytes.length + tailRoom);
    if (size > this.#capacity) {
      this.#capacity = size;
      this.#head = this.#memory.alloc(size);
    }
    const { u8, view } = this.#memory;
    u8.fill(0, this.#head, this.#head + this.#capacity);
    u8.set(this.#image, this.ctx);
    this.#data = this.#head + headRoom;
    this.#end = this.#data + bytes.length;
    u8.set(bytes, this.#data);
    for (const [offset, width, of] of pointers) {
      const value = of === 'end' ? this.#end : this.#data;
      if (width === 8) view.setBigUint64(this.ctx + offset, BigInt(value), true);
      else view.setUint32(this.ctx + offset, value, true);
    }
  }

  /** What a program may access of it. */
  regions(): RegionRecord[] {
    const { name, size, writable } = this.#record;
    return [
      { base: this.ctx, size, kind: 'context', name, writable },
      {
        base: this.#data,
        size: this.#end - this.#data,
        kind: 'packet',
        name: 'packet',
        writable: this.#packet.writable,
      },
    ];
  }

  packet(): Uint8Array {
    return this.#memory.u8.slice(this.#data, this.#end);
  }

  context(): Uint8Array {
    return this.#memory.u8.slice(this.ctx, this.ctx + this.#record.size);
  }
}

/** Most packets of one call into the module. */
const MAX_BATCH = 256;

export class AotProgram {
  readonly name: string;
  readonly type: string;
  readonly record: ProgramRecord;
  readonly #memory: ModuleMemory;
  readonly #host: ProgramHost;
  readonly #fixed: number;
  readonly #exports: () => WebAssembly.Exports;
  readonly #verdicts: ReadonlyMap<number, string>;
  readonly #slots: PacketSlot[] = [];
  #batch = 0;

  constructor(record: ProgramRecord, memory: ModuleMemory, host: ProgramHost, exports: () => WebAssembly.Exports) {
    this.name = record.name;
    this.type = record.type;
    this.record = record;
    this.#memory = memory;
    this.#host = host;
    this.#fixed = memory.regions.length;
    this.#exports = exports;
    this.#verdicts = new Map(Object.entries(record.verdicts).map(([name, value]) => [value >>> 0, name]));
  }

  /**
   * Runs the program on a packet.
   * @throws AotError run/... with program, instruction and source line where the run was aborted
   */
  run(packet: Uint8Array): RunOutput {
    const slot = this.#slot(0);
    slot.lay(packet);
    this.#allow([slot]);
    this.#host.context = slot.ctx;
    const run = this.#exports()[`run_${this.name}`] as (ctx: number) => number;
    const retval = this.#guarded(() => run(slot.ctx)) >>> 0;
    return { retval, verdict: this.verdictOf(retval), packet: slot.packet(), ctx: slot.context() };
  }

  /** Runs the program on each packet, in one call for up to 256 of them; the lower 32 bits of each r0. */
  runBatch(packets: readonly Uint8Array[]): Uint32Array {
    const results = new Uint32Array(packets.length);
    if (this.#batch === 0) this.#batch = this.#memory.alloc(MAX_BATCH * 8);
    const run = this.#exports()[`batch_${this.name}`] as (contexts: number, results: number, count: number) => void;
    for (let from = 0; from < packets.length; from += MAX_BATCH) {
      const part = packets.slice(from, from + MAX_BATCH);
      const slots = part.map((packet, i) => {
        const slot = this.#slot(i);
        slot.lay(packet);
        return slot;
      });
      slots.forEach((slot, i) => {
        this.#memory.view.setUint32(this.#batch + 4 * i, slot.ctx, true);
      });
      this.#allow(slots);
      const output = this.#batch + 4 * MAX_BATCH;
      this.#guarded(() => run(this.#batch, output, part.length));
      for (let i = 0; i < part.length; i++) results[from + i] = this.#memory.view.getUint32(output + 4 * i, true);
    }
    return results;
  }

  /** Name of a return value. */
  verdictOf(retval: number): string | undefined {
    return this.#verdicts.get(retval >>> 0) ?? this.record.otherVerdict;
  }

  #slot(index: number): PacketSlot {
    const { context } = this.record;
    const { packet } = context;
    if (packet === undefined) {
      const what = `programs of type ${this.type} are run by AnyBPF: give its helpers to load`;
      return fail('aot/no-input', what, { program: this.name });
    }
    this.#slots[index] ??= new PacketSlot(this.#memory, context, packet);
    return this.#slots[index];
  }

  #allow(slots: readonly PacketSlot[]): void {
    const { regions } = this.#memory;
    regions.length = this.#fixed;
    for (const slot of slots) regions.push(...slot.regions());
    this.#memory.forgetWindows();
  }

  #guarded<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw this.#host.placed(error);
    }
  }
}

export interface LoadOptions {
  /** Helpers by name, for those that the module does not have itself. */
  readonly helpers?: Readonly<Record<string, HelperFunction>>;
}

export interface AotModule {
  readonly record: ModuleRecord;
  readonly programs: Readonly<Record<string, AotProgram>>;
  readonly memory: WebAssembly.Memory;
}

/**
 * Loads the module that a loader belongs to.
 * @throws AotError aot/read, aot/not-a-module, aot/altered, aot/other-module, aot/missing-helpers
 */
export async function loadModule(binding: Binding, source?: Source, options: LoadOptions = {}): Promise<AotModule> {
  const { bytes, record } = await readModule(binding, source);
  const memory = new ModuleMemory(record);
  const given: Readonly<Record<string, HelperFunction>> = { ...PLAIN_HELPERS, ...options.helpers };
  const hosts = new Map(record.programs.map((program) => [program.name, new ProgramHost(program, record, memory)]));
  const imports: Record<string, Record<string, unknown>> = { anybpf: { memory: memory.wasm } };
  const missing = new Set<string>();
  for (const { program, name, intrinsic } of record.platform.imports) {
    const host = hosts.get(program) as ProgramHost;
    const own = host.own[name];
    const plain = name.replace(/^helper\./, '');
    const body = Object.hasOwn(given, plain) ? given[plain] : undefined;
    imports[program] ??= {};
    if (own !== undefined) imports[program][name] = own;
    else if (intrinsic && body === undefined) imports[program][name] = host.beyond(plain);
    else if (body !== undefined) imports[program][name] = host.helper(body);
    else missing.add(plain);
  }
  if (missing.size > 0)
    fail('aot/missing-helpers', `helpers are missing, give them to load: ${[...missing].join(', ')}`);
  const { instance } = await WebAssembly.instantiate(bytes, imports as WebAssembly.Imports);
  const programs = record.programs.map((program) => {
    const host = hosts.get(program.name) as ProgramHost;
    return [program.name, new AotProgram(program, memory, host, () => instance.exports)] as const;
  });
  return { record, programs: Object.fromEntries(programs), memory: memory.wasm };
}
