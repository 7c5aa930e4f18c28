// What each instruction does to what is known, after RFC 9669: one row a format.
import type { Insn } from '../../isa/insn.ts';
import { slotsOf } from '../../isa/insn.ts';
import { type Format, OPS, type OpName } from '../../isa/opcodes.ts';
import { MAP_FLAGS } from '../../spec/map-types.ts';
import { call, finish, forgetPackets } from './call.ts';
import { atomic, type Checked, load, no, ordered, span, store } from './memory.ts';
import {
  ANY,
  arithmetic,
  between,
  branch,
  byteSwap,
  constant,
  type Facts,
  intersect,
  isConstant,
  isZero,
  low32,
  ofWidth,
  signExtend,
  truncate,
  valueOf,
  ZERO,
} from './number.ts';
import {
  type Callback,
  Frame,
  newId,
  Num,
  num,
  type Pointer,
  pointer,
  type Region,
  type State,
  type Value,
} from './state.ts';

/** After an instruction the state goes on where it stands, ends, or goes on together with another. */
export type Next = 'on' | 'end' | State;

const MOVABLE: readonly Region[] = [
  'stack', 'packet', 'packetMeta', 'mapKey', 'mapValue', 'ringRecord', 'memory', 'kernel', 'ctx', 'flowKeys',
]; // biome-ignore format: a list
/** BPF_MAX_VAR_OFF. */
const MAX_DISTANCE = 2 ** 29;
/** Distances of numbers that are tied to each other stay below this. */
const FAR = 2 ** 40;
/** Bytes of a packet and what lies before it: more than any host hands over. */
const MAX_PACKET = 2 ** 20;

const read = (state: State, register: number): Num | Pointer =>
  state.frame.registers[register] ?? no(`r${register} holds nothing`);

function write(state: State, register: number, value: Value): void {
  if (register === 10) no('r10 cannot be changed');
  state.set(register, value);
}

function on(state: State, insn: Insn, by = 0): Next {
  state.slot += slotsOf(insn.op) + by;
  return 'on';
}

function moved(p: Pointer, by: Num, operation: string): Pointer {
  if (p.nullable || !MOVABLE.includes(p.region)) no(`arithmetic on ${p.region}`);
  const { facts } = by;
  if (isConstant(facts)) {
    const distance = Number(operation === 'add' ? valueOf(facts) : -valueOf(facts));
    const offset = p.offset + distance;
    if (Math.abs(distance) >= MAX_DISTANCE || Math.abs(offset) >= MAX_DISTANCE) no('a pointer is moved too far');
    return p.with({ offset });
  }
  if (p.region === 'ctx') no('the context is moved by a varying number');
  const sum = arithmetic(operation, 64, p.variable?.facts ?? ZERO, facts);
  for (const { full } of [facts, sum])
    if (full.smin < -BigInt(MAX_DISTANCE) || full.smax > BigInt(MAX_DISTANCE)) no('a pointer is moved by any distance');
  const variable = p.variable === undefined && operation === 'add' ? by : num(sum);
  const packet = p.region === 'packet' || p.region === 'packetMeta';
  return packet ? p.with({ variable, id: newId(), range: 0 }) : p.with({ variable });
}

function withPointer(operation: string, width: 32 | 64, a: Num | Pointer, b: Num | Pointer): Value {
  if (width === 32) return operation === 'sub' ? num(ofWidth(32)) : no('arithmetic of 32 bits on a pointer');
  if (a.kind === 'pointer' && b.kind === 'pointer') return operation === 'sub' ? num(ANY) : no('two pointers');
  if (operation !== 'add' && operation !== 'sub') return no(`${operation} on a pointer`);
  if (a.kind === 'pointer') return moved(a, b as Num, operation);
  return operation === 'add' ? moved(b as Pointer, a, 'add') : no('a number less a pointer');
}

/** A number and a constant: what stays known of the number itself. */
function withConstant(operation: string, width: 32 | 64, a: Num, by: bigint, facts: Facts): Num | undefined {
  if (width === 64 && operation === 'lsh' && by < 64n && a.facts.full.umax < 1n << (64n - by))
    return new Num(facts, newId(), 0, { of: a, by });
  if (width === 64 && operation === 'rsh' && a.shifted?.by === by) return a.shifted.of;
  if (operation !== 'add' && operation !== 'sub') return undefined;
  const distance = Number(operation === 'add' ? by : -by);
  const { umin, umax } = a.facts.full;
  const wraps =
    width === 32 && (umin + BigInt(distance) < 0n || umax >= 1n << 32n || umax + BigInt(distance) >= 1n << 32n);
  if (wraps || Math.abs(distance) > FAR || Math.abs(a.delta + distance) > FAR) return undefined;
  return new Num(facts, a.id, a.delta + distance);
}

