// What one instruction does to a state: one row a format of the instruction set.
import {
  callDepth,
  contextAccess,
  divisionByZero,
  helperMap,
  lockRule,
  packetLoad,
  recursion,
  referenceLeak,
  returnValue,
  uninitialisedRegister,
  unsupportedInsn,
  writesFramePointer,
} from '../base/messages/verify.ts';
import { type Insn, slotsOf } from '../isa/insn.ts';
import { type Format, opRow } from '../isa/opcodes.ts';
import { type Access, atomic, describeValue, load, ordered, store } from './access.ts';
import { finish, invalidatePackets } from './after-call.ts';
import { ways } from './branch.ts';
import { callHelper, type CallOutcome, callRow } from './helper.ts';
import { callKfunc } from './kfunc.ts';
import {
  type BinaryOperation,
  arithmetic32,
  arithmetic64,
  byteSwap,
  negate,
  signExtend,
  truncate,
} from './number/arithmetic.ts';
import type { Comparison } from './number/compare.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import * as N from './number/scalar.ts';
import { newId, Scalar } from './number/scalar.ts';
import * as T from './number/tnum.ts';
import { pointerOperation } from './pointer-arithmetic.ts';
import { noteCompared } from './widen.ts';
import { Frame, markPrecise, MAX_FRAMES, type State } from './state.ts';
import { pointer, type Value } from './value.ts';
import { anyNumber, loaded, noteSum, number, placeAt, refuse, type Walk, warn } from './walk.ts';

/** What follows an instruction: the state goes on where it stands, ends, or goes on as two. */
export type Next = 'on' | 'end' | { readonly fork: State };

type Step = (walk: Walk, state: State, insn: Insn) => Next;

/** The value of a register that must hold one. */
export function read(walk: Walk, state: State, register: number): Exclude<Value, undefined> {
  const value = state.register(register);
  if (value === undefined) return refuse(walk, uninitialisedRegister(placeAt(walk, state.slot), register), register);
  return value;
}

function write(walk: Walk, state: State, register: number, value: Value): void {
  if (register === 10) refuse(walk, writesFramePointer(placeAt(walk, state.slot)), 10);
  state.set(register, value);
}

const forward = (state: State, insn: Insn, by = 0): Next => {
  state.slot += slotsOf(insn.op) + by;
  return 'on';
};

const immediate = (state: State, insn: Insn): Scalar => number(state, N.constant(insn.imm));

/** Largest sum that keeps two numbers tied by their distance. */
const FAR = 2 ** 40;

/** A number that differs from another by a constant stays tied to it, where nothing wraps. */
function tied(state: State, a: Scalar, b: Scalar, bounds: N.Bounds, by: number, width: 32 | 64): Scalar | undefined {
  const { smin, smax, umax } = a.r64;
  if (Math.abs(by) > FAR || Math.abs(a.delta + by) > FAR) return undefined;
  const wraps =
    width === 64 ? smin <= -N.LIMIT || smax >= N.LIMIT : umax >= 2 ** 32 || umax + by >= 2 ** 32 || a.r64.umin + by < 0;
  if (wraps) return undefined;
  return new Scalar(bounds, a.id, a.delta + by, state.slot, a, b);
}

/** With a divisor of 0 they have a defined result (RFC 9669), and yet Linux refuses a constant one. */
const DIVISIONS: ReadonlySet<BinaryOperation> = new Set(['div', 'mod', 'sdiv', 'smod']);

function binary(walk: Walk, state: State, insn: Insn, b: Exclude<Value, undefined>): Next {
  const { operation, width } = opRow(insn.op);
  const op = operation as BinaryOperation;
  const a = read(walk, state, insn.dst);
  if (DIVISIONS.has(op) && b.kind === 'scalar' && insn.imm === 0 && opRow(insn.op).format === 'alu_imm') {
    warn(walk, divisionByZero(placeAt(walk, state.slot), op), insn.dst, a);
  }
  let result: Value;
  if (a.kind === 'pointer' || b.kind === 'pointer') {
    result = pointerOperation(walk, state, op, width as 32 | 64, a, b, insn.dst);
  } else {
    const bounds = width === 64 ? arithmetic64(op, a, b) : arithmetic32(op, a, b);
    let kept: Scalar | undefined;
    if ((op === 'add' || op === 'sub') && N.isConstant(b) && !N.isConstant(a)) {
      kept = tied(state, a, b, bounds, op === 'add' ? N.valueOf(b) : -N.valueOf(b), width as 32 | 64);
    } else if (op === 'rsh' && width === 64) kept = extendedByShifts(walk, state, a, b);
    const computed = kept ?? number(state, bounds, a, b);
    if (op === 'add' && (width === 64 || a.r64.umax + b.r64.umax < 2 ** 32)) noteSum(walk, computed, a, b);
    result = computed;
  }
  write(walk, state, insn.dst, result);
  return forward(state, insn);
}

