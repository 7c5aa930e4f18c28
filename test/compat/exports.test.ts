// One row a name: each does what libbpf's function of that name does, as far as a session has it.
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, type Rows } from './bench.ts';
import { CALL_ROWS } from './rows-calls.ts';
import { OBJECT_ROWS } from './rows-objects.ts';

export const ROWS: Rows = { ...CALL_ROWS, ...OBJECT_ROWS };

describe.each(Object.entries({ calls: CALL_ROWS, objects: OBJECT_ROWS }))('%s', (_, rows) => {
  let bench: Bench;
  afterEach(() => bench.close());
  it.each(Object.entries(rows))('%s', async (_name, { run, expected }) => {
    bench = new Bench();
    expect(await run(bench)).toEqual(expected);
  });
});