function binary(state: State, insn: Insn, b: Num | Pointer): Next {
  const { operation, width } = OPS[insn.op];
  const w = width as 32 | 64;
  const a = read(state, insn.dst);
  let value: Value;
  if (a.kind === 'pointer' || b.kind === 'pointer') value = withPointer(operation, w, a, b);
  else {
    const facts = arithmetic(operation, w, a.facts, b.facts);
    const tied = isConstant(b.facts) && !isConstant(a.facts);
    value = (tied ? withConstant(operation, w, a, valueOf(b.facts), facts) : undefined) ?? num(facts);
  }
  write(state, insn.dst, value);
  return on(state, insn);
}

/** A number that another is computed from. */
function unary(state: State, insn: Insn, compute: (facts: Facts) => Facts): Next {
  const a = read(state, insn.dst);
  write(state, insn.dst, a.kind === 'pointer' ? no(`${insn.op} on a pointer`) : num(compute(a.facts)));
  return on(state, insn);
}

type Way = ((state: State) => void) | undefined;
const nothing = (): void => undefined;
const BOTH: readonly [Way, Way] = [nothing, nothing];

/** Both ways of a comparison of numbers. */
function numbers(comparison: string, width: 32 | 64, a: Num, b: Num): readonly [Way, Way] {
  const ways = branch(comparison, width, a.facts, b.facts).map((pair): Way => {
    if (pair === undefined) return undefined;
    return (state) => {
      if (pair[0] !== a.facts) state.narrow(a, pair[0]);
      if (pair[1] !== b.facts && b !== a) state.narrow(b, pair[1]);
    };
  });
  return [ways[0], ways[1]];
}

const isNow =
  (p: Pointer, changes: (value: Pointer) => Num | Pointer): Way =>
  (state) =>
    state.replace((value) =>
      value.kind === 'pointer' && value.nullable && value.id === p.id ? changes(value) : value,
    );
/** Packets and locks are told by their id afterwards, too. */
const notNull = (p: Pointer): Way =>
  isNow(p, (value) => value.with({ nullable: false, id: (value.map?.special ?? []).length > 0 ? value.id : 0 }));
const isNull =
  (p: Pointer): Way =>
  (state) => {
    // Views of what was taken are NULL without it being so.
    if (p.reference === p.id) state.references = state.references.filter(({ id }) => id !== p.reference);
    const zero = num(ZERO);
    isNow(p, () => zero)?.(state);
  };

const ORDER: Readonly<Record<string, readonly [taken: 0 | 1 | undefined, otherwise: 0 | 1 | undefined]>> = {
  // What `p CMP end` says of end - p, at least: where it holds, and where not.
  jgt: [undefined, 0], jge: [undefined, 1], jlt: [1, undefined], jle: [0, undefined],
}; // biome-ignore format: a table
const MIRRORED: Readonly<Record<string, string>> = { jgt: 'jlt', jge: 'jle', jlt: 'jgt', jle: 'jge' };

const isEnd = (p: Pointer, end: Pointer): boolean =>
  p.region === 'packet'
    ? end.region === 'packetEnd'
    : p.region === 'packetMeta' && end.region === 'packet' && end.variable === undefined && end.offset === 0;

/** The packet reaches so far behind where the pointers of this id begin. */
const longer =
  (p: Pointer, range: number): Way =>
  (state) => {
    if (range <= 0) return;
    const { variable: v } = p;
    const facts = v && intersect(v.facts, between(-(1n << 63n), BigInt(MAX_PACKET - range)));
    state.replace((value) => {
      if (value.kind !== 'pointer' || value.region !== p.region || value.id !== p.id || value.range >= range)
        return value;
      const nearer = v && facts && value.variable === v ? { variable: new Num(facts, v.id, v.delta) } : {};
      return value.with({ range, ...nearer });
    });
  };

function pointers(comparison: string, a: Pointer, b: Pointer): readonly [Way, Way] {
  if (comparison === 'jeq' || comparison === 'jne') {
    const way: Way = (state) => {
      if (!a.nullable && b.nullable) notNull(b)?.(state);
      if (!b.nullable && a.nullable) notNull(a)?.(state);
    };
    return comparison === 'jeq' ? [way, nothing] : [nothing, way];
  }
  const name = isEnd(a, b) ? comparison : isEnd(b, a) ? MIRRORED[comparison] : undefined;
  const row = ORDER[name ?? ''];
  if (row === undefined) return BOTH;
  const p = isEnd(a, b) ? a : b;
  const way = (more: 0 | 1 | undefined): Way => (more === undefined ? nothing : longer(p, p.offset + more));
  return [way(row[0]), way(row[1])];
}