/** `x << k` and then `>> k` of a number that has room for it is that number. */
function extendedByShifts(walk: Walk, state: State, a: Scalar, b: Scalar): Scalar | undefined {
  const before = walk.program.insns[a.at];
  // Only what the shift itself made comes from both of its operands; copies and narrowed numbers come from it.
  const { from: x, also: by } = a;
  if (before?.op !== 'lsh64_imm' || x === undefined || by === undefined) return undefined;
  if (before.imm === 0 || by.at !== a.at || !N.isExactly(by, before.imm) || !N.isExactly(b, before.imm))
    return undefined;
  return x.r64.umax < 2 ** Math.min(53, 64 - before.imm) ? new Scalar(x, x.id, x.delta, state.slot, x, b) : undefined;
}

const mov: Step = (walk, state, insn) => {
  const value = read(walk, state, insn.src);
  const { width } = opRow(insn.op);
  let result: Value = value;
  if (width === 32) {
    if (value.kind === 'pointer') result = loaded(state, 4);
    else if (value.r64.umax >= 2 ** 32) result = number(state, N.low32(value), value);
  }
  write(walk, state, insn.dst, result);
  return forward(state, insn);
};

const movsx: Step = (walk, state, insn) => {
  const value = read(walk, state, insn.src);
  const row = opRow(insn.op);
  const from = row.fixed as { readonly off?: number };
  let result: Value;
  if (value.kind === 'pointer') result = row.width === 64 ? anyNumber(state) : loaded(state, 4);
  else {
    const bounds = signExtend(value, from.off ?? 32);
    result = number(state, row.width === 32 ? N.low32(bounds) : bounds, value);
  }
  write(walk, state, insn.dst, result);
  return forward(state, insn);
};

const ENDIAN: Readonly<Record<string, (a: N.Bounds, width: 16 | 32 | 64) => N.Bounds>> = {
  // Programs run in little-endian form.
  le: truncate,
  be: byteSwap,
  bswap: byteSwap,
};

const unary =
  (compute: (insn: Insn, a: Scalar) => N.Bounds): Step =>
  (walk, state, insn) => {
    const a = read(walk, state, insn.dst);
    if (a.kind === 'pointer') pointerOperation(walk, state, 'xor', 64, a, a, insn.dst);
    else write(walk, state, insn.dst, number(state, compute(insn, a), a));
    return forward(state, insn);
  };

const branchOn = (walk: Walk, state: State, insn: Insn, a: Value, b: Value): Next => {
  const { operation, width } = opRow(insn.op);
  const { slot } = state;
  if (walk.compared !== undefined && a?.kind === 'scalar' && b?.kind === 'scalar') noteCompared(walk.compared, a, b);
  const { taken, otherwise } = ways(operation as Comparison, width as 32 | 64, a, b, slot);
  const target = slot + 1 + insn.off;
  if (taken === undefined && otherwise === undefined) return 'end';
  if (taken === undefined || otherwise === undefined) {
    const only = taken ?? otherwise;
    state.slot = taken === undefined ? slot + 1 : target;
    state.path = { slot, taken: taken !== undefined, before: state.path };
    only?.(state);
    return 'on';
  }
  const other = state.fork();
  other.slot = target;
  other.path = { slot, taken: true, before: state.path };
  taken(other);
  state.slot = slot + 1;
  state.path = { slot, taken: false, before: state.path };
  otherwise(state);
  return { fork: other };
};

/** A load's number as the instruction leaves it in the register. */
function extended(walk: Walk, state: State, insn: Insn, value: Value): Value {
  const { operation, width } = opRow(insn.op);
  if (operation !== 'ldxs' || value === undefined) return value;
  if (value.kind === 'pointer') {
    const why = 'a pointer has no sign to extend';
    const place = placeAt(walk, state.slot);
    return refuse(walk, contextAccess(place, 'the context', 'read', insn.off, width / 8, why), insn.src, value);
  }
  return number(state, signExtend(value, width), value);
}

const atomicStep: Step = (walk, state, insn) => {
  const { format, width } = opRow(insn.op);
  const value = read(walk, state, insn.src);
  if (format === 'cmpxchg') read(walk, state, 0);
  if (value.kind === 'pointer')
    refuse(
      walk,
      unsupportedInsn(placeAt(walk, state.slot), 'a pointer as the operand of an atomic operation'),
      insn.src,
      value,
    );
  const old = atomic(walk, state, { register: insn.dst, off: insn.off, size: width / 8, kind: 'atomic' });
  if (format === 'atomic_fetch') write(walk, state, insn.src, old);
  else if (format === 'cmpxchg') write(walk, state, 0, old);
  return forward(state, insn);
};

