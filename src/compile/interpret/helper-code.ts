// Calls of helpers as code beside the interpreter: what the compiler has in place of a helper (wasm/intrinsics.ts), as a function
// of its own that handlers.ts reaches through a table.
import { HANDLE_ELEMENT } from '../../spec/map-layout.ts';
import type { IntrinsicName } from '../../spec/helper.ts';
import type { Address, Memory } from '../../spec/memory.ts';
import type { Dialect } from '../../spec/object.ts';
import type { KnownValue } from '../known-values.ts';
import type { CallSite } from '../wasm/call-site.ts';
import { cpuNumber, spinLock, spinUnlock } from '../wasm/cpu.ts';
import { csumDiff } from '../wasm/csum-diff.ts';
import { Emitter } from '../wasm/emitter.ts';
import { I32, I64, type ValueType, VOID } from '../wasm/encoding.ts';
import { type MapConstants, mapConstants, mapLookup, mapLookupPerCpu } from '../wasm/map-lookup.ts';
import { mapDelete, mapPeek, mapPop, mapPush, mapUpdate } from '../wasm/map-update.ts';
import { ModuleBuilder, type Signature } from '../wasm/module.ts';
import { packetLength, packetLoad, packetStore, type PacketFields, skbStore } from '../wasm/packet-bytes.ts';
import { ringOutput, ringQuery } from '../wasm/ring.ts';
import { strncmp } from '../wasm/strings.ts';
import { FIND_CODE, HELPER_CODE } from './handlers.ts';
import { RECORD_SIZE, STATE, WINDOW } from './layout.ts';

/** A call that the host has served often: what it does, and with which maps. */
export interface HelperCall {
  readonly memory: Memory;
  readonly state: Address;
  /** The interpreter's function that looks for windows (FIND_CODE). */
  readonly find: WebAssembly.ExportValue;
  readonly dialect: Dialect;
  readonly intrinsic: IntrinsicName;
  /** Ask whether the program may access what its arguments point at. */
  readonly checked: boolean;
  /** Where the context says where its packet is (CallSite.packet). */
  readonly packet: PacketFields | undefined;
  /** Handle of the map that is in r1 or r2, where that is one of the program's own, which live as long as it does. */
  map(register: 1 | 2): Address | undefined;
}

/**
 * The helpers that become code here: those which need nothing of the compiler's state of a run. All others are the host's: what calls
 * functions of the program, and records of ring buffers that stay open.
 */
const HELPERS: { readonly [N in IntrinsicName]?: (site: HelperSite) => boolean } = {
  mapLookup,
  mapLookupPerCpu,
  mapUpdate,
  mapDelete,
  mapPush,
  mapPop,
  mapPeek,
  tailCall: (site) => site.tailCall(),
  ringOutput,
  ringQuery,
  csumDiff,
  strncmp,
  cpuNumber,
  spinLock,
  spinUnlock,
  packetLoad,
  packetStore,
  skbStore,
  packetLength,
};

/** The function, for the table; undefined where the call cannot be done without the host. */
export function helperCode(call: HelperCall): unknown {
  const builder = new ModuleBuilder();
  if (call.memory.shared) builder.importSharedMemory('env', 'memory');
  else builder.importMemory('env', 'memory');
  const find = builder.importFunction('env', 'find', FIND_CODE);
  const index = builder.declare(HELPER_CODE);
  const site = new HelperSite(call, builder, find);
  if (HELPERS[call.intrinsic]?.(site) !== true) return undefined;
  builder.define(index, site.finish());
  builder.export('code', index);
  const env = { memory: (call.memory as unknown as { wasm: WebAssembly.Memory }).wasm, find: call.find };
  return new WebAssembly.Instance(new WebAssembly.Module(builder.finish()), { env }).exports.code;
}

const RECORD_LOCAL = 0;
const FIRST_ARGUMENT = 1;
const LAST_ARGUMENT = 5;

/** Registers come from the state; leaving for the host is returning 0. */
class HelperSite implements CallSite {
  readonly e = new Emitter(1);
  readonly checked: boolean;
  readonly cpu: Address;
  readonly dialect: Dialect;
  readonly exclusive: boolean;
  readonly packet: PacketFields | undefined;
  readonly #call: HelperCall;
  readonly #registers: readonly number[];
  readonly #builder: ModuleBuilder;
  readonly #find: number;