/** Nothing lies at addresses below this. */
const NULL_PAGE = 1n << 16n;
/** What an unsigned comparison of a pointer with 0 says where it holds, and where not. */
const ZERO_ORDER: Readonly<Record<string, readonly [string, string]>> = {
  jlt: ['never', 'any'], jge: ['any', 'never'], jle: ['null', 'valid'], jgt: ['valid', 'null'],
}; // biome-ignore format: a table

function ways(comparison: string, width: 32 | 64, a: Num | Pointer, b: Num | Pointer): readonly [Way, Way] {
  if (a.kind === 'number' && b.kind === 'number') return numbers(comparison, width, a, b);
  if (width === 32) return BOTH;
  if (a.kind === 'pointer' && b.kind === 'pointer') return pointers(comparison, a, b);
  const [p, zero] = a.kind === 'pointer' ? [a, b as Num] : [b as Pointer, a as Num];
  const ordered = a === p ? ZERO_ORDER[comparison] : undefined;
  const [taken, otherwise] =
    ordered ?? (comparison === 'jeq' ? ['null', 'valid'] : comparison === 'jne' ? ['valid', 'null'] : []);
  if (!isZero(zero.facts) || taken === undefined || otherwise === undefined) return BOTH;
  // Whoever is moved far enough back may come to address 0.
  const kinds: Readonly<Record<string, Way>> = {
    null: p.nullable ? isNull(p) : span(p, 0)[0] > -NULL_PAGE ? undefined : nothing,
    valid: p.nullable ? notNull(p) : nothing,
    any: nothing,
    never: undefined,
  };
  return [kinds[taken], kinds[otherwise]];
}

function jump(state: State, insn: Insn, b: Num | Pointer): Next {
  const { operation, width } = OPS[insn.op];
  const [taken, otherwise] = ways(operation, width as 32 | 64, read(state, insn.dst), b);
  if (taken === undefined && otherwise === undefined) return 'end';
  const target = state.slot + 1 + insn.off;
  if (taken === undefined || otherwise === undefined) {
    state.slot = taken === undefined ? state.slot + 1 : target;
    (taken ?? otherwise)?.(state);
    return 'on';
  }
  const other = state.fork();
  other.slot = target;
  taken(other);
  state.slot += 1;
  otherwise(state);
  return other;
}

/** A round of a bounded iteration was asked for by the function that runs. */
function asked(state: State): void {
  const { length } = state.frames;
  state.rounds = state.rounds.map((round) => ({
    ...round,
    asked: round.asked === 0 ? length : Math.min(round.asked, length),
  }));
}

function enter(c: Checked, state: State, target: number, args: readonly Value[], callback?: Callback): Next {
  if (state.frames.length >= 8 || state.frames.some(({ entry }) => entry === target)) no('calls are too deep');
  if (!c.functions.has(target)) no(`no function begins at ${target}`);
  const caller = state.own();
  caller.registers.fill(undefined, 0, 6);
  const callee = new Frame(target, state.slot, callback);
  callee.registers = [undefined, ...args];
  callee.registers[10] = pointer('stack', { target: state.frames.length });
  callee.owner = state;
  const calls = c.calls.get(caller.entry) ?? new Set();
  c.calls.set(caller.entry, calls.add(target));
  state.frames.push(callee);
  state.slot = target;
  return 'on';
}

/** Back to the caller; what was asked of bounded iterations within is asked anew with each call. */
function leave(state: State): void {
  state.frames.pop();
  const { length } = state.frames;
  state.rounds = state.rounds.map((round) => (round.asked > length ? { ...round, asked: 0 } : round));
}

function leaveCallback(c: Checked, state: State, callback: Callback): Next {
  const { entry, registers } = state.frame;
  const r0 = registers[0];
  if (r0?.kind !== 'number' || r0.facts.full.umax > BigInt(callback.atMost)) return no('return value of a callback');
  if (state.references.some(({ id }) => !callback.held.includes(id))) no('a callback keeps a reference');
  leave(state);
  state.slot = callback.slot;
  finish(state, num(ANY));
  const again = r0.facts.full.umin === 0n && !callback.once ? state.fork() : undefined;
  state.slot += 1;
  if (again === undefined) return 'on';
  // Another round has other numbers, of the same bounds.
  const args = callback.args.map((value) => (value?.kind === 'number' ? num(value.facts) : value));
  enter(c, again, entry, args, callback);
  asked(again);
  return again;
}

