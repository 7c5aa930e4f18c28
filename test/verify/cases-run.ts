// Runs verifier cases (cases.ts) and asks what came out: the verdict, and how much of the state after it follows.
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { OPS } from '../../src/isa/opcodes.ts';
import type { ContextField, ContextLayout } from '../../src/spec/program.ts';
import type { Platform } from '../../src/spec/platform.ts';
import { DEFAULT_LIMITS, verify } from '../../src/verify/verify.ts';
import type { Observe } from '../../src/verify/engine.ts';
import * as N from '../../src/verify/number/scalar.ts';
import * as R from '../../src/verify/number/range.ts';
import * as T from '../../src/verify/number/tnum.ts';
import { markPrecise, type State } from '../../src/verify/state.ts';
import type { Pointer, RegionName, Slot, Value } from '../../src/verify/value.ts';
import { type Case, END, intervalOf, mapsOf, statesBefore, textOf } from './cases.ts';
import { map, programOf } from './support.ts';

/** What is known after a case's code, on one of its paths. */
export interface After {
  readonly registers: readonly Value[];
  readonly stack: readonly Slot[];
  readonly base: number;
}

export interface Result {
  /** Why the code was refused. */
  readonly refused: string | undefined;
  readonly after: readonly After[];
}

const scalarField = (offset: number): ContextField => ({
  offset,
  size: 8,
  kind: 'scalar',
  access: 'read-write',
  narrow: true,
  narrowStore: true,
});

/** The context of the cases: 64 bytes that begin with the packet's two pointers. */
const CONTEXT: ContextLayout = {
  name: 'the context of the cases',
  size: 64,
  fields: {
    data: { offset: 0, size: 4, kind: 'packet', access: 'read' },
    dataEnd: { offset: 4, size: 4, kind: 'packetEnd', access: 'read' },
    ...Object.fromEntries([8, 16, 24, 32, 40, 48, 56].map((at) => [`f${at}`, scalarField(at)])),
  },
};

const linux = builtInPlatform('linux');

/** As PREVAIL, which refuses what Linux lets programs with privileges do. */
const LIMITS = { ...DEFAULT_LIMITS, strict: ['verify/uninitialised-stack'] };

/** As Linux, with the cases' context and every helper for every type. */
const PLATFORM: Platform = {
  dialect: 'linux',
  families: linux.families,
  mapType: (type) => linux.mapType(type),
  kfunc: () => undefined,
  programType: (type) => {
    const row = linux.programType(type);
    return row && { ...row, contexts: { linux: CONTEXT }, returns: [] };
  },
  helper: (number) =>
    linux.helper(number, 'sched_cls') ?? linux.helper(number, 'kprobe') ?? linux.helper(number, 'socket_filter'),
  helperName: (number, type) => linux.helperName(number, type),
  with: (extra) => linux.with(extra),
};

/** Whether the divisor of the instruction at the state's slot may be 0, where it is a division. */
function mayDivideByZero(state: State, insn: { op: keyof typeof OPS; src: number; imm: number }): boolean {
  const { operation, format, width } = OPS[insn.op];
  if (!['div', 'mod', 'sdiv', 'smod'].includes(operation)) return false;
  if (format === 'alu_imm') return insn.imm === 0;
  const by = state.register(insn.src);
  if (by?.kind !== 'scalar') return false;
  markPrecise(by);
  const bounds = width === 32 ? N.low32(by) : by;
  return bounds.r64.umin === 0 && (bounds.bits.valueLow | bounds.bits.valueHigh) === 0;
}

/** Verifies a case from each state that it may begin in. */
export function runCase(test: Case): Result {
  const maps = mapsOf(test, (type, size) => map(`${type}_${size}`, type, size, size));
  const after: After[] = [];
  for (const before of statesBefore(test, maps)) {
    const { object, program, labels } = programOf(textOf(test), { type: 'sched_cls', maps });
    const end = labels.get(END);
    let entered = false;
    let dividesByZero = false;
    const observe: Observe = (state, walk) => {
      if (!entered) {
        entered = true;
        // All that holds at the end counts.
        walk.program.live.fill(0xffff);
        before.put(state);
        return;
      }
      const insn = walk.program.insns[state.slot];
      if (insn === undefined) return;
      if (test.options.includes('!allow_division_by_zero')) dividesByZero ||= mayDivideByZero(state, insn);
      if (state.slot === end || (insn.op === 'exit' && state.depth === 0 && end !== undefined && state.slot < end)) {
        after.push(kept(state, before.base));
        // The cases ask nothing back that is held at their end.
        state.references = [];
      }
    };
    const { verdict, diagnostic } = verify(object, program, PLATFORM, LIMITS, observe);
    if (verdict !== 'accepted') return { refused: `${diagnostic?.code}: ${diagnostic?.message}`, after: [] };
    if (dividesByZero) return { refused: 'a divisor may be 0', after: [] };
  }
  return { refused: undefined, after };
}

