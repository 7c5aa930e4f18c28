import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { invokeHelper } from '../../src/compile/helper-call.ts';
import { type ArgKind, helper, type HelperRow } from '../../src/spec/helper.ts';
import { FakeRun } from './fake-run.ts';

/** A helper of these arguments that gives back what its body got. */
function echo(args: readonly ArgKind[]): { row: HelperRow; got: () => unknown[] } {
  let seen: unknown[] = [];
  const row = helper({
    name: 'echo',
    numbers: { linux: 9999 },
    args,
    returns: 'integer',
    doc: 'Echo.',
    body: (_env, ...values) => {
      seen = values;
      return 0;
    },
  });
  return { row, got: () => seen };
}

const run = new FakeRun({ type: 'xdp' });
const map = run.map('hash', { keySize: 8, valueSize: 16 });
const buffer = run.buffer(16);
const readOnly = run.memory.alloc(8);
run.memory.addRegion({ base: readOnly, size: 8, kind: 'map-value', name: 'constants', writable: false });
run.memory.u8.set([97, 98, 0], readOnly);
const handle = map.handle;
const { ctx } = run;
const FAR = 1n << 40n;

/** Kinds, registers, and what the body gets. */
const ACCEPTED: readonly (readonly [string, readonly ArgKind[], readonly (number | bigint)[], readonly unknown[]])[] = [
  ['a map', ['map'], [handle], [map]],
  ['a key', ['map', 'key'], [handle, buffer], [map, buffer]],
  ['a value', ['map', 'value'], [handle, buffer], [map, buffer]],
  ['NULL for a value', ['map', 'valueOrNull'], [handle, 0], [map, 0]],
  ['memory', ['mem', 'size'], [buffer, 16], [buffer, 16]],
  ['read-only memory', ['mem', 'size'], [readOnly, 8], [readOnly, 8]],
  ['NULL with size 0', ['memOrNull', 'sizeOrZero'], [0, 0], [0, 0]],
  ['any address with size 0', ['mem', 'sizeOrZero'], [FAR, 0], [0, 0]],
  ['memory to write', ['memOut', 'size'], [buffer + 4, 12], [buffer + 4, 12]],
  ['four bytes', ['inOut4'], [buffer], [buffer]],
  ['the context', ['ctx'], [ctx], [ctx]],
  ['NULL for the context', ['ctxOrNull'], [0], [0]],
  ['the context where NULL may be', ['ctxOrNull'], [ctx], [ctx]],
  ['a scalar', ['scalar'], [-1], [0xffff_ffff_ffff_ffffn]],
  ['the low half, unsigned', ['u32'], [0x1_ffff_ffffn], [0xffff_ffff]],
  ['the low half, signed', ['s32'], [0x1_ffff_ffffn], [-1]],
  ['a constant string', ['constString'], [readOnly], [readOnly]],
  ['NULL for a socket', ['socketOrNull'], [0], [0]],
  ['an address that is not checked', ['unsafePointer'], [FAR], [FAR]],
  ['an allocation size', ['allocSize'], [5], [5]],
  ['room for a dynptr', ['dynptrOut'], [buffer], [buffer]],
];

/** Kinds, registers, code of the abort, and a word of its sentence. */
const REFUSED: readonly (readonly [string, readonly ArgKind[], readonly (number | bigint)[], string, RegExp])[] = [
  ['a map that is none', ['map'], [buffer], 'map', /argument 1/],
  ['a far map', ['map'], [FAR], 'map', /0x10000000000/],
  ['a key beyond its memory', ['map', 'key'], [handle, buffer + 9], 'memory', /8 bytes of argument 2/],
  ['a value beyond its memory', ['map', 'value'], [handle, buffer + 1], 'memory', /16 bytes/],
  ['a NULL key', ['map', 'key'], [handle, 0], 'pointer', /argument 2 is 0x0/],
  ['an address with high bits', ['mem', 'size'], [FAR + BigInt(buffer), 4], 'pointer', /no address/],
  ['NULL with a size', ['memOrNull', 'sizeOrZero'], [0, 4], 'pointer', /0x0/],
  ['size 0 where it may not be', ['mem', 'size'], [buffer, 0], 'memory|size', /argument/],
  ['a size above 32 bits', ['mem', 'size'], [buffer, FAR], 'size', /argument 2/],
  ['a negative size', ['mem', 'sizeOrZero'], [buffer, -1], 'size', /argument 2/],
  ['memory that ends early', ['mem', 'size'], [buffer, 17], 'memory', /17 bytes.*read/],
  ['read-only memory to write', ['memOut', 'size'], [readOnly, 8], 'memory', /written/],
  ['another context', ['ctx'], [buffer], 'context', /not the program's context/],
  ['NULL as context', ['ctx'], [0], 'context', /0x0/],
  ['a socket that is none', ['socket'], [buffer], 'kind', /a socket/],
  ['the inside of a record', ['ringRecord'], [buffer], 'kind', /record/],
  ['a dynptr that is not on the stack', ['dynptr'], [readOnly], 'kind', /stack/],
];

describe('arguments', () => {
  test.each(ACCEPTED)('%s', (_, kinds, registers, expected) => {
    const { row, got } = echo(kinds);
    expect(
      invokeHelper(
        row,
        run,
        registers.map((one) => BigInt.asUintN(64, BigInt(one))),
      ),
    ).toBe(0n);
    expect(got()).toEqual(expected);
  });

  test.each(REFUSED)('%s', (_, kinds, registers, code, sentence) => {
    const { row, got } = echo(kinds);
    let error: unknown;
    try {
      invokeHelper(
        row,
        run,
        registers.map((one) => BigInt.asUintN(64, BigInt(one))),
      );
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(AnyBpfError);
    expect((error as AnyBpfError).code).toMatch(new RegExp(`^run/helper-argument-(${code})$`));
    expect((error as AnyBpfError).message).toMatch(sentence);
    expect(got(), 'the body did not run').toEqual([]);
  });

  test('a string ends before memory does', () => {
    run.memory.u8.fill(120, readOnly + 3, readOnly + 8);
    const { row } = echo(['constString']);
    expect(() => invokeHelper(row, run, [BigInt(readOnly + 3)])).toThrow(/NUL-terminated/);
  });
});

const result = (value: number | bigint | undefined): bigint =>
  invokeHelper(
    helper({ name: 'give', numbers: {}, args: [], returns: 'integer', doc: 'Give.', body: () => value }),
    run,
    [],
  );

describe('results', () => {
  test.each([
    [0, 0n],
    [5, 5n],
    [-22, 0xffff_ffff_ffff_ffean],
    [0xffff_ffff, 0xffff_ffffn],
    [-1n, 0xffff_ffff_ffff_ffffn],
    [1n << 64n, 0n],
    [undefined, 0n],
  ] as const)('%s', (value, register) => {
    expect(result(value)).toBe(register);
  });
});
