// Helpers that compiled code runs itself, against the reference interpreter under any arguments: results, aborts with their place
// and words, and memory are the same. Maps and ring buffers: lpm-lookup, map-update and ring.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { loadText, mapSpec } from '../run/support.ts';

const PACKET = 200;
/** Where the program finds r1 to r5 and, of each, whether it is an offset in the packet. */
const REGISTERS_AT = 8;
const REGISTERS = [1, 2, 3, 4, 5];
const DATA_AT = 56;

interface Argument {
  /** Offset in the packet, or a plain number. */
  readonly offset?: number;
  readonly value?: bigint;
}

/** Offset below r10 where the context stays. */
const CONTEXT_AT = 64;

/** Loads r1 to r5 from the packet, each with the packet's address added where its bit in the first word is set. */
const load = (type: 'xdp' | 'sched_cls'): string => `*(u64 *)(r10 - ${CONTEXT_AT}) = r1
r9 = *(u32 *)(r1 + ${type === 'xdp' ? 0 : 76})
r8 = *(u64 *)(r9 + 0)
${REGISTERS.map((r, i) => `r7 = *(u64 *)(r9 + ${REGISTERS_AT + 8 * i})\nr6 = r8\nr6 >>= ${i}\nr6 &= 1\nr6 *= r9\nr7 += r6\n*(u64 *)(r10 - ${8 * r}) = r7`).join('\n')}
${REGISTERS.map((r) => `r${r} = *(u64 *)(r10 - ${8 * r})`).join('\n')}`;

interface Options {
  readonly engine: EngineName;
  readonly trusted: boolean;
}

const ENGINES: readonly Options[] = [
  { engine: 'reference', trusted: false },
  { engine: 'compile', trusted: false },
  { engine: 'interpret', trusted: false },
  { engine: 'compile', trusted: true },
];

/** Runs a program on each engine with the same arguments; all must do the same. Trusted code only where `right` says it may. */
function compare(
  body: string,
  argumentsOf: fc.Arbitrary<readonly Argument[]>,
  {
    maps = [],
    right,
    data = () => 0,
    type = 'xdp',
    numRuns = 150,
    atLeast = 2,
  }: {
    readonly maps?: readonly MapSpec[];
    readonly right?: (list: readonly Argument[]) => boolean;
    readonly data?: (at: number) => number;
    readonly numRuns?: number;
    readonly type?: 'xdp' | 'sched_cls';
    /** Outcomes that are different. */
    readonly atLeast?: number;
  } = {},
): void {
  const sides = ENGINES.map((options) => {
    const object = loadText(type, `${load(type)}\n${body}`, {
      maps,
      options,
      host: { cpus: 4 },
    });
    return { options, object, program: object.program() };
  });
  const run = ({ program, object }: (typeof sides)[number], packet: Uint8Array): string => {
    const contents = (): string =>
      object.maps.map((map) => [...map.entries()].map(([, value]) => toHex(value)).join()).join();
    try {
      const { retval, data: after } = program.run({ data: packet });
      return `${retval | 0} ${toHex(after ?? new Uint8Array())} ${contents()}`;
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      const { code, place, message } = error.diagnostic;
      return `${code} at ${place.insn}: ${message.replace(/0x[0-9a-f]+/g, 'an address')} ${contents()}`;
    }
  };
  const outcomes = new Set<string>();
  try {
    fc.assert(
      fc.property(argumentsOf, (list) => {
        const packet = Uint8Array.from({ length: PACKET }, (_, at) => (at < DATA_AT ? 0 : data(at - DATA_AT)));
        const view = new DataView(packet.buffer);
        list.forEach(({ offset, value }, i) => {
          if (offset !== undefined) packet[0] |= 1 << i;
          view.setBigUint64(REGISTERS_AT + 8 * i, BigInt.asUintN(64, value ?? BigInt(offset ?? 0)), true);
        });
        const [expected, ...found] = sides
          .filter(({ options }) => !options.trusted || right === undefined || right(list))
          .map((side) => run(side, packet));
        for (const other of found) expect(other).toBe(expected);
        outcomes.add(expected.split(' ')[0]);
      }),
      { numRuns },
    );
  } finally {
    for (const { object } of sides) object[Symbol.dispose]();
  }
  // Otherwise the arguments would show nothing.
  expect(outcomes.size).toBeGreaterThanOrEqual(atLeast);
}

