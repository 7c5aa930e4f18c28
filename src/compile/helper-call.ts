// Calls a helper from five register values: checks each by its kind in the prototype, then runs the body.
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
import { fromNumber, U32_MAX, u64 } from '../base/u64.ts';
import type { ArgKind, ArgTypes, HelperEnv, HelperRow } from '../spec/helper.ts';
import type { BpfMap } from '../spec/map.ts';
import type { Address, RegionKind } from '../spec/memory.ts';

const SPIN_LOCK_SIZE = 4;
const TIMER_SIZE = 16;
const DYNPTR_SIZE = 16;

/** The argument under check: where it stands, and what the arguments before it have fixed. */
class Argument {
  readonly row: HelperRow;
  readonly env: HelperEnv;
  readonly registers: readonly bigint[];
  index = 0;
  /** The map argument met so far; keys and values get their size from it. */
  map: BpfMap | undefined;

  constructor(row: HelperRow, env: HelperEnv, registers: readonly bigint[]) {
    this.row = row;
    this.env = env;
    this.registers = registers;
  }

  get value(): bigint {
    return u64(this.registers[this.index]);
  }

  address(): Address {
    const value = this.value;
    if (value === 0n || value > U32_MAX) fail(helperPointer({}, this.row.name, this.index + 1, value));
    return Number(value);
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
    const size = u64(this.registers[this.index + 1]);
    if (size > U32_MAX) fail(helperSize({}, this.row.name, this.index + 2, size));
    if (size === 0n && (orNull || this.row.args[this.index + 1] === 'sizeOrZero')) {
      return this.value > U32_MAX ? 0 : Number(this.value);
    }
    return this.bytes(Number(size), access);
  }

  size(orZero: boolean): number {
    const value = this.value;
    if (value > U32_MAX || (value === 0n && !orZero)) fail(helperSize({}, this.row.name, this.index + 1, value));
    return Number(value);
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
    if (this.value !== BigInt(this.env.ctx)) fail(helperContext({}, this.row.name, this.index + 1, this.value));
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
    const value = a.value;
    const map = value > U32_MAX ? undefined : a.env.mapAt(Number(value));
    if (map === undefined) return fail(helperMap({}, a.row.name, a.index + 1, value));
    a.map = map;
    return map;
  },
  key: (a) => a.bytes(a.mapSize('keySize'), 'r'),
  value: (a) => a.bytes(a.mapSize('valueSize'), 'r'),
  valueOrNull: (a) => (a.value === 0n ? 0 : a.bytes(a.mapSize('valueSize'), 'r')),
  valueOut: (a) => a.bytes(a.mapSize('valueSize'), 'w'),
  mem: (a) => a.sized('r', false),
  memOrNull: (a) => a.sized('r', true),
  memOut: (a) => a.sized('w', false),
  memOutOrNull: (a) => a.sized('w', true),
  memInOut: (a) => a.sized('rw', false),
  size: (a) => a.size(false),
  sizeOrZero: (a) => a.size(true),
  allocSize: (a) => Number(a.value),
  out4: (a) => a.bytes(4, 'w'),
  out8: (a) => a.bytes(8, 'w'),
  inOut4: (a) => a.bytes(4, 'rw'),
  ctx: (a) => a.context(),
  ctxOrNull: (a) => (a.value === 0n ? 0 : a.context()),
  scalar: (a) => a.value,
  u32: (a) => Number(BigInt.asUintN(32, a.value)),
  s32: (a) => Number(BigInt.asIntN(32, a.value)),
  constString: (a) => a.string(),
  callback: (a) => a.value,
  callbackContext: (a) => a.value,
  socket: (a) => a.startOf('socket', SOCKET),
  socketOrNull: (a) => (a.value === 0n ? 0 : a.startOf('socket', SOCKET)),
  ringRecord: (a) => a.startOf('ring-record', 'a ring buffer record'),
  spinLock: (a) => a.bytes(SPIN_LOCK_SIZE, 'rw'),
  timer: (a) => a.bytes(TIMER_SIZE, 'rw'),
  dynptrOut: (a) => a.onStack(DYNPTR_SIZE, 'room for a dynptr on the stack'),
  dynptr: (a) => a.onStack(DYNPTR_SIZE, 'a dynptr on the stack'),
  btfPointer: (a) => a.value,
  unsafePointer: (a) => a.value,
};

/**
 * Runs a helper as the `call` instruction does.
 *
 * @param registers r1 to r5 (more may follow and are not looked at)
 * @returns r0: the result as an unsigned 64-bit value (negative numbers in two's complement), 0 for a void helper
 * @throws AnyBpfError run/helper-argument-... where a register does not fit the prototype: what a verified program cannot do
 */
export function invokeHelper(row: HelperRow, env: HelperEnv, registers: readonly bigint[]): bigint {
  const argument = new Argument(row, env, registers);
  const values: unknown[] = [];
  for (; argument.index < row.args.length; argument.index++) values.push(CHECKS[row.args[argument.index]](argument));
  const result = row.body(env, ...values);
  if (typeof result === 'number') return fromNumber(result);
  return result === undefined ? 0n : u64(result as bigint);
}
