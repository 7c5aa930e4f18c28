// Whatever bytes and numbers come in: bpf() gives a number and nothing is thrown; files that are broken are refused with an errno.
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ATTRS, BPF_COMMANDS } from '../../src/spec/bpf-attr.ts';
import { read, struct, write } from '../../src/base/structs.ts';
import { Bench, exampleBytes, returns } from './bench.ts';

const bench = new Bench();
afterAll(() => bench.close());
const { l } = bench;

/** Numbers that mean something to some command: handles, sizes, pointers, flags. */
async function interesting(): Promise<readonly number[]> {
  const handles = [await bench.hash(3), await bench.xdp(), await l.bpf_map_create(27, 'ring', 0, 0, 4096)];
  const pointers = [l.arena.place(new Uint8Array(64)), l.arena.text('/sys/fs/bpf/x'), l.arena.place(returns(1))];
  return [0, 1, 2, 4, 8, 37, 0xffff_ffff, ...handles, ...pointers.map(Number)];
}

describe('hostile input', () => {
  it('gives a number for any attr of any command', async () => {
    const words = await interesting();
    const command = fc.oneof(fc.constantFrom(...Object.values(BPF_COMMANDS)), fc.integer({ min: -1, max: 60 }));
    const word = fc.oneof(fc.constantFrom(...words), fc.nat());
    await fc.assert(
      fc.asyncProperty(command, fc.array(word, { maxLength: 48 }), fc.nat(300), async (cmd, values, size) => {
        const attr = new Uint8Array(new Uint32Array(values).buffer);
        const result = await l.bpf(cmd, attr, size);
        expect(Number.isInteger(result)).toBe(true);
        if (result < 0) expect(l.errno).toBe(-result);
      }),
      { numRuns: 400 },
    );
  });

  it('refuses broken objects and types with an errno', () => {
    const whole = exampleBytes('counters');
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
        const broken = whole.slice(0, Math.max(1, length));
        if (at < broken.length) broken[at] = byte;
        const object = l.bpf_object__open_mem(broken, broken.length);
        if (object === null) expect(l.errno).toBeGreaterThan(0);
        const btf = l.btf__new(broken, broken.length);
        if (btf === null) expect(l.errno).toBeGreaterThan(0);
      }),
      { numRuns: 150 },
    );
  });

  it('finds only what was placed in the arena', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(100), { maxLength: 20 }),
        fc.bigInt({ min: 0n, max: 1n << 40n }),
        fc.nat(200),
        (sizes, address, size) => {
          const placed = sizes.map((n) => ({ at: l.arena.place(new Uint8Array(n)), n }));
          for (const { at, n } of placed) {
            expect(l.arena.bytes(at, n)?.length).toBe(n);
            expect(l.arena.bytes(at, n + 1)).toBe(undefined);
          }
          const found = l.arena.bytes(address, size);
          expect(found === undefined || found.length === size).toBe(true);
          for (const { at } of placed) expect(l.arena.free(at)).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('structs', () => {
  it('lie as C lays them out', () => {
    expect(ATTRS.MAP_CREATE.offsets.map_extra).toBe(64);
    expect(ATTRS.PROG_LOAD.offsets.fd_array).toBe(120);
    expect(ATTRS.BATCH.size).toBe(56);
    expect(ATTRS.TEST_RUN.offsets.batch_size).toBe(72);
    expect(ATTRS.LINK_CREATE.offsets.bpf_cookie).toBe(16);
  });

  it('are written and read back, cut where the bytes end', () => {
    const form = struct({ a: 'u32', b: 'u64', c: 3, d: 's32' });
    expect([form.offsets, form.end, form.size]).toEqual([{ a: 0, b: 8, c: 16, d: 20 }, 24, 24]);
    fc.assert(
      fc.property(
        fc.nat(),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.uint8Array({ minLength: 3, maxLength: 3 }),
        (a, b, c) => {
          const bytes = new Uint8Array(form.size);
          write(form, bytes, { a, b, c, d: -5 });
          expect(read(form, bytes)).toEqual({ a, b, c, d: -5 });
          const cut = new Uint8Array(12);
          write(form, cut, { a, b, c, d: -5 });
          expect(read(form, cut)).toEqual({ a, b: 0n, c: new Uint8Array(3), d: 0 });
        },
      ),
    );
  });
});