/** Goes on behind the call. */
function back(state: State, r0: Value): State {
  state.slot = state.frame.callSite + 1;
  leave(state);
  finish(state, r0);
  return state;
}

function exit(c: Checked, state: State): Next {
  const { callback, registers } = state.frame;
  if (callback !== undefined) return leaveCallback(c, state, callback);
  const r0 = registers[0];
  if (state.frames.length > 1) {
    if (r0?.kind === 'pointer' && r0.region === 'stack' && r0.target === state.frames.length - 1)
      no('the stack is returned');
    back(state, r0);
    return 'on';
  }
  if (r0 === undefined) no('r0 holds nothing');
  if (state.references.length > 0) no('something is not given back');
  for (const { min, max } of c.returns) {
    if (r0?.kind !== 'number') return no('a pointer is returned');
    // A hook looks at the lower half only.
    const { smin, smax, umin, umax } = r0.facts.low;
    if (min < 0n ? smin < min || smax > max : umin < min || umax > max) no('return value');
  }
  return 'end';
}

function symbol(c: Checked, state: State, insn: Insn): Value {
  const map = c.object.maps[insn.imm];
  switch (insn.op) {
    case 'ld_map_idx': return map === undefined ? no('no such map') : pointer('map', { map });
    case 'ld_map_idx_value': {
      if (map?.type !== 'array') return no('address in a map that is no array');
      const writable = !map.frozen && (map.flags & MAP_FLAGS.RDONLY_PROG) === 0;
      return pointer('mapValue', { map, offset: Number((insn.imm64 ?? 0n) >> 32n), writable, id: -1 - insn.imm });
    }
    case 'ld_code_addr': {
      const target = state.slot + 1 + insn.imm;
      return c.functions.has(target) ? pointer('function', { target }) : no(`no function begins at ${target}`);
    }
    case 'ld_var_addr': {
      const { weak } = c.object.externs[insn.imm] ?? no('no such extern');
      return pointer('kernel', { nullable: weak, id: weak ? newId() : 0 });
    }
    default: return no(insn.op);
  } // biome-ignore format: a table
}

function packetLoad(c: Checked, state: State, insn: Insn): Next {
  if (!['socket_filter', 'sched_cls', 'sched_act'].includes(c.spec.type)) no('no packet to load from');
  const ctx = read(state, 6);
  if (ctx.kind !== 'pointer' || ctx.region !== 'ctx' || ctx.offset !== 0) no('r6 must hold the context');
  if (OPS[insn.op].format === 'ld_ind') read(state, insn.src);
  if (state.references.length > 0 || state.frames.length > 1) no('the program may end here');
  finish(state, num(ofWidth(OPS[insn.op].width)));
  return on(state, insn);
}

const immediate = (insn: Insn): Num => num(constant(BigInt(insn.imm)));
const bytes = (insn: Insn): number => OPS[insn.op].width / 8;

function loaded(c: Checked, state: State, insn: Insn): Next {
  const { operation, width } = OPS[insn.op];
  let value = load(c, state, insn.src, insn.off, bytes(insn));
  if (operation === 'ldxs')
    value = value.kind === 'pointer' ? no('a pointer has no sign') : num(signExtend(value.facts, width));
  write(state, insn.dst, value);
  return on(state, insn);
}

function stored(c: Checked, state: State, insn: Insn, value: Num | Pointer): Next {
  store(c, state, insn.dst, insn.off, bytes(insn), value);
  return on(state, insn);
}

function atomically(c: Checked, state: State, insn: Insn): Next {
  const { format } = OPS[insn.op];
  if (read(state, insn.src).kind === 'pointer') no('an atomic operation with a pointer');
  if (format === 'cmpxchg') read(state, 0);
  const old = atomic(c, state, insn.dst, insn.off, bytes(insn));
  if (format !== 'atomic') write(state, format === 'cmpxchg' ? 0 : insn.src, old);
  return on(state, insn);
}

function helperCall(c: Checked, state: State, insn: Insn, number: number): Next {
  const follows = call(c, state, number);
  if (c.platform.helper(number, c.spec.type)?.name === 'tail_call' && state.frames.length > 1) {
    // The program that is gone on with ends this function, not its callers.
    const left = state.fork();
    forgetPackets(left);
    state.slot += 1;
    return back(left, num(ANY));
  }
  if (follows === undefined) return on(state, insn);
  const skipped = state.fork();
  skipped.slot += 1;
  enter(c, state, follows.target, follows.callback.args, follows.callback);
  return skipped;
}

