// llvm-objdump as the judge of the disassembler's text.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { requireCapability } from '../support/capability.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';
import { compareAll, compareWithObjdump } from './objdump.ts';

const noObjdump = requireCapability('llvm-objdump');
const fixtures = corpusFolder('elf-fixtures');

if (noObjdump !== undefined) test.skip(noObjdump, () => {});
else if ('reason' in fixtures) test.skip(`objects of both byte orders: ${fixtures.reason}`, () => {});
else {
  test('every instruction of objects of both byte orders', () => {
    const files = filesBelow(fixtures.path, '.elf').map((file) => path.join(fixtures.path, file));
    const { compared, differences } = compareAll(files);
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(1000);
  });
}

const SOURCE = `
typedef unsigned long long u64; typedef unsigned int u32; typedef unsigned short u16; typedef unsigned char u8;
__attribute__((noinline)) static u64 mix(u64 a, u64 b) { return a * 31 + (b >> 7) - (a ^ b); }
u64 arithmetic(u64 a, u64 b, int c, u32 d) {
  u64 r = a / 7 + b % 13; r |= a << (b & 63); r &= ~(u64)c; c >>= 3; d = d * 5 - (u32)c; r += d % 11;
  return -r + mix(r, (long long)c >> 2) + __builtin_bswap32(d) + __builtin_bswap16((u16)a) + __builtin_bswap64(b);
}
u64 memory(u8 *p, u16 *q, u32 *w, u64 *l) {
  p[3] = (u8)*q; q[-2] = 7; *w = p[1]; l[2] = *w; *l = 0x1122334455667788ull; w[9] = 0xfffffff0;
  return *(l - 1) + q[4];
}
u64 jumps(long long a, u64 b, int c, u32 d) {
  u64 n = 0;
  while (a > -5 && b >= 3) { n += a; if (c < 7) a -= d; else b--; if (d & 0x40) break; if ((u32)c <= d) return n; }
  if (a == 1 || b != 9) n++; if (c >= -1) n += 2; if (d > 100) n += 4; if (b < 77) n += 3; return n;
}
u64 atomics(u64 *p, u64 a) {
  __sync_fetch_and_add(p, a); a += __sync_fetch_and_or(p, a); a += __sync_fetch_and_and(p + 1, a);
  a ^= __sync_fetch_and_xor(p, a); a += __sync_lock_test_and_set(p, a); return a + __sync_val_compare_and_swap(p, a, 3);
}
u64 call(u64 (*f)(u64)) { static u64 (*lookup)(void *, void *) = (void *)1; u64 k = 0; return f(lookup(&k, &k)); }
`;

describe('code compiled by clang', () => {
  const missing = requireCapability('clang') ?? noObjdump;
  if (missing !== undefined) {
    test.skip(missing, () => {});
    return;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-objdump-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const source = path.join(folder, 'all.c');
  writeFileSync(source, SOURCE);
  test.each(['bpfel', 'bpfeb'].flatMap((target) => ['v1', 'v2', 'v3'].map((cpu) => ({ target, cpu }))))(
    '$target -mcpu=$cpu',
    ({ target, cpu }) => {
      const object = path.join(folder, `${target}-${cpu}.o`);
      // v1 and v2 have no atomics with a result
      const body = cpu === 'v3' ? SOURCE : SOURCE.replace(/u64 atomics[\s\S]*?\n}\n/, '');
      writeFileSync(source, body);
      execFileSync('clang', ['-target', target, `-mcpu=${cpu}`, '-O2', '-c', source, '-o', object]);
      const { compared, differences } = compareWithObjdump(object);
      expect(differences).toEqual([]);
      expect(compared).toBeGreaterThan(90);
    },
  );
});
