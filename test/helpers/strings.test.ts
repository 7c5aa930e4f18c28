import { describe, expect, test } from 'vitest';
import { FakeRun } from './fake-run.ts';

const EINVAL = -22;
const ERANGE = -34;
const run = new FakeRun();
const out = run.buffer(8);

describe('strtol', () => {
  test.each([
    ['42', 0, 2, 42n],
    ['  -42abc', 0, 5, -42n],
    ['0x1f', 0, 4, 31n],
    ['0x1f', 16, 4, 31n],
    ['1f', 16, 2, 31n],
    ['017', 0, 3, 15n],
    ['019', 0, 2, 1n],
    ['0xg', 0, 1, 0n],
    ['9223372036854775807', 10, 19, 0x7fff_ffff_ffff_ffffn],
    ['-9223372036854775808', 10, 20, -0x8000_0000_0000_0000n],
    ['9223372036854775808', 10, ERANGE, 0n],
    ['99999999999999999999', 10, ERANGE, 0n],
    ['', 0, EINVAL, 0n],
    ['   ', 0, EINVAL, 0n],
    ['-', 0, EINVAL, 0n],
    ['abc', 10, EINVAL, 0n],
    ['1', 2, EINVAL, 0n],
    ['1', 32, EINVAL, 0n],
  ] as const)('%j in base %d', (text, base, result, value) => {
    const buffer = run.buffer(text === '' ? '\0' : text);
    expect(run.run('strtol', buffer, Math.max(1, text.length), base, out)).toBe(result);
    expect(run.memory.view.getBigInt64(out, true)).toBe(value);
  });
});

describe('strtoul', () => {
  test.each([
    ['18446744073709551615', 20, 0xffff_ffff_ffff_ffffn],
    ['18446744073709551616', ERANGE, 0n],
    ['-1', EINVAL, 0n],
    ['7 ', 1, 7n],
  ] as const)('%j', (text, result, value) => {
    expect(run.run('strtoul', run.buffer(text), text.length, 0, out)).toBe(result);
    expect(run.memory.view.getBigUint64(out, true)).toBe(value);
  });
});

describe('strncmp', () => {
  test.each([
    ['abc', 'abc', 3, 0],
    ['abc', 'abd', 3, -1],
    ['abd', 'abc', 3, 1],
    ['abc', 'abd', 2, 0],
    ['ab\0x', 'ab\0y', 4, 0],
    ['ab', 'abc', 2, 0],
    ['\u007f', '\u0001', 1, 1],
  ] as const)('%j with %j', (a, b, size, expected) => {
    expect(run.run('strncmp', run.buffer(a), size, run.buffer(`${b}\0`))).toBe(expected);
  });
});