type Step = (c: Checked, state: State, insn: Insn) => Next;
const set =
  (value: (c: Checked, state: State, insn: Insn) => Value): Step =>
  (c, state, insn) => {
    write(state, insn.dst, value(c, state, insn));
    return on(state, insn);
  };
const never: Step = (_c, _state, insn) => no(`${insn.op} is not checked here`);

const STEPS: { readonly [F in Format]: Step } = {
  alu_imm: (_c, state, insn) => binary(state, insn, immediate(insn)),
  alu_reg: (_c, state, insn) => binary(state, insn, read(state, insn.src)),
  mov_imm: set((_c, _state, insn) => num(constant(BigInt(OPS[insn.op].width === 32 ? insn.imm >>> 0 : insn.imm)))),
  mov_reg: set((_c, state, insn) => {
    const value = read(state, insn.src);
    if (OPS[insn.op].width === 64) return value;
    if (value.kind === 'pointer') return num(ofWidth(32));
    return value.facts.full.umax < 1n << 32n ? value : num(low32(value.facts));
  }),
  movsx: set((_c, state, insn) => {
    const { width, fixed } = OPS[insn.op];
    const value = read(state, insn.src);
    if (value.kind === 'pointer') return num(ofWidth(width));
    const facts = signExtend(value.facts, (fixed as { readonly off?: number }).off ?? 32);
    return num(width === 32 ? low32(facts) : facts);
  }),
  neg: (_c, state, insn) => unary(state, insn, (a) => arithmetic('sub', OPS[insn.op].width as 32 | 64, ZERO, a)),
  // Programs run in little-endian form.
  endian: (_c, state, insn) => {
    const { operation, width } = OPS[insn.op];
    return unary(state, insn, (a) => (operation === 'le' ? truncate(a, width) : byteSwap(a, width)));
  },
  cast: never,
  // A helper by the number that a register holds.
  callx: (c, state, insn) => {
    const helper = read(state, insn.dst);
    if (helper.kind === 'pointer' || !isConstant(helper.facts)) return no('call of any function');
    return helperCall(c, state, insn, Number(valueOf(helper.facts)));
  },
  call_kfunc: never,
  goto: (_c, state, insn) => on(state, insn, insn.off),
  gotol: (_c, state, insn) => on(state, insn, insn.imm),
  may_goto: (_c, state, insn) => {
    const over = state.fork();
    over.slot += 1 + insn.off;
    asked(state);
    state.slot += 1;
    return over;
  },
  branch_imm: (_c, state, insn) => jump(state, insn, immediate(insn)),
  branch_reg: (_c, state, insn) => jump(state, insn, read(state, insn.src)),
  call_helper: (c, state, insn) => helperCall(c, state, insn, insn.imm),
  call_local: (c, state, insn) => {
    const target = state.slot + 1 + insn.imm;
    const global = c.spec.functions.some((f) => f.slot === target && f.global);
    if (global && state.references.some(({ what }) => what === 'lock'))
      no('a global function is called with a lock held');
    return enter(c, state, target, state.frame.registers.slice(1, 6));
  },
  exit: (c, state) => exit(c, state),
  ld_imm64: set((_c, _state, insn) => num(constant(insn.imm64 ?? 0n))),
  ld_pseudo: set(symbol),
  ld_pseudo_off: set(symbol),
  ld_abs: packetLoad,
  ld_ind: packetLoad,
  ldx: loaded,
  load_acquire: (c, state, insn) => {
    ordered(state, insn.src, insn.off, bytes(insn));
    return loaded(c, state, insn);
  },
  st: (c, state, insn) => stored(c, state, insn, immediate(insn)),
  stx: (c, state, insn) => stored(c, state, insn, read(state, insn.src)),
  store_release: (c, state, insn) => {
    ordered(state, insn.dst, insn.off, bytes(insn));
    return stored(c, state, insn, read(state, insn.src));
  },
  atomic: atomically,
  atomic_fetch: atomically,
  cmpxchg: atomically,
};

/** Does the instruction at the state's slot. @throws Refusal where the program may not do it */
export function step(c: Checked, state: State): Next {
  const insn = c.insns[state.slot] ?? no('control leaves the code');
  return STEPS[OPS[insn.op as OpName].format](c, state, insn);
}