/** A copy of what holds, of which the walk may leave out nothing. */
function kept(state: State, base: number): After {
  const [{ registers, stack }] = state.frames;
  for (const value of registers) if (value?.kind === 'scalar') markPrecise(value);
  stack.forEach((slot, index) => {
    state.markRead(0, index);
    if (slot?.kind === 'scalar') markPrecise(slot);
    if (slot?.kind === 'bytes') [slot.low, slot.high].forEach(markPrecise);
  });
  return { registers: registers.slice(), stack: stack.slice(), base };
}

type Interval = readonly [bigint, bigint];
/** An interval, or why there is none: the register holds something else; what is said is not about what it holds. */
type Found = Interval | 'other' | 'vacuous' | undefined;

const BOUND = 1n << 63n;
const signedOf = (b: N.Bounds): Interval => {
  if (N.isConstant(b)) {
    const x = BigInt.asIntN(64, T.bitsOf(b.bits));
    return [x, x];
  }
  const { smin, smax } = b.r64;
  return [smin === R.W64.smin ? -BOUND : BigInt(smin), smax === R.W64.smax ? BOUND - 1n : BigInt(smax)];
};
const unsignedOf = (b: N.Bounds): Interval => {
  if (N.isConstant(b)) return [T.bitsOf(b.bits), T.bitsOf(b.bits)];
  const [from, to] = signedOf(b);
  // All negative numbers: their unsigned reading is as close.
  if (to < 0n) return [BigInt.asUintN(64, from), BigInt.asUintN(64, to)];
  const { umin, umax } = b.r64;
  return [BigInt(umin), umax === R.W64.umax ? 2n * BOUND - 1n : BigInt(umax)];
};

const TYPES: { readonly [R in RegionName]?: string } = {
  ctx: 'ctx',
  stack: 'stack',
  packet: 'packet',
  packetMeta: 'packet',
  packetEnd: 'packet',
  mapValue: 'shared',
  memory: 'shared',
  map: 'map_fd',
  socket: 'socket',
};
const typeOf = (value: Value): string | undefined =>
  value?.kind === 'scalar'
    ? 'number'
    : value?.map?.type === 'prog_array'
      ? 'map_fd_programs'
      : value && TYPES[value.region];

const distanceOf = (p: Pointer, base: number): Interval => {
  const [from, to] = p.variable === undefined ? [0n, 0n] : signedOf(p.variable);
  return [from + BigInt(p.offset + base), to + BigInt(p.offset + base)];
};

const OFFSETS: Readonly<Record<string, string>> = {
  ctx_offset: 'ctx',
  stack_offset: 'stack',
  shared_offset: 'shared',
  packet_offset: 'packet',
};

/** Where a variable of PREVAIL's lies; undefined where our states have no such thing. */
function intervalIn({ registers, base }: After, register: number, kind: string): Found {
  const value = registers[register];
  if (kind === 'svalue' || kind === 'uvalue') {
    // Of addresses we keep no values.
    if (value?.kind === 'pointer') return undefined;
    if (value === undefined) return 'other';
    return kind === 'svalue' ? signedOf(value) : unsignedOf(value);
  }
  if (OFFSETS[kind] !== undefined) {
    if (value === undefined) return 'other';
    // Facts of a type are facts of registers of that type only.
    if (value.kind !== 'pointer' || TYPES[value.region] !== OFFSETS[kind]) return 'vacuous';
    if (value.region === 'packetEnd' || value.region === 'packetMeta') return undefined;
    return distanceOf(value, kind === 'stack_offset' ? base : 0);
  }
  if (kind === 'shared_region_size' && value !== undefined) {
    if (typeOf(value) !== 'shared' || value.kind !== 'pointer') return 'vacuous';
    const size = value.region === 'mapValue' ? value.map?.valueSize : value.size;
    return size === undefined ? undefined : [BigInt(size), BigInt(size)];
  }
  return undefined;
}

