// How runs get into a program's code: one run from outside, and a batch of them in a loop.
import { MAX_TAIL_CALLS } from '../../spec/backend.ts';
import type { Address } from '../../spec/memory.ts';
import { MAY_GOTO_LIMIT } from '../limits.ts';
import type { CompiledFunction } from './context.ts';
import { Emitter } from './emitter.ts';
import { I32, I64, VOID } from './encoding.ts';
import { CONTROL, ENTRY, type GlobalName, globalIndex } from './machine.ts';
import type { Signature } from './module.ts';

/** r1 and r2, which hold addresses and sizes, and the base of the frame. */
export const MAIN: Signature = { params: [I32, I32, I32], results: [I64] };
/** Contexts, results, count, budget, base of the frame. */
export const BATCH: Signature = { params: [I32, I32, I32, I32, I32], results: [] };

/** r1. */
export const ENTER: Signature = { params: [I32], results: [I32] };

/**
 * Locals of a main function that it leaves to the batch: with them, its own have the numbers that they have in a function of
 * BATCH's parameters, so that its code stands there as it is.
 */
export const BATCH_LOCALS = BATCH.params.length - MAIN.params.length;

/** Local of the base in a main function. */
const MAIN_BASE = 2;

/** Code of main functions up to this many bytes is put into the batch's loop: a call for each run costs 2 to 4 ns. */
const MOST_INLINED = 16_384;

/** The state of a run, set anew, as far as the program's code looks at it. */
function beginCode(e: Emitter, uses: ReadonlySet<GlobalName>, fuel: number): void {
  if (uses.has('FUEL')) e.get(fuel).setGlobal(globalIndex('FUEL'));
  if (uses.has('TAILS')) e.i32(MAX_TAIL_CALLS).setGlobal(globalIndex('TAILS'));
  if (uses.has('MAY_GOTO')) e.i32(MAY_GOTO_LIMIT).setGlobal(globalIndex('MAY_GOTO'));
  if (uses.has('TAIL')) e.i32(0).setGlobal(globalIndex('TAIL'));
}

/** One run from outside: r1, r2, base of the frame, budget. `short` keeps the lower half, so that no BigInt crosses. */
export function entryCode(main: number, uses: ReadonlySet<GlobalName>, short: boolean): Emitter {
  const e = new Emitter(4);
  // After a long one the host reads from it what the run took.
  beginCode(e, short ? uses : new Set<GlobalName>([...uses, 'FUEL']), 3);
  e.get(0).get(1).get(2).call(main);
  if (short) e.op('i32.wrap_i64');
  return e.op('end');
}

/** Where a run that comes in without the host tells it of itself, and what it has that the host would give otherwise. */
export interface Entering {
  readonly id: number;
  /** Addresses of the control block, and of what the entry says of its runs (machine.ts: CONTROL, ENTRY). */
  readonly control: Address;
  readonly at: Address;
  readonly base: Address;
  readonly fuel: number;
}

/** One run from outside that the host does not begin. @param calls whether the code may call the host */
export function enterCode(main: number, uses: ReadonlySet<GlobalName>, calls: boolean, entering: Entering): Emitter {
  const { id, control, at, base, fuel } = entering;
  const e = new Emitter(1);
  const left = e.local(I32);
  if (uses.has('FUEL')) e.i32(fuel).set(left);
  beginCode(e, uses, left);
  if (calls) {
    e.i32(0)
      .i32(id)
      .memory('i32.store', control + CONTROL.ENTERED);
    e.i32(0)
      .get(0)
      .memory('i32.store', at + ENTRY.WITH);
    const count = at + ENTRY.COUNT;
    e.i32(0).i32(0).memory('i32.load', count).i32(1).op('i32.add').memory('i32.store', count);
  }
  return e.get(0).i32(0).i32(base).call(main).op('i32.wrap_i64').op('end');
}

/** A batch's function; `body`: where it holds main's code, from where in it to where in main's. */
export interface BatchFunction {
  readonly emitter: Emitter;
  readonly inlined: { readonly from: number; readonly at: number } | undefined;
}

/**
 * Runs main once for each context and keeps the lower half of each result.
 *
 * @param check where the address of a record that a run leaves behind is, and what is called then
 */
export function batchCode(
  main: number,
  compiled: CompiledFunction,
  uses: ReadonlySet<GlobalName>,
  check?: { readonly record: Address; readonly leave: number },
): BatchFunction {
  const [contexts, results, count, fuel, base] = [0, 1, 2, 3, 4];
  const e = new Emitter(BATCH.params.length);
  const { body } = compiled;
  const inlined = body !== undefined && body.to - body.from <= MOST_INLINED ? body : undefined;
  if (inlined !== undefined) for (const type of compiled.emitter.locals.slice(BATCH_LOCALS)) e.local(type);
  e.block(VOID).get(count).op('i32.eqz').brIf(0);
  // One address goes up: few registers, few instructions. Where main has its base, the batch has its count, which is not needed then.
  const end = inlined === undefined ? count : base;
  e.get(count).i32(4).op('i32.mul').get(contexts).op('i32.add');
  if (inlined !== undefined) e.get(base).set(MAIN_BASE);
  e.set(end).get(results).get(contexts).op('i32.sub').set(results);
  e.loop(VOID);
  beginCode(e, uses, fuel);
  if (uses.has('CONTEXT')) e.get(contexts).setGlobal(globalIndex('CONTEXT'));
  e.get(contexts).get(results).op('i32.add').get(contexts).memory('i32.load');
  let at: number | undefined;
  if (inlined === undefined) e.i32(0).get(base).call(main);
  else {
    e.op('i64.extend_i32_u').set(inlined.r1);
    // As a function that begins has them.
    for (const local of inlined.cleared) if (local !== inlined.r1) e.i64Small(0).set(local);
    e.block(I64);
    at = e.code.length;
    e.code.raw(compiled.emitter.code.data.subarray(inlined.from, inlined.to));
    e.op('end');
  }
  e.op('i32.wrap_i64').memory('i32.store');
  if (check !== undefined) e.i32(0).memory('i32.load', check.record).if(VOID).call(check.leave).op('end');
  e.get(contexts).i32(4).op('i32.add').tee(contexts).get(end).op('i32.ne').brIf(0).op('end').op('end').op('end');
  return { emitter: e, inlined: at === undefined || inlined === undefined ? undefined : { from: inlined.from, at } };
}
