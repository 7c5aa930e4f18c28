// A run without a program: contexts and packets as the program types lay them, helpers called by name with register values.
import { invokeHelper } from '../../src/compile/helper-call.ts';
import { HELPER_FAMILIES } from '../../src/helpers/index.ts';
import { type MemoryHost, memoryHost, type MemoryHostOptions } from '../../src/hosts/memory/host.ts';
import { createMap } from '../../src/maps/create.ts';
import { MAP_TYPE_ROWS } from '../../src/maps/index.ts';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { HelperEnv, HelperRow, PacketArea, StateKey } from '../../src/spec/helper.ts';
import type { BpfMap, MapContext } from '../../src/spec/map.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { Address } from '../../src/spec/memory.ts';
import type { Dialect, MapSpec } from '../../src/spec/object.ts';
import type { ContextLayout, Harness, TestRunInput, TestRunOutput } from '../../src/spec/program.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import { mapSpec } from '../support/map-spec.ts';

export const HELPERS: readonly HelperRow[] = HELPER_FAMILIES.flatMap(({ helpers }) => helpers);

export function helperNamed(name: string): HelperRow {
  const row = HELPERS.find((one) => one.name === name);
  if (row === undefined) throw new Error(`no helper ${name}`);
  return row;
}

export interface FakeRunOptions {
  readonly type?: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  readonly dialect?: Dialect;
  readonly host?: MemoryHostOptions;
  readonly input?: TestRunInput;
}

type Callback = (...args: readonly bigint[]) => bigint;

export class FakeRun implements HelperEnv {
  readonly memory = new LinearMemory(2 ** 26);
  readonly memoryHost: MemoryHost;
  readonly host: HelperEnv['host'];
  readonly dialect: Dialect;
  readonly program: HelperEnv['program'];
  readonly layout: ContextLayout;
  ctx: Address = 0;
  packet: PacketArea | undefined;
  cpu = 0;
  /** Programs that tail_call asked for; false is answered after `tailCallLimit` of them. */
  readonly tailCalls: number[] = [];
  tailCallLimit = 33;
  readonly #harness: Harness;
  readonly #states = new Map<StateKey<unknown>, unknown>();
  readonly #maps = new Map<Address, BpfMap>();
  readonly #callbacks: Callback[] = [];
  #nextMapId = 1;

  constructor({ type = 'xdp', attachType, dialect = 'linux', host = {}, input = {} }: FakeRunOptions = {}) {
    this.memoryHost = memoryHost(host);
    this.host = this.memoryHost.services;
    this.dialect = dialect;
    this.program = { id: 1, name: 'test', type, attachType };
    const row = PROGRAM_TYPE_ROWS.find((one) => one.type === type);
    const layout = row?.contexts[dialect];
    const { memory } = this;
    if (layout === undefined || row?.harness === undefined) throw new Error(`${type} cannot be run`);
    this.layout = layout;
    this.#harness = row.harness({ memory, host: this.host, layout, dialect, attachType: undefined });
    this.start(input);
  }

  /** A new run on the same memory and maps. */
  start(input: TestRunInput): void {
    this.end();
    const { ctx, packet } = this.#harness.start({
      ...(this.program.type === 'kprobe' ? {} : { data: new Uint8Array(64) }),
      ...input,
    });
    this.ctx = ctx;
    this.packet = packet;
  }

  end(): void {
    for (const [key, state] of this.#states) key.end?.(state, this);
    this.#states.clear();
  }

  finish(r0 = 0n): TestRunOutput {
    return this.#harness.finish(r0);
  }

  /** Calls a helper; the result as a signed number. */
  call$(name: string, ...args: readonly (number | bigint)[]): bigint {
    return BigInt.asIntN(
      64,
      invokeHelper(
        helperNamed(name),
        this,
        args.map((arg) => BigInt.asUintN(64, BigInt(arg))),
      ),
    );
  }

  /** The same where the result fits a number. */
  run(name: string, ...args: readonly (number | bigint)[]): number {
    return Number(this.call$(name, ...args));
  }

  /** Bytes as a program's stack holds them. */
  buffer(content: Uint8Array | number | string): Address {
    const bytes =
      typeof content === 'number'
        ? new Uint8Array(content)
        : typeof content === 'string'
          ? new TextEncoder().encode(content)
          : content;
    const base = this.memory.alloc(bytes.length);
    this.memory.u8.set(bytes, base);
    this.memory.addRegion({ base, size: bytes.length, kind: 'stack', name: 'stack', writable: true });
    return base;
  }

  bytes(address: Address, size: number): number[] {
    return [...this.memory.u8.subarray(address, address + size)];
  }

  map(type: MapTypeName, spec: Partial<MapSpec> = {}): BpfMap {
    const context: MapContext = {
      memory: this.memory,
      cpus: this.host.cpus,
      currentCpu: () => this.cpu,
      random32: () => this.host.random32(),
      mapById: (id) => [...this.#maps.values()].find((map) => map.id === id),
      programById: (id) => ({ id, address: id }),
      nextMapId: () => this.#nextMapId++,
      socketByHandle: (handle) => ({ address: handle, cookie: BigInt(handle) }),
    };
    const whole = mapSpec(type, type, { valueSize: 8, ...spec });
    const map = createMap(MAP_TYPE_ROWS[whole.type], whole, context);
    this.#maps.set(map.handle, map);
    return map;
  }

  /** A subprogram: gives the code address that helpers call back. */
  subprogram(body: Callback): bigint {
    this.#callbacks.push(body);
    return BigInt(this.#callbacks.length);
  }

  mapAt(handle: Address): BpfMap | undefined {
    return this.#maps.get(handle);
  }

  tailCall(programId: number): boolean {
    if (this.tailCalls.length >= this.tailCallLimit) return false;
    this.tailCalls.push(programId);
    return true;
  }

  call(callback: bigint, ...args: readonly bigint[]): bigint {
    return this.#callbacks[Number(callback) - 1](...args);
  }

  state<T>(key: StateKey<T>): T {
    if (!this.#states.has(key)) this.#states.set(key, key.create(this));
    return this.#states.get(key) as T;
  }
}

/** u32 in little-endian bytes. */
export function u32Bytes(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}
