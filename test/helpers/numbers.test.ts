import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { HELPER_FAMILIES } from '../../src/helpers/index.ts';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import { requireCapability } from '../support/capability.ts';
import { HELPERS } from './fake-run.ts';

const noKernel = requireCapability('vmlinux-btf') ?? requireCapability('bpftool');

/** `enum bpf_func_id` of the running kernel. */
function kernelNumbers(): Map<string, number> {
  const dump = spawnSync('bpftool', ['btf', 'dump', 'file', '/sys/kernel/btf/vmlinux', 'format', 'c'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  }).stdout;
  return new Map([...dump.matchAll(/\bBPF_FUNC_(\w+) = (\d+)/g)].map(([, name, number]) => [name, Number(number)]));
}

describe('numbers', () => {
  test.skipIf(noKernel !== undefined)('of Linux are those of the running kernel', () => {
    const kernel = kernelNumbers();
    expect(kernel.size).toBeGreaterThan(200);
    const linux = HELPERS.filter(({ numbers }) => numbers.linux !== undefined);
    expect(linux.map(({ name, numbers }) => [name, numbers.linux])).toEqual(
      linux.map(({ name }) => [name, kernel.get(name)]),
    );
  });

  test.each(['linux', 'windows'] as const)('of %s are given once', (dialect) => {
    const numbers = HELPERS.flatMap((row) => row.numbers[dialect] ?? []);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test('the 35 global helpers of Windows are all there', () => {
    const numbers = HELPERS.flatMap((row) => row.numbers.windows ?? []).toSorted((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 35 }, (_, i) => i + 1));
  });

  test('of one program type on Windows are given once and lie above the common ones', () => {
    const seen = new Set<string>();
    for (const row of HELPERS) {
      for (const [type, number] of Object.entries(row.programNumbers ?? {})) {
        expect(number).toBeGreaterThanOrEqual(0x10000);
        expect(seen).not.toContain(`${type} ${number}`);
        seen.add(`${type} ${number}`);
      }
    }
    expect(seen.size).toBeGreaterThan(0);
  });
});

describe('rows', () => {
  test('have names of their own, a number and a sentence', () => {
    expect(new Set(HELPERS.map(({ name }) => name)).size).toBe(HELPERS.length);
    for (const { name, numbers, programNumbers, doc } of HELPERS) {
      expect(Object.keys({ ...numbers, ...programNumbers }).length, name).toBeGreaterThan(0);
      expect(doc, name).toMatch(/\.$/);
    }
  });

  test('take at most five arguments, sizes after memory, keys and values after a map', () => {
    for (const { name, args } of HELPERS) {
      expect(args.length, name).toBeLessThanOrEqual(5);
      for (const [i, kind] of args.entries()) {
        if (kind.startsWith('mem')) expect(args[i + 1], name).toMatch(/^size/);
        if (kind.startsWith('size')) expect(args[i - 1], name).toMatch(/^mem/);
        if (kind === 'key' || kind.startsWith('value')) expect(args.slice(0, i), name).toContain('map');
      }
    }
  });

  test('belong to families that program types name, and each named family is there', () => {
    const named = new Set(
      PROGRAM_TYPE_ROWS.flatMap((row) => [...row.families, ...Object.values(row.dialectFamilies ?? {}).flat()]),
    );
    expect([...named].toSorted()).toEqual(HELPER_FAMILIES.map(({ family }) => family).toSorted());
  });
});