const numbers = (...values: (number | bigint)[]): fc.Arbitrary<Argument> =>
  fc.constantFrom(...values.map((value) => ({ value: BigInt(value) })));
const below = (max: number): fc.Arbitrary<Argument> => fc.nat({ max: max - 1 }).map((n) => ({ value: BigInt(n) }));
const any = fc
  .oneof(
    { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
    { weight: 1, arbitrary: fc.constantFrom(0n, 1n, 0xffff_ffffn, 1n << 32n, (1n << 64n) - 1n) },
  )
  .map((value) => ({ value }));
/** Bytes of the packet from an offset on that leaves `size` of them, most of the time. */
const bytes = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: DATA_AT, max: 110 }).map((offset) => ({ offset })) },
  { weight: 1, arbitrary: fc.integer({ min: -40, max: 300 }).map((offset) => ({ offset })) },
  { weight: 1, arbitrary: any },
);

/** Whether the bytes of both buffers of csum_diff are there. */
const bothThere = ([from, fromSize, to, toSize]: readonly Argument[]): boolean =>
  [
    [from, fromSize],
    [to, toSize],
  ].every(([at, size]) => {
    if (size.value === 0n) return true;
    return at.offset !== undefined && at.offset >= 0 && at.offset + Number(size.value) <= PACKET;
  });

describe('csum_diff', () => {
  const list = (size: fc.Arbitrary<Argument>) => fc.tuple(bytes, size, bytes, size, any);
  const sizes = fc.oneof({ weight: 5, arbitrary: below(60) }, { weight: 1, arbitrary: any });
  test.each([
    ['bytes of all kinds', (at: number) => (at * 97 + 13) & 0xff],
    ['zeros', () => 0],
    ['ones', () => 0xff],
    ['words that add up to zero', (at: number) => (at % 4 < 2 ? 0xff : 0)],
  ])('%s', (_, data) => compare('call bpf_csum_diff\nexit', list(sizes), { right: bothThere, data, numRuns: 120 }));
  test('with a seed that meets the sum', () => {
    const seeds = numbers(0, 1, 0xff, 0xffff, 0x1_0000, 0xffff_ffff, 0xffff_fffe, 0xffff_0000);
    const few = fc.tuple(bytes, below(6), bytes, below(6), seeds);
    compare('call bpf_csum_diff\nexit', few, { right: bothThere, data: (at) => (at % 3 === 0 ? 1 : 0) });
  });
});

/** Strings of 16 bytes, of which every other differs late. The verifier would want the second one constant. */
const STRINGS = (at: number): number => (at % 17 === 16 ? 0 : 0x61 + (at % 17 > 11 ? (at >> 5) & 1 : 0));

describe('strncmp', () => {
  const offsets = fc.integer({ min: DATA_AT, max: PACKET - 40 }).map((offset) => ({ offset }));
  test('strings that differ late, early or not', () => {
    compare('call bpf_strncmp\nexit', fc.tuple(offsets, below(40), offsets), {
      data: STRINGS,
      right: ([, size]) => size.value !== 0n,
    });
  });
  test('any arguments', () => {
    compare('call bpf_strncmp\nexit', fc.tuple(bytes, fc.oneof(below(40), any), bytes), {
      data: STRINGS,
      right: () => false,
    });
  });
});

test('spin_lock and spin_unlock', () => {
  for (const name of ['spin_lock', 'spin_unlock']) {
    compare(`call bpf_${name}\nr0 += 5\nexit`, fc.tuple(fc.oneof(bytes, any)), {
      data: () => 7,
      right: ([at]) => at.offset !== undefined && at.offset >= 0 && at.offset <= PACKET - 4,
      numRuns: 60,
    });
  }
});

