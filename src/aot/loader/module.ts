// A module that is ready to run: its programs and maps.
import { type Binding, readModule, type Source } from './check.ts';
import { fail } from './errors.ts';
import type { ModuleState } from './fallback.ts';
import { type HelperFunction, PLAIN_HELPERS } from './helpers.ts';
import { ProgramHost } from './host.ts';
import { type MapView, ModuleMap } from './maps.ts';
import { ModuleMemory } from './memory.ts';
import { ContextSlot, type Input, PacketSlot } from './packets.ts';
import type { ModuleRecord, ProgramRecord } from './record.ts';

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

export interface ProgramView {
  readonly name: string;
  readonly type: string;
  /**
   * Runs the program once. Packet programs take a packet, and bytes of the context that are not the packet's addresses and
   * sizes; all others take the bytes of their context.
   *
   * @throws AotError run/... with program, instruction and source line where the run was aborted
   */
  run(packet?: Uint8Array, ctx?: Uint8Array): RunOutput;
  /** Runs the program on each packet, many of them in one call into the module; the lower 32 bits of each r0. */
  runBatch(packets: readonly Uint8Array[]): Uint32Array;
  /** Name of a return value. */
  verdictOf(retval: number): string | undefined;
}

export interface Module<Programs extends string = string, Maps extends string = string> {
  readonly record: ModuleRecord;
  readonly programs: Readonly<Record<Programs, ProgramView>>;
  readonly maps: Readonly<Record<Maps, MapView>>;
  readonly memory: WebAssembly.Memory;
}

/** Who runs a module in place of the loader, with helpers, maps and contexts of its own: AnyBPF (`anybpf/aot/helpers`). */
export interface HelperProvider {
  open(bytes: Uint8Array<ArrayBuffer>, record: ModuleRecord): Promise<Module>;
}

export interface LoadOptions {
  /** Helpers by name, for those that the module does not have itself; or AnyBPF, which has all. */
  readonly helpers?: Readonly<Record<string, HelperFunction>> | HelperProvider;
}

/** Most packets of one call into the module. */
const MAX_BATCH = 256;

class ModuleProgram implements ProgramView {
  readonly name: string;
  readonly type: string;
  readonly #record: ProgramRecord;
  readonly #memory: ModuleMemory;
  readonly #host: ProgramHost;
  readonly #entry: (name: string) => (...args: number[]) => number;
  readonly #verdicts: ReadonlyMap<number, string>;
  /** Regions of the memory without those of a run. */
  readonly #fixed: number;
  readonly #slots: PacketSlot[] = [];
  #context: ContextSlot | undefined;
  /** Addresses of a batch's contexts, then its results. */
  #batch = 0;

  constructor(
    record: ProgramRecord,
    memory: ModuleMemory,
    host: ProgramHost,
    entry: (name: string) => (...args: number[]) => number,
  ) {
    this.name = record.name;
    this.type = record.type;
    this.#record = record;
    this.#memory = memory;
    this.#host = host;
    this.#entry = entry;
    this.#fixed = memory.regions.length;
    this.#verdicts = new Map(Object.entries(record.verdicts).map(([name, value]) => [value, name]));
  }

  run(packet?: Uint8Array, ctx?: Uint8Array): RunOutput {
    const input = this.#lay(packet, ctx);
    this.#host.contexts = [input.ctx];
    const retval = this.#guarded([input], () => this.#entry('run')(input.ctx)) >>> 0;
    return { retval, verdict: this.verdictOf(retval), packet: input.packet(), ctx: input.context() };
  }

  runBatch(packets: readonly Uint8Array[]): Uint32Array {
    const results = new Uint32Array(packets.length);
    if (this.#batch === 0) this.#batch = this.#memory.alloc(MAX_BATCH * 8);
    const output = this.#batch + 4 * MAX_BATCH;
    for (let from = 0; from < packets.length; from += MAX_BATCH) {
      const inputs = packets.slice(from, from + MAX_BATCH).map((packet, i) => {
        const slot = this.#slot(i);
        slot.lay(packet);
        return slot;
      });
      this.#host.contexts = inputs.map(({ ctx }) => ctx);
      inputs.forEach(({ ctx }, i) => {
        this.#memory.view.setUint32(this.#batch + 4 * i, ctx, true);
      });
      this.#guarded(inputs, () => this.#entry('batch')(this.#batch, output, inputs.length));
      for (let i = 0; i < inputs.length; i++) results[from + i] = this.#memory.view.getUint32(output + 4 * i, true);
    }
    return results;
  }

  verdictOf(retval: number): string | undefined {
    return this.#verdicts.get(retval >>> 0) ?? this.#record.otherVerdict;
  }

  #lay(packet: Uint8Array | undefined, ctx: Uint8Array | undefined): Input {
    const { context } = this.#record;
    if (packet !== undefined) {
      const slot = this.#slot(0);
      slot.lay(packet, ctx);
      return slot;
    }
    if (context.packet !== undefined) fail('aot/packet', 'the program takes a packet', { program: this.name });
    this.#context ??= new ContextSlot(this.#memory, context);
    this.#context.lay(ctx ?? new Uint8Array());
    return this.#context;
  }