/** Loads of the packet that end the program where it is too short. */
const packetLoadStep: Step = (walk, state, insn) => {
  const place = placeAt(walk, state.slot);
  if (!['socket_filter', 'sched_cls', 'sched_act'].includes(walk.spec.type)) {
    refuse(walk, packetLoad(place, `${walk.spec.type} programs have no packet for ld_abs and ld_ind`));
  }
  const ctx = read(walk, state, 6);
  if (ctx.kind !== 'pointer' || ctx.region !== 'ctx' || ctx.offset !== 0)
    refuse(walk, packetLoad(place, `r6 must hold the context, it is ${describeValue(ctx)}`), 6, ctx);
  if (opRow(insn.op).format === 'ld_ind') read(walk, state, insn.src);
  const held = state.references[0];
  if (held !== undefined) refuse(walk, packetLoad(place, `the program may end here while a ${held.what} is held`));
  if (state.depth > 0) refuse(walk, packetLoad(place, 'it would end a subprogram'));
  finish(state, loaded(state, opRow(insn.op).width / 8));
  return forward(state, insn);
};

const constantStep: Step = (walk, state, insn) => {
  write(walk, state, insn.dst, number(state, N.exactly(T.constantOf(insn.imm64 ?? 0n))));
  return forward(state, insn);
};

/** Symbolic immediates. */
const reference: Step = (walk, state, insn) => {
  const { object } = walk;
  const at = state.slot;
  const no = (what: string): never => refuse(walk, unsupportedInsn(placeAt(walk, at), what));
  switch (insn.op) {
    case 'ld_map_idx': {
      const map = object.maps[insn.imm];
      if (map === undefined) return no(`map ${insn.imm}, which the object does not have,`);
      write(walk, state, insn.dst, pointer('map', at, { map }));
      break;
    }
    case 'ld_map_idx_value': {
      const map = object.maps[insn.imm];
      if (map === undefined) return no(`map ${insn.imm}, which the object does not have,`);
      if (map.type !== 'array')
        refuse(walk, helperMap(placeAt(walk, at), 'the address of a value', map.type, map.name));
      const offset = Number((insn.imm64 ?? 0n) >> 32n);
      const writable = !map.frozen && (map.flags & MAP_FLAGS.RDONLY_PROG) === 0;
      write(walk, state, insn.dst, pointer('mapValue', at, { map, offset, writable, id: -1 - insn.imm }));
      break;
    }
    case 'ld_code_addr': {
      const target = at + 1 + insn.imm;
      if (!walk.program.functions.has(target)) return no(`the address of code at ${target}`);
      write(walk, state, insn.dst, pointer('function', at, { target }));
      break;
    }
    case 'ld_var_addr': {
      const extern = object.externs[insn.imm];
      if (extern === undefined) return no(`extern ${insn.imm}, which the object does not have,`);
      write(walk, state, insn.dst, pointer('kernel', at, { nullable: extern.weak, id: extern.weak ? newId() : 0 }));
      break;
    }
    default:
      return no(insn.op);
  }
  return forward(state, insn);
};

/** Enters a function: r1 to r5 are its arguments, the caller keeps r6 to r9. */
export function enter(
  walk: Walk,
  state: State,
  target: number,
  registers: readonly Value[],
  frame?: Frame['callback'],
): Next {
  const { slot } = state;
  const place = placeAt(walk, slot);
  if (!walk.program.functions.has(target))
    refuse(walk, unsupportedInsn(place, `a call of ${target}, where no function begins,`));
  if (state.frames.length >= MAX_FRAMES) refuse(walk, callDepth(place, MAX_FRAMES));
  if (state.frames.some((f) => f.entry === target)) refuse(walk, recursion(place, target));
  const caller = state.own();
  const live = walk.program.live[slot + 1];
  for (let r = 0; r < 10; r++) if (r < 6 || ((live >>> r) & 1) === 0) caller.registers[r] = undefined;
  const own: Value[] = [undefined, ...registers];
  while (own.length < 10) own.push(undefined);
  own.push(pointer('stack', slot, { target: state.frames.length }));
  const callee = new Frame(target, slot, own, [], frame);
  callee.owner = state;
  state.frames.push(callee);
  state.slot = target;
  walk.calls.set(`${caller.entry}:${target}`, [caller.entry, target]);
  return 'on';
}

