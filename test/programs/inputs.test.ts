// Whatever a caller gives a test-run of any type: an answer or a typed error, and a program that still runs afterwards.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import type { RunInput } from '../../src/run/program.ts';
import type { Dialect } from '../../src/spec/object.ts';
import { ipv4Frame, loadText } from '../run/support.ts';

const cases = PROGRAM_TYPE_ROWS.flatMap((row) =>
  row.harness === undefined
    ? []
    : (Object.keys(row.contexts) as Dialect[]).map((dialect) => ({
        type: row.type,
        dialect,
        layout: row.contexts[dialect],
      })),
);

const value = fc.oneof(
  fc.integer(),
  fc.constantFrom(-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53),
  fc.bigInt(),
  fc.uint8Array({ maxLength: 24 }),
);

test.each(cases)('$type of $dialect', ({ type, dialect, layout }) => {
  using object = loadText(type, 'r0 = 1\nexit', { more: { dialect } });
  const program = object.program();
  expect(program.diagnostic).toBeUndefined();
  const names = [...Object.keys(layout?.fields ?? {}), 'no_such_field', '__proto__', 'constructor'];
  const input: fc.Arbitrary<RunInput> = fc.record(
    {
      data: fc.oneof(
        fc.uint8Array({ maxLength: 100 }),
        fc.nat({ max: 5000 }).map((size) => new Uint8Array(size)),
      ),
      ctx: fc.oneof(
        fc.uint8Array({ maxLength: 260 }),
        fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 3 }).map((list) => Object.fromEntries(list)),
      ),
      args: fc.array(fc.bigInt(), { maxLength: 14 }),
      layer: fc.constantFrom('link' as const, 'network' as const),
      limits: fc.constantFrom('test-run' as const, 'device' as const),
      repeat: fc.constantFrom(0, 1, 3, -1, Number.NaN),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(input, (given) => {
      try {
        expect(program.run(given).retval).toBe(1);
      } catch (error) {
        if (!(error instanceof AnyBpfError)) throw error;
        expect(error.code).toMatch(/^run\/(test-run-refused|context|option)$/);
      }
    }),
    { numRuns: 150 },
  );
  // All of it must not have left the program unusable.
  const frame = ipv4Frame();
  const good = type === 'sk_lookup' ? { ctx: { family: 2 } } : type.startsWith('raw_') ? {} : { data: frame };
  expect(program.run(good).retval).toBe(1);
});