  constructor(call: HelperCall, builder: ModuleBuilder, find: number) {
    this.#call = call;
    this.#builder = builder;
    this.#find = find;
    this.checked = call.checked;
    this.dialect = call.dialect;
    this.exclusive = !call.memory.shared;
    this.packet = call.packet;
    this.cpu = call.state + STATE.CPU;
    const { e } = this;
    this.#registers = Array.from({ length: LAST_ARGUMENT + 1 }, () => e.local(I64));
    for (let r = FIRST_ARGUMENT; r <= LAST_ARGUMENT; r++) {
      e.i32(0).memory('i64.load', this.#cell(r)).set(this.#registers[r]);
    }
  }

  #cell(register: number): Address {
    return this.#call.state + STATE.REGISTERS + 8 * register;
  }

  register(number: number): number {
    return this.#registers[number];
  }

  temp(type: ValueType, number: number): number {
    return this.e.temp(type, number);
  }

  get control(): Address {
    throw new Error('the interpreter has no control block');
  }

  routine(name: string, signature: Signature, body: () => Emitter): number {
    return this.#builder.routine(name, signature, body);
  }

  /** Each register is looked at when the call is made. */
  known(): KnownValue | undefined {
    return undefined;
  }

  /** The map that is there now; with another one, later, the host goes on. */
  map(register: 1 | 2): MapConstants | undefined {
    const handle = this.#call.map(register);
    if (handle === undefined) return undefined;
    const { e } = this;
    e.get(this.register(register)).i64(BigInt(handle)).op('i64.ne').if(VOID).i32(0).op('return').op('end');
    return mapConstants(this.#call.memory, handle);
  }

  pushAddress(
    register: number,
    size: number | { readonly local: number },
    access: 'read' | 'write',
    host: () => number,
  ): void {
    const { e } = this;
    const pointer = this.register(register);
    if (this.checked) {
      e.i32(this.#call.state).get(RECORD_LOCAL).get(pointer);
      if (typeof size === 'number') e.i64Small(size);
      else e.get(size.local);
      e.i32(access === 'read' ? WINDOW.READ : WINDOW.WRITE)
        .call(this.#find)
        .op('i32.eqz')
        .brIf(host());
    }
    e.get(pointer).op('i32.wrap_i64');
  }

  setR0(): void {
    const value = this.temp(I64, 101);
    this.e.set(value).i32(0).get(value).memory('i64.store', this.#cell(0));
  }

  orHost(direct: (host: () => number) => void): void {
    const { e } = this;
    e.block(VOID).block(VOID);
    const { depth } = e;
    direct(() => e.depth - depth);
    e.br(1).op('end').i32(0).op('return').op('end');
  }

  goOn(): void {
    throw new Error('a tail call is emitted by tailCall');
  }

  /** Goes on at the first record of a program that has been decoded; all else is the host's. */
  tailCall(): boolean {
    const { e } = this;
    const map = this.map(2);
    if (map?.type !== 'prog_array') return false;
    const { state } = this.#call;
    const id = this.temp(I32, 0);
    const start = this.temp(I32, 1);
    const left = this.temp(I32, 2);
    this.orHost((host) => {
      e.get(this.register(3)).op('i32.wrap_i64').tee(id).i32(map.maxEntries).op('i32.ge_u').brIf(host());
      e.get(id)
        .i32(HANDLE_ELEMENT)
        .op('i32.mul')
        .memory('i32.load', map.data + 4)
        .tee(id);
      e.i32(0)
        .memory('i32.load', state + STATE.PROGRAMS)
        .op('i32.ge_u')
        .brIf(host());
      e.get(id)
        .i32(2)
        .op('i32.shl')
        .i32(0)
        .memory('i32.load', state + STATE.STARTS)
        .op('i32.add')
        .memory('i32.load');
      e.tee(start).op('i32.eqz').brIf(host());
      e.i32(0)
        .memory('i32.load', state + STATE.TAILS)
        .tee(left)
        .op('i32.eqz')
        .brIf(host());
      e.i32(0)
        .get(left)
        .i32(1)
        .op('i32.sub')
        .memory('i32.store', state + STATE.TAILS);
      e.i32(0)
        .i32(0)
        .memory('i64.load32_u', state + STATE.CTX)
        .memory('i64.store', this.#cell(1));
      e.get(start).op('return');
    });
    return true;
  }

  finish(): Emitter {
    return this.e.get(RECORD_LOCAL).i32(RECORD_SIZE).op('i32.add').op('end');
  }
}