  #slot(index: number): PacketSlot {
    const { context } = this.#record;
    if (context.packet === undefined) {
      const what = `the loader lays no packets for programs of type ${this.type}: give the context's bytes, or AnyBPF's helpers to load`;
      return fail('aot/packet', what, { program: this.name });
    }
    this.#slots[index] ??= new PacketSlot(this.#memory, context, context.packet);
    return this.#slots[index];
  }

  #guarded<T>(inputs: readonly Input[], body: () => T): T {
    const { regions } = this.#memory;
    regions.length = this.#fixed;
    for (const input of inputs) regions.push(...input.regions());
    this.#memory.forgetWindows();
    try {
      return body();
    } catch (error) {
      throw this.#host.placed(error);
    } finally {
      this.#memory.discardRecord();
    }
  }
}

/**
 * Loads the module that a loader belongs to.
 * @throws AotError aot/read, aot/not-a-module, aot/altered, aot/other-module, aot/missing-helpers, ...
 */
export async function loadModule(binding: Binding, source?: Source, options: LoadOptions = {}): Promise<Module> {
  const { bytes, record } = await readModule(binding, source);
  const { helpers = {} } = options;
  if (typeof helpers.open === 'function') return (helpers as HelperProvider).open(bytes, record);
  const memory = new ModuleMemory(record);
  const hosts = new Map(record.programs.map((program) => [program.name, new ProgramHost(program, record, memory)]));
  const imports = importsOf(record, memory, hosts, helpers as Readonly<Record<string, HelperFunction>>);
  const { instance } = await WebAssembly.instantiate(bytes, imports);
  const { exports } = instance;
  const index = exports.INDEX as WebAssembly.Global;
  const programs = record.programs.map((program): [string, ProgramView] => {
    const host = hosts.get(program.name) as ProgramHost;
    host.index = () => index.value as number;
    const entry = (name: string) => exports[`${name}_${program.name}`] as (...args: number[]) => number;
    return [program.name, new ModuleProgram(program, memory, host, entry)];
  });
  const maps = record.maps.map(
    (map) =>
      new ModuleMap(map, memory, (name) => exports[`map.${map.name}.${name}`] as ((key: number) => number) | undefined),
  );
  const byHandle = new Map(record.maps.map(({ handle }, i) => [handle, maps[i]]));
  const state: ModuleState = {
    memory,
    mapAt: (handle) => byHandle.get(handle),
    tail: exports.TAIL as WebAssembly.Global,
    tails: exports.TAILS as WebAssembly.Global,
  };
  for (const host of hosts.values()) host.state = () => state;
  return {
    record,
    programs: Object.fromEntries(programs),
    maps: Object.fromEntries(maps.map((map) => [map.name, map])),
    memory: memory.wasm,
  };
}

function importsOf(
  record: ModuleRecord,
  memory: ModuleMemory,
  hosts: ReadonlyMap<string, ProgramHost>,
  given: Readonly<Record<string, HelperFunction>>,
): WebAssembly.Imports {
  const helpers = { ...PLAIN_HELPERS, ...given };
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = { anybpf: { memory: memory.wasm } };
  const missing = new Set<string>();
  for (const { program, name, intrinsic } of record.platform.imports) {
    const host = hosts.get(program) as ProgramHost;
    const plain = name.replace(/^helper\./, '');
    const body = Object.hasOwn(helpers, plain) ? helpers[plain] : undefined;
    imports[program] ??= {};
    if (Object.hasOwn(host.own, name)) imports[program][name] = host.own[name];
    else if (body !== undefined) imports[program][name] = host.helper(body);
    else if (intrinsic) imports[program][name] = host.beyond(plain);
    else missing.add(plain);
  }
  if (missing.size === 0) return imports;
  const names = [...missing].join(', ');
  return fail('aot/missing-helpers', `the programs call what the module does not have, give it to load: ${names}`);
}
