// What engines promise that check every access and call: where and why a run is aborted, what the budget counts, how calls go.
import { describe, expect, test } from 'vitest';
import { AnyBpfError, type Diagnostic } from '../../src/base/diagnostic.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { Backend } from '../../src/spec/backend.ts';
import { helper, type HelperRow } from '../../src/spec/helper.ts';
import { type Setting, start } from './support.ts';

function abortOf(body: () => unknown): Diagnostic {
  try {
    body();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.diagnostic;
    throw error;
  }
  throw new Error('it was not aborted');
}

/** A read-only region of 16 bytes and a row of two 8-byte elements, 24 bytes apart. */
function withRegions(): { memory: LinearMemory; fixed: number; row: number } {
  const memory = new LinearMemory();
  const fixed = memory.alloc(16);
  memory.addRegion({ base: fixed, size: 16, kind: 'kernel', name: 'fixed', writable: false });
  const row = memory.alloc(48);
  memory.addRegion({ base: row, size: 48, kind: 'map-value', name: 'row', writable: true, stride: 24, slot: 8 });
  return { memory, fixed, row };
}

/** A program whose function calls the next, n calls deep. */
const chain = (n: number): string =>
  `${Array.from({ length: n }, (_, i) => `f${i}:\n call f${i + 1}\n exit`).join('\n')}\n f${n}:\n r0 = 1\n exit`;

/**
 * @param stepped the engine knows of each step: counts instructions, runs what has no exit as far as it goes, and has no window into
 *   the stacks of functions that have returned (compiled code has: they are still the program's own stack)
 */
