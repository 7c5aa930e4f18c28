// Helpers that compiled code runs itself do not reach the host: their rows here have bodies that must not be called.
import { describe, expect, test } from 'vitest';
import { compilerBackend } from '../../src/compile/wasm/backend.ts';
import { HELPER_FAMILIES } from '../../src/helpers/index.ts';
import type { Backend } from '../../src/spec/backend.ts';
import type { HelperRow } from '../../src/spec/helper.ts';
import type { RingBufferMap } from '../../src/spec/map.ts';
import { place, spec } from '../maps/support.ts';
import { start } from './support.ts';

const ROWS: ReadonlyMap<string, HelperRow> = new Map(
  HELPER_FAMILIES.flatMap(({ helpers }) => helpers.map((row) => [row.name, row] as const)),
);

/** Rows by Linux number, with every body replaced. */
const HELPERS: Readonly<Record<number, HelperRow>> = Object.fromEntries(
  [...ROWS.values()].map((row) => [
    row.numbers.linux ?? -1,
    {
      ...row,
      body: () => {
        throw new Error(`${row.name} reached the host`);
      },
    },
  ]),
);

const call = (name: string): string => `call ${ROWS.get(name)?.numbers.linux}`;

const trusting: Backend = { name: 'compile', load: (image) => compilerBackend.load(image, { trusted: true }) };
const ring = 'r1 = map_by_idx(0) ll';

const CASES: readonly (readonly [name: string, text: string, r0: bigint, also?: 'trusted'])[] = [
  ['get_smp_processor_id', `${call('get_smp_processor_id')}\n exit`, 0n],
  ['spin_lock', `r1 = r10\n r1 += -8\n ${call('spin_lock')}\n r0 = *(u32 *)(r10 - 8)\n exit`, 1n],
  [
    'spin_unlock',
    `*(u64 *)(r10 - 8) = 1\n r1 = r10\n r1 += -8\n ${call('spin_unlock')}\n r0 = *(u32 *)(r10 - 8)\n exit`,
    0n,
  ],
  [
    'csum_diff',
    `*(u64 *)(r10 - 8) = 0x102\n r1 = 0\n r2 = 0\n r3 = r10\n r3 += -8\n r4 = 8\n r5 = 3\n ${call('csum_diff')}\n exit`,
    0x105n,
  ],
  [
    'strncmp',
    `*(u64 *)(r10 - 8) = 2\n *(u64 *)(r10 - 16) = 3\n r1 = r10\n r1 += -8\n r2 = 8\n r3 = r10\n r3 += -16\n ${call('strncmp')}\n r0 += 9\n exit`,
    8n,
    'trusted',
  ],
  ['loop', `r1 = 9\n r2 = f ll\n r3 = 0\n r4 = 0\n ${call('loop')}\n exit\n f: r0 = r1\n r0 >>= 2\n exit`, 5n],
  [
    'ringbuf_output',
    `*(u64 *)(r10 - 8) = 7\n ${ring}\n r2 = r10\n r2 += -8\n r3 = 8\n r4 = 0\n ${call('ringbuf_output')}\n exit`,
    0n,
  ],
  [
    'ringbuf_reserve and ringbuf_submit',
    `${ring}\n r2 = 8\n r3 = 0\n ${call('ringbuf_reserve')}\n r1 = r0\n *(u64 *)(r1 + 0) = 7\n r2 = 0\n ${call('ringbuf_submit')}\n exit`,
    0n,
  ],
  [
    'ringbuf_reserve and ringbuf_discard',
    `${ring}\n r2 = 8\n r3 = 0\n ${call('ringbuf_reserve')}\n r1 = r0\n r2 = 0\n ${call('ringbuf_discard')}\n exit`,
    0n,
  ],
  ['ringbuf_query', `${ring}\n r2 = 1\n ${call('ringbuf_query')}\n exit`, 4096n],
];

describe.each([
  ['checked', compilerBackend],
  ['trusted', trusting],
] as const)('%s', (mode, backend) => {
  const cases = CASES.filter(([, , , only]) => only === undefined || only === mode);
  test.each(cases.map(([name, text, r0]) => ({ name, text, r0 })))('$name', ({ name, text, r0 }) => {
    const p = place();
    const map = p.make(spec('ringbuf', 0, 0, 4096)) as RingBufferMap;
    const maps = [{ handle: map.handle, value: 0, size: 0 }];
    const program = start({ backend, memory: p.memory, maps, helpers: HELPERS, programs: [text] });
    for (let i = 0; i < 3; i++) expect(program.run()).toBe(r0);
    const records: number[] = [];
    map.consume((record) => records.push(record[0]));
    const sends = name.endsWith('output') || name.endsWith('submit');
    expect(records).toEqual(sends ? [7, 7, 7] : []);
  });

  test('but with the listener of a ring, who is told by the host', () => {
    const p = place();
    const map = p.make(spec('ringbuf', 0, 0, 4096)) as RingBufferMap;
    map.onData = () => undefined;
    const maps = [{ handle: map.handle, value: 0, size: 0 }];
    for (const [name, text] of CASES) {
      if (!name.endsWith('output') && !name.endsWith('submit')) continue;
      const program = start({ backend, memory: p.memory, maps, helpers: HELPERS, programs: [text] });
      Object.assign(program.invocation, { mapAt: () => map });
      expect(() => program.run(), name).toThrow('reached the host');
    }
  });
});
