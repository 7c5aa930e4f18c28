// Calls a helper from its register values: checks each by its kind in the prototype, then runs the body.
// Registers come as bigint or, where a back end can (argumentForm), as numbers: a BigInt costs more than a helper's work.
import { fail } from '../base/diagnostic.ts';
import {
  helperContext,
  helperKind,
  helperMap,
  helperMemory,
  helperPointer,
  helperSize,
  helperString,
} from '../base/messages/helper.ts';
import { fromNumber, u64 } from '../base/u64.ts';
import type { ArgKind, ArgTypes, HelperEnv, HelperRow } from '../spec/helper.ts';
import type { BpfMap } from '../spec/map.ts';
import type { Address, RegionKind } from '../spec/memory.ts';

const SPIN_LOCK_SIZE = 4;
const TIMER_SIZE = 16;
const DYNPTR_SIZE = 16;
const LAST_ADDRESS = 0xffff_ffff;

/** The value of a register: all 64 bits, or as argumentForm says for the argument's kind. */
export type Register = bigint | number;

/** The argument under check: where it stands, and what the arguments before it have fixed. */
class Argument {
  readonly row: HelperRow;
  readonly env: HelperEnv;
  readonly registers: readonly Register[];
  index = 0;
  /** The map argument met so far; keys and values get their size from it. */
  map: BpfMap | undefined;

  constructor(row: HelperRow, env: HelperEnv, registers: readonly Register[]) {
    this.row = row;
    this.env = env;
    this.registers = registers;
  }

  /** The value for messages and for kinds that need all bits. */
  get value(): bigint {
    const raw = this.registers[this.index];
    return u64(typeof raw === 'number' ? BigInt(raw) : raw);
  }

  /** The value as a number; right below 2^53, and above U32_MAX where it is not exact. */
  numberAt(index: number): number {
    const raw = this.registers[index];
    return typeof raw === 'number' ? raw : Number(u64(raw));
  }

  get number(): number {
    return this.numberAt(this.index);
  }

  get isNull(): boolean {
    return this.number === 0;
  }

  low32(): number {
    const raw = this.registers[this.index];
    return typeof raw === 'number' ? raw | 0 : Number(BigInt.asIntN(32, raw));
  }

  address(): Address {
    const value = this.number;
    if (value === 0 || value > LAST_ADDRESS) fail(helperPointer({}, this.row.name, this.index + 1, this.value));
    return value;
  }

  /** An address at which `size` bytes may be read, written, or both. */
  bytes(size: number, access: 'r' | 'w' | 'rw'): Address {
    const address = this.address();
    // Nothing of the program's is write-only, so that `w` and `rw` ask the same.
    const write = access !== 'r';
    if (!this.env.memory.accessible(address, size, write)) {
      fail(helperMemory({}, this.row.name, this.index + 1, this.value, size, write ? 'written' : 'read'));
    }
    return address;
  }

  /** As `bytes`, with the length that the next argument gives; a NULL or dangling address passes where that length is 0. */
  sized(access: 'r' | 'w' | 'rw', orNull: boolean): Address {
    const size = this.numberAt(this.index + 1);
    if (size > LAST_ADDRESS) fail(helperSize({}, this.row.name, this.index + 2, BigInt(size)));
    if (size === 0 && (orNull || this.row.args[this.index + 1] === 'sizeOrZero')) {
      return this.number > LAST_ADDRESS ? 0 : this.number;
    }
    return this.bytes(size, access);
  }

  size(orZero: boolean): number {
    const value = this.number;
    if (value > LAST_ADDRESS || (value === 0 && !orZero))
      fail(helperSize({}, this.row.name, this.index + 1, this.value));
    return value;
  }

  mapSize(part: 'keySize' | 'valueSize'): number {
    const map = this.map;
    if (map === undefined) throw new Error(`${this.row.name}: a ${part} without a map before it in the prototype`);
    return map.spec[part];
  }

  /** The address of the first byte of a region of this kind. */
  startOf(kind: RegionKind, wanted: string): Address {
    const address = this.address();
    const region = this.env.memory.regionAt(address);
    if (
      region === undefined ||
      region.kind !== kind ||
      (address - region.base) % (region.stride ?? region.size) !== 0
    ) {
      fail(helperKind({}, this.row.name, this.index + 1, this.value, wanted));
    }
    return address;
  }

  context(): Address {
    if (this.number !== this.env.ctx) fail(helperContext({}, this.row.name, this.index + 1, this.value));
    return this.env.ctx;
  }

  onStack(size: number, wanted: string): Address {
    const address = this.address();
    const { memory } = this.env;
    if (memory.regionAt(address)?.kind !== 'stack' || !memory.accessible(address, size, true)) {
      fail(helperKind({}, this.row.name, this.index + 1, this.value, wanted));
    }
    return address;
  }

  string(): Address {
    const address = this.address();
    const { memory } = this.env;
    let end = address;
    while (memory.accessible(end, 1, false)) {
      if (memory.u8[end] === 0) return address;
      end++;
    }
    return fail(helperString({}, this.row.name, this.index + 1, this.value));
  }
}

const SOCKET = 'a socket';