export function testCheckedEngine(backend: Backend, { stepped }: { readonly stepped: boolean }): void {
  const prepare = (setting: Omit<Setting, 'backend'>) => start({ backend, ...setting });
  const run = (text: string, setting: Partial<Setting> = {}): bigint => prepare({ programs: [text], ...setting }).run();

  describe('a run is aborted', () => {
    const { memory, fixed, row } = withRegions();
    test.each([
      ['NULL', 'r1 = 0\n r0 = *(u8 *)(r1 + 0)', 'run/bad-access', 1, /NULL/],
      ['a number', 'r1 = -1 ll\n r0 = *(u64 *)(r1 + 0)', 'run/bad-access', 2, /no address/],
      ['an address of nothing', 'r1 = 16\n r0 = *(u64 *)(r1 + 0)', 'run/bad-access', 1, /belongs to nothing/],
      ['above the stack', 'r0 = *(u8 *)(r10 + 0)', 'run/bad-access', 0, /r10\+0|of stack/],
      ['across the top of the stack', '*(u64 *)(r10 - 4) = 0', 'run/bad-access', 0, /r10-4|of stack/],
      ['below the stack', '*(u8 *)(r10 - 513) = 0', 'run/bad-access', 0, /belongs to nothing|past the end|of stack/],
      [
        'a store to read-only memory',
        `r1 = ${fixed}\n *(u8 *)(r1 + 0) = 1`,
        'run/bad-access',
        1,
        /kernel fixed is read-only/,
      ],
      [
        'an atomic on read-only memory',
        `r1 = ${fixed}\n lock *(u32 *)(r1 + 0) += r1`,
        'run/bad-access',
        1,
        /read-only/,
      ],
      [
        'past the end of a region',
        `r1 = ${fixed}\n r0 = *(u64 *)(r1 + 9)`,
        'run/bad-access',
        1,
        /byte 9 of kernel fixed/,
      ],
      [
        'just behind a region',
        `r1 = ${fixed}\n r0 = *(u8 *)(r1 + 16)`,
        'run/bad-access',
        1,
        /0 bytes past the end of kernel fixed/,
      ],
      [
        'between two elements',
        `r1 = ${row}\n r0 = *(u8 *)(r1 + 8)`,
        'run/bad-access',
        1,
        /byte 8 of map-value row, which has 8/,
      ],
      [
        'across the end of an element',
        `r1 = ${row}\n *(u32 *)(r1 + 30) = 1`,
        'run/bad-access',
        1,
        /byte 6 of map-value row/,
      ],
      ['a misaligned atomic', 'r1 = 1\n lock *(u64 *)(r10 - 12) += r1', 'run/misaligned-atomic', 1, /multiple/],
      ['a misaligned release', 'r1 = 1\n store_release((u32 *)(r10 - 6), r1)', 'run/misaligned-atomic', 1, /multiple/],
      ['an atomic that is misaligned and nowhere', 'r1 = 5\n lock *(u64 *)(r1 + 0) += r1', 'run/bad-access', 1, /0x5/],
      [
        'an atomic that is misaligned and beyond all memory',
        'r1 = 0x7ffffffffffffffc ll\n lock *(u64 *)(r1 - 1) ^= r1',
        'run/bad-access',
        2,
        /write 8 bytes/,
      ],
      ['an endless loop', 'again:\n goto again', 'run/budget', 0, /budget/],
      ['endless recursion', 'f:\n call f\n exit', 'run/call-depth', 0, /8/],
      ['a helper that is missing', 'call 77\n exit', 'run/missing-helper', 0, /helper 77/],
      ['a kfunc that is missing', 'call kfunc(3, 0)\n exit', 'run/missing-kfunc', 0, /extern 3/],
      ['a call of a number', 'r1 = -5 ll\n callx r1\n exit', 'run/bad-call-target', 2, /neither/],
      ['a packet load without a packet', 'r6 = r1\n r0 = *(u8 *)skb[0]\n exit', 'run/bad-packet-load', 1, /no packet/],
      ['an arena cast', 'r1 = addr_space_cast(r1, 0, 1)\n exit', 'run/no-arena', 0, /arena/],
    ])('%s', (_, text, code, insn, message) => {
      const diagnostic = abortOf(() => run(`${text}\n exit`, { memory }));
      expect(diagnostic).toMatchObject({ code, place: { program: 'program0', insn } });
      expect(diagnostic.message).toMatch(message);
    });

    test('running off the end, at once or when the code is loaded', () => {
      const code = stepped ? 'run/fell-off' : 'flow/no-exit';
      expect(abortOf(() => run('r0 = 1'))).toMatchObject({ code });
    });

    test('with the source line, where there is one', () => {
      const lines = [
        { slot: 0, file: 'a.c', line: 3, column: 1, text: 'int x = 1;' },
        { slot: 2, file: 'a.c', line: 7, column: 5, text: 'return *p;' },
      ];
      const at = (text: string) => abortOf(() => run(`${text}\n exit`, { lines })).place.source;
      expect(at('r1 = 0\n r0 = *(u8 *)(r1 + 0)')).toEqual({ file: 'a.c', line: 3, column: 1, text: 'int x = 1;' });
      expect(at('r1 = 0\n r2 = 0\n r3 = 0\n r0 = *(u8 *)(r1 + 0)')).toMatchObject({ line: 7 });
    });

    test.runIf(stepped)('after exactly the budget', () => {
      const loop = 'r0 = 0\n again:\n r0 += 1\n if r0 < 10 goto again\n exit';
      expect(run(loop, { budget: 22 })).toBe(10n);
      expect(abortOf(() => run(loop, { budget: 21 })).code).toBe('run/budget');
    });

    test('and the next run starts afresh', () => {
      const program = prepare({ programs: ['*(u8 *)(r10 - 1) = 9\n r1 = *(u8 *)(r10 - 513)\n exit'] });
      for (let i = 0; i < 3; i++) expect(abortOf(() => program.run())).toMatchObject({ place: { insn: 1 } });
    });
  });

  describe('code is refused', () => {
    test.each([
      ['no instructions', '; nothing', 'run/empty-program'],
      ['a jump past the end', 'goto +1\n exit', 'run/jump-outside'],
      ['a jump before the start', 'goto -2\n exit', 'run/jump-outside'],
      ['a jump into a wide instruction', 'goto +1\n r0 = 1 ll\n exit', 'run/jump-outside'],
      ['a call past the end', 'call pc+7\n exit', 'run/jump-outside'],
      ['the address of no function', 'r1 = code_addr(9) ll\n exit', 'run/jump-outside'],
      ['a map that is missing', 'r1 = map_by_idx(1) ll\n exit', 'run/missing-map'],
      ['a byte outside a map', 'r1 = map_val(map_by_idx(0)) + 8 ll\n exit', 'run/missing-map-value'],
      ['an extern that is missing', 'r1 = var_addr(0) ll\n exit', 'run/missing-extern'],
      ['a map by file descriptor', 'r1 = map_by_fd(5) ll\n exit', 'run/unlinked-reference'],
      ['a map value by file descriptor', 'r1 = map_val(map_by_fd(5)) + 0 ll\n exit', 'run/unlinked-reference'],
      ['a write to the frame pointer', 'r10 = 5\n exit', 'run/frame-pointer'],
      ['an exchange into the frame pointer', 'r10 = xchg_64(r1 + 0, r10)\n exit', 'run/frame-pointer'],
    ])('%s', (_, text, code) => {
      const maps = [{ handle: 0x5000, value: 0x6000, size: 8 }];
      expect(abortOf(() => prepare({ programs: [text], maps })).code).toBe(code);
    });
  });

  test('references get the values that the image gives', () => {
    const maps = [{ handle: 0x5000, value: 0x6000, size: 8 }];
    const externs = [0xffff_ffff_8100_0000n];
    expect(run('r0 = map_by_idx(0) ll\n exit', { maps })).toBe(0x5000n);
    expect(run('r0 = map_val(map_by_idx(0)) + 7 ll\n exit', { maps })).toBe(0x6007n);
    expect(run('r0 = var_addr(0) ll\n exit', { externs })).toBe(externs[0]);
  });

  describe('functions of the program', () => {
    test('keep r6 to r9 and r10 of the caller, and have stacks of their own', () => {
      const text = `
      r6 = 6
      r9 = 9
      *(u64 *)(r10 - 8) = 77
      r1 = r10
      call callee
      r0 += r6
      r0 += r9
      r1 = *(u64 *)(r10 - 8)
      r0 += r1
      exit
    callee:
      r6 = 600
      r9 = 900
      r0 = *(u64 *)(r10 - 8)
      *(u64 *)(r10 - 8) = 5
      r2 = *(u64 *)(r1 - 8)
      r0 += r2
      exit`;
      // the callee's own stack is zero, and it reads 77 through the pointer
      expect(run(text)).toBe(77n + 6n + 9n + 77n);
    });

    test.runIf(stepped)('lose their stack when they return', () => {
      const text = 'call f\n r1 = *(u8 *)(r0 + 0)\n exit\n f:\n r0 = r10\n r0 += -8\n exit';
      expect(abortOf(() => run(text))).toMatchObject({ code: 'run/bad-access', place: { insn: 1 } });
    });

    test('may be 8 deep', () => {
      expect(run(chain(7))).toBe(1n);
      expect(abortOf(() => run(chain(8))).code).toBe('run/call-depth');
    });

    test('may be called by address', () => {
      expect(run('r3 = f ll\n r1 = 20\n callx r3\n exit\n f:\n r0 = r1\n r0 += 1\n exit')).toBe(21n);
    });
  });

  describe('helpers', () => {
    const sum: HelperRow = helper({
      name: 'sum',
      numbers: { linux: 100 },
      args: ['scalar', 'u32', 's32', 'scalar', 'scalar'],
      returns: 'integer',
      doc: 'Sum of the arguments.',
      body: (_, a, b, c, d, e) => a + BigInt(b) + BigInt(c) + d + e,
    });
    const fails: HelperRow = helper({
      name: 'fails',
      numbers: {},
      args: [],
      returns: 'integer',
      doc: '',
      body: () => -22,
    });
    const call: HelperRow = helper({
      name: 'loop',
      numbers: {},
      args: ['u32', 'callback', 'callbackContext'],
      returns: 'integer',
      doc: 'Calls back so often, until it gives other than 0.',
      body: (env, times, callback, context) => {
        let i = 0;
        while (i < times && env.call(callback, BigInt(i), context) === 0n) i++;
        return i;
      },
    });
    const tail: HelperRow = helper({
      name: 'tail_call',
      numbers: {},
      args: ['scalar', 'scalar', 'u32'],
      returns: 'integerOrNoReturn',
      doc: 'Goes on with another program.',
      body: (env, _ctx, _map, index) => (env.tailCall(index) ? 0 : -2),
    });
    const read: HelperRow = helper({
      name: 'read',
      numbers: {},
      args: ['mem', 'size'],
      returns: 'integer',
      doc: 'First byte.',
      body: (env, at) => env.memory.u8[at],
    });
    const helpers = { 1: sum, 2: fails, 3: call, 12: tail, 5: read };

    test('get r1 to r5 by their kinds and give r0', () => {
      expect(run('r1 = 1\n r2 = -1\n r3 = -1\n r4 = 10\n r5 = 100\n call 1\n exit', { helpers })).toBe(
        1n + 0xffff_ffffn - 1n + 110n,
      );
      expect(run('call 2\n exit', { helpers })).toBe(0xffff_ffff_ffff_ffean);
      expect(run('r6 = 2\n callx r6\n exit', { helpers })).toBe(0xffff_ffff_ffff_ffean);
      expect(run('call kfunc(4, 0)\n exit', { kfuncs: { 4: fails } })).toBe(0xffff_ffff_ffff_ffean);
    });

    test('refuse arguments, and the place is the call', () => {
      const text = 'r1 = r10\n r1 += -8\n r2 = 9\n call 5\n exit';
      expect(abortOf(() => run(text, { helpers }))).toMatchObject({
        code: 'run/helper-argument-memory',
        place: { program: 'program0', insn: 3 },
      });
      expect(run(text.replace('r2 = 9', 'r2 = 8\n *(u8 *)(r1 + 0) = 7'), { helpers })).toBe(7n);
    });

    const LOOP = `
      r6 = 42
      *(u64 *)(r10 - 8) = 0
      r1 = 10
      r2 = body ll
      r3 = r10
      r3 += -8
      call 3
      if r6 != 42 goto wrong
      r1 = *(u64 *)(r10 - 8)
      r1 <<= 8
      r0 |= r1
      exit
    wrong:
      r0 = -1
      exit
    body:
      r6 = 7
      r3 = *(u64 *)(r2 + 0)
      r3 += r1
      *(u64 *)(r2 + 0) = r3
      r0 = 0
      if r1 < 5 goto done
      r0 = 1
    done:
      exit`;
    test('call back into the program on the same stack', () => {
      expect(run(LOOP, { helpers })).toBe(BigInt(((0 + 1 + 2 + 3 + 4 + 5) << 8) | 5));
    });
    test('count what callbacks take against the budget', () => {
      const program = prepare({ programs: [LOOP], helpers });
      const before = program.invocation.budget;
      program.run();
      const used = before - program.invocation.budget;
      if (stepped) expect(used).toBe(12 + 5 * 7 + 8);
      else expect(used).toBeGreaterThanOrEqual(6 * 7);
      expect(abortOf(() => run(LOOP, { helpers, budget: 30 }))).toMatchObject({ code: 'run/budget' });
    });
    test('abort in a callback at its instruction', () => {
      const text = 'r1 = 1\n r2 = f ll\n r3 = 0\n call 3\n exit\n f:\n r0 = *(u8 *)(r2 + 0)\n exit';
      expect(abortOf(() => run(text, { helpers })).place).toMatchObject({ insn: 6 });
      expect(abortOf(() => run('r1 = 1\n r2 = 9\n call 3\n exit', { helpers })).code).toBe('run/bad-call-target');
    });

    test('a tail call goes on in the other program with the context, and does not come back', () => {
      const programs = ['r6 = 1\n r3 = 1\n call 12\n r0 = 5\n exit', 'r0 = r1\n exit'];
      expect(prepare({ programs, helpers, ctx: 0x1234 }).run()).toBe(0x1234n);
    });
    test('a tail call that fails comes back with its error', () => {
      expect(run('r3 = 9\n call 12\n exit', { helpers })).toBe(BigInt.asUintN(64, -2n));
    });
    test('a tail call in a function takes the place of that function only', () => {
      const programs = [
        'r6 = 100\n call f\n r0 += r6\n exit\n f:\n r3 = 1\n call 12\n exit',
        'r6 = 3\n r0 = 20\n exit',
      ];
      expect(prepare({ programs, helpers }).run()).toBe(120n);
    });
    test('a program may tail call itself 33 times', () => {
      const { run: go, memory, invocation } = prepare({ programs: ['r3 = 0\n call 12\n exit'], helpers });
      const used = memory.used;
      expect(go()).toBe(BigInt.asUintN(64, -2n));
      if (stepped) expect(1_000_000 - invocation.budget).toBe(34 * 2 + 1);
      expect(memory.used).toBe(used);
    });
  });
}