describe('loop', () => {
  /** r1: times, r3: what the callback adds to, r4: flags; r5: after how many calls it stops. */
  const LOOP = `*(u64 *)(r10 - 48) = r5
*(u64 *)(r10 - 56) = 0
r2 = body ll
r3 = r10
r3 += -56
call bpf_loop
r1 = *(u64 *)(r10 - 56)
r1 <<= 12
r0 ^= r1
exit
body: r0 = *(u64 *)(r2 + 0)
r0 += r1
r0 += 1
r0 += r3
r0 += r4
r0 += r5
*(u64 *)(r2 + 0) = r0
r3 = *(u64 *)(r2 + 8)
r0 = 0
r1 += 1
if r1 != r3 goto done
r0 = 1 ll
r0 <<= 40
done: exit`;
  const times = fc.oneof(
    { weight: 5, arbitrary: below(40) },
    { weight: 1, arbitrary: numbers((1 << 23) + 1, -1, (1n << 32n) + 3n, 0xffff_ffff_0000_0000n) },
  );
  test('any number of times, until the callback stops it', () => {
    const flags = fc.oneof({ weight: 5, arbitrary: numbers(0) }, { weight: 1, arbitrary: any });
    compare(LOOP, fc.tuple(times, numbers(0), numbers(0), flags, fc.oneof(below(40), any)));
  });

  test('in a loop and in itself', () => {
    const nested = `*(u64 *)(r10 - 48) = r1
*(u64 *)(r10 - 56) = 0
r6 = 0
again: r1 = *(u64 *)(r10 - 48)
r2 = outer ll
r3 = r10
r3 += -56
r4 = 0
call bpf_loop
r6 += 1
if r6 < 3 goto again
r0 = *(u64 *)(r10 - 56)
exit
outer: r6 = r2
r2 = inner ll
r3 = r6
r1 = 3
r4 = 0
call bpf_loop
r0 = 0
exit
inner: r0 = *(u64 *)(r2 + 0)
r0 += 1
*(u64 *)(r2 + 0) = r0
r0 = 0
exit`;
    compare(nested, fc.tuple(below(30)));
  });

  test('until the budget is spent', () => {
    for (const options of ENGINES) {
      using object = loadText(
        'xdp',
        'r1 = 8388608\nr2 = body ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit\nbody: r0 = 0\nexit',
        {
          options: { ...options, budget: 10_000 },
        },
      );
      const program = object.program();
      for (let i = 0; i < 2; i++) {
        expect(() => program.run({ data: new Uint8Array(64) })).toThrow(/budget of instructions/);
      }
    }
  });

  test('no deeper than frames go', () => {
    const deep = `r2 = body ll
r3 = r1
r1 = 1
r4 = 0
call bpf_loop
r0 = 7
exit
body: r3 = r2
if r3 == 0 goto out
r3 += -1
r1 = 1
r2 = body ll
r4 = 0
call bpf_loop
out: r0 = 0
exit`;
    compare(deep, fc.tuple(below(12)));
  });

  test('an abort in the callback is at its instruction', () => {
    const bad = `r2 = body ll
r4 = 0
call bpf_loop
exit
body: r0 = *(u8 *)(r2 + 0)
r0 &= 1
exit`;
    compare(bad, fc.tuple(below(5), numbers(0), bytes), { right: () => false });
  });
});

test('get_smp_processor_id', () => {
  const text = 'call bpf_get_smp_processor_id\nexit';
  for (const options of ENGINES) {
    using object = loadText('xdp', text, { options, host: { cpus: 4, cpu: 3 } });
    expect(object.program().run({ data: new Uint8Array(64) }).retval).toBe(3);
  }
});