/** How a register becomes an argument of each kind, and what makes it an abort. */
const CHECKS: { readonly [K in ArgKind]: (argument: Argument) => ArgTypes[K] } = {
  map: (a) => {
    const value = a.number;
    const map = value > LAST_ADDRESS ? undefined : a.env.mapAt(value);
    if (map === undefined) return fail(helperMap({}, a.row.name, a.index + 1, a.value));
    a.map = map;
    return map;
  },
  key: (a) => a.bytes(a.mapSize('keySize'), 'r'),
  value: (a) => a.bytes(a.mapSize('valueSize'), 'r'),
  valueOrNull: (a) => (a.isNull ? 0 : a.bytes(a.mapSize('valueSize'), 'r')),
  valueOut: (a) => a.bytes(a.mapSize('valueSize'), 'w'),
  mem: (a) => a.sized('r', false),
  memOrNull: (a) => a.sized('r', true),
  memOut: (a) => a.sized('w', false),
  memOutOrNull: (a) => a.sized('w', true),
  memInOut: (a) => a.sized('rw', false),
  size: (a) => a.size(false),
  sizeOrZero: (a) => a.size(true),
  allocSize: (a) => a.number,
  out4: (a) => a.bytes(4, 'w'),
  out8: (a) => a.bytes(8, 'w'),
  inOut4: (a) => a.bytes(4, 'rw'),
  ctx: (a) => a.context(),
  ctxOrNull: (a) => (a.isNull ? 0 : a.context()),
  scalar: (a) => a.value,
  u32: (a) => a.low32() >>> 0,
  s32: (a) => a.low32(),
  constString: (a) => a.string(),
  callback: (a) => a.value,
  callbackContext: (a) => a.value,
  socket: (a) => a.startOf('socket', SOCKET),
  socketOrNull: (a) => (a.isNull ? 0 : a.startOf('socket', SOCKET)),
  ringRecord: (a) => a.startOf('ring-record', 'a ring buffer record'),
  spinLock: (a) => a.bytes(SPIN_LOCK_SIZE, 'rw'),
  timer: (a) => a.bytes(TIMER_SIZE, 'rw'),
  dynptrOut: (a) => a.onStack(DYNPTR_SIZE, 'room for a dynptr on the stack'),
  dynptr: (a) => a.onStack(DYNPTR_SIZE, 'a dynptr on the stack'),
  btfPointer: (a) => a.value,
  unsafePointer: (a) => a.value,
};

/** Kinds of which only the low 32 bits count, and kinds of which all 64 do; all others are addresses and sizes. */
const LOW_HALF: ReadonlySet<ArgKind> = new Set(['u32', 's32']);
const ALL_BITS: ReadonlySet<ArgKind> = new Set([
  'scalar',
  'callback',
  'callbackContext',
  'btfPointer',
  'unsafePointer',
]);

/**
 * How a back end may pass an argument: `i32` the low 32 bits, `f64` the unsigned value as a number (addresses and sizes are
 * below 2^32, and what is not is refused), `i64` as a bigint.
 */
export const argumentForm = (kind: ArgKind): 'i32' | 'f64' | 'i64' =>
  LOW_HALF.has(kind) ? 'i32' : ALL_BITS.has(kind) ? 'i64' : 'f64';

type Check = (argument: Argument) => unknown;

function take(argument: Argument, index: number, check: Check): unknown {
  argument.index = index;
  return check(argument);
}

/** Runs one helper; see {@link helperCaller}. */
export type HelperCaller = (env: HelperEnv, registers: readonly Register[]) => number | bigint | void;

/**
 * What runs a helper as the `call` instruction does: made once for a row, so that calls do not look at the prototype again.
 *
 * It takes r1 to r5 (more may follow and are not looked at) as bigint or in the form of {@link argumentForm}, and gives the
 * body's result: a number (negative: two's complement), a bigint, or undefined for a void helper. It raises
 * run/helper-argument-... where a register does not fit the prototype: what a verified program cannot do.
 */
export function helperCaller(row: HelperRow): HelperCaller {
  const { body } = row;
  const checks = row.args.map((kind) => CHECKS[kind] as Check);
  const [c0, c1, c2, c3, c4] = checks;
  // Arguments are evaluated in order: a key's size comes from the map before it.
  switch (checks.length) {
    case 0:
      return (env) => body(env);
    case 1:
      return (env, r) => body(env, c0(new Argument(row, env, r)));
    case 2:
      return (env, r) => {
        const a = new Argument(row, env, r);
        return body(env, c0(a), take(a, 1, c1));
      };
    case 3:
      return (env, r) => {
        const a = new Argument(row, env, r);
        return body(env, c0(a), take(a, 1, c1), take(a, 2, c2));
      };
    case 4:
      return (env, r) => {
        const a = new Argument(row, env, r);
        return body(env, c0(a), take(a, 1, c1), take(a, 2, c2), take(a, 3, c3));
      };
    default:
      return (env, r) => {
        const a = new Argument(row, env, r);
        return body(env, c0(a), take(a, 1, c1), take(a, 2, c2), take(a, 3, c3), take(a, 4, c4));
      };
  }
}

const CALLERS = new WeakMap<HelperRow, HelperCaller>();

/** Runs a helper; gives r0 as an unsigned 64-bit value, 0 for a void helper. */
export function invokeHelper(row: HelperRow, env: HelperEnv, registers: readonly Register[]): bigint {
  let caller = CALLERS.get(row);
  if (caller === undefined) {
    caller = helperCaller(row);
    CALLERS.set(row, caller);
  }
  const result = caller(env, registers);
  if (typeof result === 'number') return fromNumber(result);
  return result === undefined ? 0n : u64(result as bigint);
}
