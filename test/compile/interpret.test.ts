import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { interpretBackend } from '../../src/compile/interpret/backend.ts';
import { INSN_HANDLERS, SEQUENCES, sequenceNumber } from '../../src/compile/interpret/handler-names.ts';
import { RANGES } from '../../src/compile/interpret/layout.ts';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import { OPS, type OpName } from '../../src/isa/opcodes.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import { testCheckedEngine } from './checked-engine.ts';
import { start } from './support.ts';

testCheckedEngine(interpretBackend, { stepped: true });

const codeOf = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.code;
    throw error;
  }
  return 'no abort';
};

const leaves = (name: string): boolean => {
  const { format } = OPS[name.split('@')[0] as OpName];
  return format === 'exit' || format === 'goto' || format === 'gotol';
};

// A rotation, entered at each of its instructions and cut by the budget at each.
const rotation = (entry: number): string => `
    r2 = 0x1122334455667788 ll
    r1 = 3
    goto +${entry}
    r1 = r2
    r1 >>= 51
    r2 <<= 13
    r2 |= r1
    r0 = r2
    exit`;

describe('sequences with one handler', () => {
  test('are all found where they stand, the longest first', () => {
    const numbers = SEQUENCES.map((names) => sequenceNumber(names, 0));
    expect(new Set(numbers).size).toBe(SEQUENCES.length);
    for (const number of numbers) expect(number).toBeGreaterThanOrEqual(INSN_HANDLERS.length);
  });

  test('hold nothing behind an instruction that never goes on to the next', () => {
    for (const names of SEQUENCES) expect(names.slice(0, -1).some(leaves), names.join()).toBe(false);
  });

  test.each([0, 1, 2, 3, 4])('may be entered at instruction %i', (entry) => {
    for (let budget = 0; budget <= 10; budget++) {
      const seen = [interpretBackend, referenceBackend].map((backend) => {
        const { run, invocation } = start({ backend, programs: [rotation(entry)], budget });
        let result: bigint | string;
        try {
          result = run();
        } catch (error) {
          if (!(error instanceof AnyBpfError)) throw error;
          result = `${error.code} at ${error.diagnostic.place.insn}`;
        }
        return { result, left: invocation.budget };
      });
      expect(seen[0]).toEqual(seen[1]);
    }
  });
});

test('the budget is exact over many returns to the host', () => {
  const loop = 'r0 = 0\n again:\n r0 += 1\n if r0 != 200000 goto again\n exit';
  const exact = start({ backend: interpretBackend, programs: [loop], budget: 400_002 });
  expect(exact.run()).toBe(200_000n);
  expect(exact.invocation.budget).toBe(0);
  expect(codeOf(() => start({ backend: interpretBackend, programs: [loop], budget: 400_001 }).run())).toBe(
    'run/budget',
  );
});

describe('windows', () => {
  test('are reused when a program touches more ranges than there are', () => {
    const memory = new LinearMemory();
    const size = 16;
    const count = 3 * RANGES;
    const rows = memory.alloc(count * size);
    const region = { kind: 'map-value', name: 'rows', writable: true, stride: size, slot: 8 } as const;
    memory.addRegion({ ...region, base: rows, size: count * size });
    const text = `
      r1 = ${rows}
      r2 = ${rows + count * size}
    again:
      r3 = *(u64 *)(r1 + 0)
      r3 += 1
      *(u64 *)(r1 + 0) = r3
      r1 += ${size}
      if r1 < r2 goto again
      exit`;
    const { run } = start({ backend: interpretBackend, memory, programs: [text] });
    run();
    run();
    for (let i = 0; i < count; i++) expect(memory.view.getBigUint64(rows + i * size, true)).toBe(2n);
  });

  test('close when their region goes, and follow one that comes back smaller', () => {
    const memory = new LinearMemory();
    const base = memory.alloc(16);
    const region = { kind: 'packet', name: 'packet', writable: false, base } as const;
    let added = memory.addRegion({ ...region, size: 16 });
    const { run } = start({
      backend: interpretBackend,
      memory,
      programs: [`r1 = ${base}\n r0 = *(u64 *)(r1 + 8)\n exit`],
    });
    expect(run()).toBe(0n);
    memory.removeRegion(added);
    expect(codeOf(run)).toBe('run/bad-access');
    added = memory.addRegion({ ...region, size: 8 });
    expect(codeOf(run)).toBe('run/bad-access');
    memory.removeRegion(added);
    memory.addRegion({ ...region, size: 16 });
    expect(run()).toBe(0n);
  });
});

test('programs that are disposed of give their memory back, and the others go on', () => {
  const memory = new LinearMemory();
  const keep = start({ backend: interpretBackend, memory, programs: ['r0 = 7\n exit'] });
  const used = memory.used;
  const other = start({ backend: interpretBackend, memory, programs: ['r0 = 8\n exit'] });
  expect(other.run()).toBe(8n);
  expect(memory.used).toBeGreaterThan(used);
  other.images[0].code?.dispose();
  expect(memory.used).toBe(used);
  expect(keep.run()).toBe(7n);
});