/** The number in bytes `from` to `to` of the stack (below the frame); undefined where it is not kept as one. */
function stackNumber({ stack }: After, from: number, to: number): N.Bounds | undefined {
  const index = Math.floor((-1 - from) / 8);
  const at = from + 8 * (index + 1);
  const size = to - from + 1;
  const slot = stack[index];
  const [bits, shift] =
    slot?.kind === 'scalar'
      ? [slot.bits, at]
      : slot?.kind === 'bytes'
        ? [(at < 4 ? slot.low : slot.high)?.bits, at & 3]
        : [undefined, 0];
  if (slot?.kind === 'scalar' && size === 8 && at === 0) return slot;
  if (bits === undefined || at + size > 8) return undefined;
  return N.settled(R.W64.full, R.W32.full, T.truncate(T.rsh(bits, 8 * shift), 8 * size));
}

const initialised = ({ stack }: After, from: number, to: number): boolean => {
  for (let at = from; at <= to; at++) {
    const index = Math.floor((-1 - at) / 8);
    const slot = stack[index];
    if (slot === undefined || slot.kind === 'special' || slot.kind === 'pointer') return false;
    if (slot.kind === 'bytes' && ((slot.initialised >> (at + 8 * (index + 1))) & 1) === 0) return false;
  }
  return true;
};

/** `holds`: it follows. `no`: it does not. `never`: it contradicts what is known. undefined: we have no such words. */
export type Entailment = 'holds' | 'no' | 'never' | undefined;

const within = (own: Found, wanted: Interval): Entailment =>
  own === undefined
    ? undefined
    : own === 'other' || own === 'vacuous'
      ? own === 'other'
        ? 'no'
        : 'holds'
      : own[0] >= wanted[0] && own[1] <= wanted[1]
        ? 'holds'
        : own[1] < wanted[0] || own[0] > wanted[1]
          ? 'never'
          : 'no';

/** Whether a line of a case's post follows from all that is known after it. */
export function follows({ after }: Result, line: string): Entailment {
  // `_|_`: no run comes to the end.
  if (line === '_|_') return after.length === 0 ? 'holds' : 'no';
  if (after.length === 0) return 'never';
  const all = after.map((one) => entails(one, line));
  if (all.includes(undefined)) return undefined;
  return all.every((one) => one === 'holds') ? 'holds' : all.every((one) => one === 'never') ? 'never' : 'no';
}

/** Whether it follows from one state. */
function entails(after: After, line: string): Entailment {
  const register = /^r(\d+)\.(\w+)\s*(?:=|( in ))\s*(.+)$/.exec(line);
  if (register !== null) {
    const r = Number(register[1]);
    // Where the frame ends is ours to say (cases.ts).
    if (r === 10) return undefined;
    const [, , kind, , right] = register;
    const value = after.registers[r];
    const other = /^r(\d+)\.(\w+)$/.exec(right);
    if (kind === 'type') {
      const wanted =
        other === null ? right.replace(/[{}\s]/g, '').split(',') : [typeOf(after.registers[Number(other[1])])];
      return wanted.includes(typeOf(value)) ? 'holds' : 'no';
    }
    const wanted = intervalOf(right);
    if (wanted !== undefined) return within(intervalIn(after, r, kind), wanted);
    if (other === null) return undefined;
    const mine = intervalIn(after, r, kind);
    const theirs = intervalIn(after, Number(other[1]), other[2]);
    if (mine === undefined || theirs === undefined || typeof mine === 'string' || typeof theirs === 'string')
      return undefined;
    const to = after.registers[Number(other[1])];
    if (value?.kind === 'scalar' && to?.kind === 'scalar' && value.id === to.id && value.delta === to.delta) {
      return kind === other[2] || mine[0] >= 0n ? 'holds' : 'no';
    }
    return mine[0] === mine[1] && theirs[0] === mine[0] && theirs[1] === mine[0] ? 'holds' : 'no';
  }
  const cell = /^s\[(\d+)(?:\.\.\.(\d+))?\]\.(\w+)=(.+)$/.exec(line);
  if (cell === null) return undefined;
  const from = Number(cell[1]) - after.base;
  const to = Number(cell[2] ?? cell[1]) - after.base;
  if (cell[3] === 'type') return cell[4] !== 'number' ? undefined : initialised(after, from, to) ? 'holds' : 'no';
  const wanted = intervalOf(cell[4]);
  if (wanted === undefined || (cell[3] !== 'svalue' && cell[3] !== 'uvalue')) return undefined;
  const number = stackNumber(after, from, to);
  return number === undefined ? 'no' : within((cell[3] === 'svalue' ? signedOf : unsignedOf)(number), wanted);
}