describe('map_lookup_percpu_elem', () => {
  const text = `r2 = r9
r2 += ${DATA_AT}
r1 = map[m] ll
call bpf_map_lookup_percpu_elem
if r0 == 0 goto none
r1 = *(u32 *)(r0 + 0)
r1 += 1
*(u32 *)(r0 + 0) = r1
r0 = r1
exit
none: r0 = -1
exit`;
  test.each(['percpu_array', 'percpu_hash', 'lru_percpu_hash', 'array'] as const)('%s', (type) => {
    const maps = [mapSpec('m', type, { valueSize: 4, maxEntries: 8 })];
    const fill = `r4 = 0
*(u32 *)(r10 - 44) = 1
*(u32 *)(r10 - 60) = r3
r3 = r10
r3 += -44
r1 = map[m] ll
r2 = r9
r2 += ${DATA_AT + 4}
call bpf_map_update_elem
r3 = *(u32 *)(r10 - 60)
`;
    // The first key is in the packet's data and the second one, that is put in, behind it.
    for (const data of [
      (at: number) => (at % 4 === 0 ? 3 : 0),
      (at: number) => (at === 0 ? 2 : at === 4 ? 3 : 0),
      () => 0xff,
    ]) {
      const cpus = fc.oneof(below(6), any);
      compare(fill + text, fc.tuple(numbers(0), numbers(0), cpus), { maps, data, atLeast: 1, numRuns: 40 });
    }
  });
});

const COUNTING = (at: number): number => at & 0xff;
/** Whether the bytes to copy are there in memory. */
const othersThere = ([, , at, size]: readonly Argument[]): boolean =>
  at.offset !== undefined && at.offset >= 0 && size.value !== 0n && at.offset + Number(size.value) <= PACKET;

describe('bytes of packets', () => {
  const calls: [string, 'xdp' | 'sched_cls', boolean][] = [
    ['xdp_load_bytes', 'xdp', false],
    ['xdp_store_bytes', 'xdp', true],
    ['skb_load_bytes', 'sched_cls', false],
    ['skb_store_bytes', 'sched_cls', true],
  ];
  const offsets = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: DATA_AT, max: PACKET }).map((n) => ({ value: BigInt(n) })) },
    { weight: 1, arbitrary: any },
    {
      weight: 1,
      arbitrary: numbers(PACKET - 1, PACKET, 0xffff, 0x1_0000, 0x7fff_ffff, 0xffff_ffff, (1n << 32n) + 60n),
    },
  );
  const flags = fc.oneof({ weight: 3, arbitrary: numbers(0) }, { weight: 1, arbitrary: fc.oneof(below(5), any) });
  describe.each(calls)('%s', (name, type) => {
    const context = `r1 = *(u64 *)(r10 - ${CONTEXT_AT})\n`;
    test('to and from the packet itself, which may overlap', () => {
      const sizes = fc.oneof({ weight: 5, arbitrary: below(90) }, { weight: 1, arbitrary: any });
      compare(`${context}call bpf_${name}\nexit`, fc.tuple(numbers(0), offsets, bytes, sizes, flags), {
        type,
        data: COUNTING,
        right: othersThere,
      });
    });
    test.each([1, 4, 6, 16, 40, 64, 70])('of %i bytes, known to the compiler', (size) => {
      const right = ([, , at]: readonly Argument[]): boolean =>
        at.offset !== undefined && at.offset >= 0 && at.offset + size <= PACKET;
      const list = fc.tuple(numbers(0), offsets, bytes, numbers(0), flags);
      compare(`${context}r4 = ${size}\ncall bpf_${name}\nexit`, list, { type, data: COUNTING, right, numRuns: 50 });
    });
  });

  test('with another context', () => {
    for (const [name, type] of calls) {
      const list = fc.tuple(fc.oneof(any, bytes), numbers(0), bytes, below(9), numbers(0));
      compare(`call bpf_${name}\nexit`, list, { type, right: () => false, atLeast: 1, numRuns: 20 });
    }
  });

  test('xdp_get_buff_len', () => {
    for (const options of ENGINES) {
      using object = loadText('xdp', 'call bpf_xdp_get_buff_len\nexit', { options });
      expect(object.program().run({ data: new Uint8Array(77) }).retval).toBe(77);
    }
  });
});