const callLocal: Step = (walk, state, insn) => {
  const { registers } = state.frame;
  const target = state.slot + 1 + insn.imm;
  // Linux verifies global functions by themselves, where nothing says what their callers hold.
  const held = state.references.find(({ what }) => what === 'lock' || what === 'preempt' || what === 'irq');
  if (held !== undefined && walk.spec.functions.some((f) => f.slot === target && f.global))
    refuse(walk, lockRule(placeAt(walk, state.slot), `a global function is called while a ${held.what} is held`));
  return enter(walk, state, target, registers.slice(1, 6));
};

const helperStep: Step = (walk, state, insn) => {
  const { callback, leaves } = callHelper(walk, state, insn);
  if (leaves === true) {
    // The program that is gone on with ends this function, not its callers.
    const left = state.fork();
    invalidatePackets(left);
    leaveFunction(left, anyNumber(left));
    state.slot += 1;
    return { fork: left };
  }
  return callback === undefined ? forward(state, insn) : calledBack(walk, state, callback);
};

/** The function that a helper calls runs, or the helper does not call it. */
function calledBack(walk: Walk, state: State, callback: NonNullable<CallOutcome['callback']>): Next {
  const skipped = state.fork();
  skipped.slot += 1;
  enter(walk, state, callback.slot, callback.registers, callback.frame);
  return { fork: skipped };
}

/** A helper by the number that a register holds. */
const callRegister: Step = (walk, state, insn) => {
  const helper = read(walk, state, insn.dst);
  if (helper.kind !== 'scalar' || !N.isConstant(helper)) {
    const what = `a call of what r${insn.dst} holds, ${describeValue(helper)},`;
    return refuse(walk, unsupportedInsn(placeAt(walk, state.slot), what), insn.dst, helper);
  }
  markPrecise(helper);
  return helperStep(walk, state, { ...insn, imm: N.valueOf(helper) });
};

/** The callback's next round, or the end of the helper that called it. */
function leaveCallback(walk: Walk, state: State, r0: Value): Next {
  const { callback, entry } = state.frame;
  if (callback === undefined) throw new Error('not in a callback');
  const place = placeAt(walk, state.slot);
  const allowed = callback.returnsAtMost === 0 ? '0' : `0 to ${callback.returnsAtMost}`;
  if (r0?.kind !== 'scalar') return refuse(walk, returnValue(place, describeValue(r0), allowed), 0, r0);
  markPrecise(r0);
  if (r0.r64.umax > callback.returnsAtMost) refuse(walk, returnValue(place, N.describeBounds(r0), allowed), 0, r0);
  const held = state.references.find((ref) => !callback.held.includes(ref.id));
  if (held !== undefined) refuse(walk, referenceLeak(place, held.what, held.at));
  state.frames.pop();
  state.slot = callback.slot;
  finish(state, anyNumber(state));
  const again = r0.r64.umin === 0 && !callback.once ? state.fork() : undefined;
  state.slot = callback.slot + 1;
  if (again === undefined) return 'on';
  again.boundedAt = walk.visits;
  // Another round has other numbers, of the same bounds.
  const args = callback.args.map((value) => (value?.kind === 'scalar' ? number(again, value, value) : value));
  enter(walk, again, entry, args, callback);
  return { fork: again };
}

/** Goes back to behind the call. */
function leaveFunction(state: State, r0: Value): void {
  const { callSite } = state.frame;
  state.frames.pop();
  finish(state, r0);
  state.slot = callSite + 1;
}

const exit: Step = (walk, state) => {
  const place = placeAt(walk, state.slot);
  const r0 = state.register(0);
  if (state.frame.callback !== undefined) return leaveCallback(walk, state, r0);
  if (state.depth > 0) {
    if (r0?.kind === 'pointer' && r0.region === 'stack' && r0.target === state.depth) {
      refuse(
        walk,
        returnValue(place, 'a pointer to the stack of the function that ends', 'something that is there afterwards'),
        0,
        r0,
      );
    }
    leaveFunction(state, r0);
    return 'on';
  }
  read(walk, state, 0);
  const held = state.references[0];
  if (held !== undefined) refuse(walk, referenceLeak(place, held.what, held.at));
  if (walk.spec.dialect === 'windows' && r0?.kind === 'pointer')
    refuse(walk, returnValue(place, describeValue(r0), 'a number'), 0, r0);
  for (const rule of walk.returns) {
    const min = Number(rule.min);
    const max = Number(rule.max);
    const allowed = min === max ? `${min}` : `${min} to ${max}`;
    if (r0?.kind !== 'scalar') return refuse(walk, returnValue(place, describeValue(r0), allowed), 0, r0);
    markPrecise(r0);
    const signed = min < 0;
    // A hook looks at the lower half only.
    const { smin, smax, umin, umax } = r0.r32;
    if (signed ? smin < min || smax > max : umin < min || umax > max)
      refuse(walk, returnValue(place, N.describeBounds(r0), allowed), 0, r0);
  }
  return 'end';
};

