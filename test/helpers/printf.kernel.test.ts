// bpf_snprintf here and in the running kernel: the same text and the same result for each format.
import { describe, expect, test } from 'vitest';
import { text, utf8 } from '../../src/base/bytes.ts';
import { close, mapCreate, mapFreeze, mapUpdate, progLoad, progTestRun } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { FakeRun } from './fake-run.ts';

const missing = requireCapability('kernel-bpf');

interface Case {
  readonly format: string;
  readonly args: readonly bigint[];
}

const cases = (rows: readonly (readonly [string, ...bigint[]])[]): Case[] =>
  rows.map(([format, ...args]) => ({ format, args }));

const FORMATS = cases([
  ['plain'],
  [''],
  ['100%%'],
  ['%d', -1n],
  ['%d', 0x1_0000_0005n],
  ['%i|%u', -5n, -5n],
  ['%ld', -1n],
  ['%lu', -1n],
  ['%lld', 0x7fff_ffff_ffff_ffffn],
  ['%llu %llx %llX', -1n, 0xdead_beef_0123n, 0xdead_beef_0123n],
  ['%x %X', 0xabcdef12n, 0xabcdef12n],
  ['%08x|%8x|%-8x|', 0xbeefn, 0xbeefn, 0xbeefn],
  ['%5d|%05d|%-5d|', -42n, -42n, -42n],
  ['%+d|%+d|% d|% d', 5n, -5n, 5n, -5n],
  ['%+5d|%+05d|%-+5d|', 7n, 7n, 7n],
  ['%20llx', 1n],
  ['%c%c', 0x41n, 0x42n],
  ['%px', 0x1234n],
  ['[%px]', 0xffff_8880_0000_1000n],
  ['%12d', 3n],
  ['%0-4d|', 3n],
  ['%s', 0n],
  ['a\tb\n%d', 1n],
  ['\u00e9\u20ac %d', 1n],
  ['%d %d %d %d %d %d %d %d %d %d %d %d', 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n],
  ['0123456789012345678901234567890123456789012345678901234567890123 %d', 1n],
]);

/** Refused by the kernel's verifier where the format is constant: here by the helper itself. */
const REFUSED = cases([
  ['%d'],
  ['%q', 1n],
  ['%.3d', 1n],
  ['%hd', 1n],
  ['%', 1n],
  ['%sx', 0n],
  ['%pI5', 0n],
  ['%#x', 1n],
  ['\u0001'],
]);

const OUT = 48;
const PACKET = 128;
const FORMAT_SIZE = 80;

function ours(format: string, args: readonly bigint[]): { result: number; out: string } {
  const run = new FakeRun();
  const out = run.buffer(OUT);
  const fmt = run.buffer(`${format}\0`);
  const data = run.buffer(new Uint8Array(BigUint64Array.from(args.map((arg) => BigInt.asUintN(64, arg))).buffer));
  const result = run.run('snprintf', out, OUT, fmt, args.length === 0 ? 0 : data, args.length * 8);
  return { result, out: text(run.memory.u8.subarray(out, out + OUT)) };
}

function kernel(format: string, args: readonly bigint[]): { result: number; out: string } | string {
  const RDONLY_PROG = 1 << 7;
  const map = mapCreate({ type: 'array', keySize: 4, valueSize: FORMAT_SIZE, maxEntries: 1, flags: RDONLY_PROG });
  const value = new Uint8Array(FORMAT_SIZE);
  value.set(utf8(format));
  mapUpdate(map, new Uint8Array(4), value);
  mapFreeze(map);
  const slots: Uint8Array[] = [];
  const put = (op: number, dst = 0, src = 0, offset = 0, imm = 0): void => {
    const slot = new Uint8Array(8);
    slot[0] = op;
    slot[1] = dst | (src << 4);
    const view = new DataView(slot.buffer);
    view.setInt16(2, offset, true);
    view.setInt32(4, imm, true);
    slots.push(slot);
  };
  put(0xbf, 6, 1);
  const data = -OUT - 8 * args.length;
  for (let at = -OUT; at < 0; at += 8) put(0x7a, 10, 0, at, 0);
  for (const [i, arg] of args.entries()) {
    put(0x62, 10, 0, data + 8 * i, Number(BigInt.asIntN(32, arg)));
    put(0x62, 10, 0, data + 8 * i + 4, Number(BigInt.asIntN(32, arg >> 32n)));
  }
  put(0xbf, 1, 10);
  put(0x07, 1, 0, 0, -OUT);
  put(0xb7, 2, 0, 0, OUT);
  put(0x18, 3, 2, 0, map);
  put(0x00);
  if (args.length === 0) put(0xb7, 4, 0, 0, 0);
  else {
    put(0xbf, 4, 10);
    put(0x07, 4, 0, 0, data);
  }
  put(0xb7, 5, 0, 0, 8 * args.length);
  put(0x85, 0, 0, 0, 165);
  put(0xbf, 7, 0);
  put(0xbf, 1, 6);
  put(0xb7, 2, 0, 0, 0);
  put(0xbf, 3, 10);
  put(0x07, 3, 0, 0, -OUT);
  put(0xb7, 4, 0, 0, OUT);
  put(0x85, 0, 0, 0, 190);
  put(0xbf, 0, 7);
  put(0x95);
  const { fd, log } = progLoad({ type: 'xdp', code: Buffer.concat(slots), license: 'GPL', logLevel: 1 });
  try {
    if (fd < 0) return log;
    const run = progTestRun(fd, { data: new Uint8Array(PACKET) });
    return { result: run.retval | 0, out: text(run.data.subarray(0, OUT)) };
  } finally {
    if (fd >= 0) close(fd);
    close(map);
  }
}

describe('formats that the kernel refuses', () => {
  test.each(REFUSED)('$format', ({ format, args }) => {
    expect(ours(format, args).result).toBe(-22);
  });
  test.skipIf(missing !== undefined).each(REFUSED)('$format is refused by the kernel', ({ format, args }) => {
    expect(kernel(format, args)).toMatch(/Invalid format string/);
  });
});

describe.skipIf(missing !== undefined)('formats against the kernel', () => {
  test.each(FORMATS)('$format $args', ({ format, args }) => {
    expect(ours(format, args)).toEqual(kernel(format, args));
  });
});