const STEPS: { readonly [F in Format]: Step } = {
  alu_imm: (walk, state, insn) => binary(walk, state, insn, immediate(state, insn)),
  alu_reg: (walk, state, insn) => binary(walk, state, insn, read(walk, state, insn.src)),
  mov_imm: (walk, state, insn) => {
    const { width } = opRow(insn.op);
    write(walk, state, insn.dst, number(state, N.constant(width === 32 ? insn.imm >>> 0 : insn.imm)));
    return forward(state, insn);
  },
  mov_reg: mov,
  movsx,
  neg: unary((insn, a) => negate(a, opRow(insn.op).width as 32 | 64)),
  endian: unary((insn, a) => ENDIAN[opRow(insn.op).operation](a, opRow(insn.op).width as 16 | 32 | 64)),
  cast: (walk, state) =>
    refuse(walk, unsupportedInsn(placeAt(walk, state.slot), 'a cast between address spaces (arena)')),
  goto: (_walk, state, insn) => forward(state, insn, insn.off),
  gotol: (_walk, state, insn) => forward(state, insn, insn.imm),
  may_goto: (walk, state, insn) => {
    const other = state.fork();
    other.slot += 1 + insn.off;
    state.boundedAt = walk.visits;
    state.slot += 1;
    return { fork: other };
  },
  branch_imm: (walk, state, insn) => branchOn(walk, state, insn, read(walk, state, insn.dst), immediate(state, insn)),
  branch_reg: (walk, state, insn) =>
    branchOn(walk, state, insn, read(walk, state, insn.dst), read(walk, state, insn.src)),
  call_helper: helperStep,
  call_local: callLocal,
  call_kfunc: (walk, state, insn) => {
    // What a third party brought has a helper's prototype, and nothing else to it.
    const given = walk.platform.kfunc(walk.object.externs[insn.imm]?.name ?? '');
    if (given !== undefined) {
      const { callback } = callRow(walk, state, given);
      return callback === undefined ? forward(state, insn) : calledBack(walk, state, callback);
    }
    const done = callKfunc(walk, state, insn);
    return 'callback' in done ? calledBack(walk, state, done.callback) : done.next;
  },
  callx: callRegister,
  exit,
  ld_imm64: constantStep,
  ld_pseudo: reference,
  ld_pseudo_off: reference,
  ld_abs: packetLoadStep,
  ld_ind: packetLoadStep,
  ldx: (walk, state, insn) => {
    const value = load(walk, state, {
      register: insn.src,
      off: insn.off,
      size: opRow(insn.op).width / 8,
      kind: 'read',
    });
    write(walk, state, insn.dst, extended(walk, state, insn, value));
    return forward(state, insn);
  },
  st: (walk, state, insn) => {
    read(walk, state, insn.dst);
    store(
      walk,
      state,
      { register: insn.dst, off: insn.off, size: opRow(insn.op).width / 8, kind: 'write' },
      immediate(state, insn),
    );
    return forward(state, insn);
  },
  stx: (walk, state, insn) => {
    read(walk, state, insn.dst);
    const value = read(walk, state, insn.src);
    store(walk, state, { register: insn.dst, off: insn.off, size: opRow(insn.op).width / 8, kind: 'write' }, value);
    return forward(state, insn);
  },
  atomic: atomicStep,
  atomic_fetch: atomicStep,
  cmpxchg: atomicStep,
  load_acquire: (walk, state, insn) => {
    const access: Access = { register: insn.src, off: insn.off, size: opRow(insn.op).width / 8, kind: 'read' };
    ordered(walk, state, access);
    write(walk, state, insn.dst, load(walk, state, access));
    return forward(state, insn);
  },
  store_release: (walk, state, insn) => {
    const value = read(walk, state, insn.src);
    const access: Access = { register: insn.dst, off: insn.off, size: opRow(insn.op).width / 8, kind: 'write' };
    ordered(walk, state, access);
    store(walk, state, access, value);
    return forward(state, insn);
  },
};

/** Does the instruction at the state's slot. @throws AnyBpfError verify/* where the program may not do it */
export const step = (walk: Walk, state: State, insn: Insn): Next => STEPS[opRow(insn.op).format](walk, state, insn);
