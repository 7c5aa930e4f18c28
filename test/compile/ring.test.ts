// Ring buffers in compiled code, against the reference interpreter: whatever a program and the application do to a ring by turns,
// results, aborts, positions, bytes of the ring, wake-ups and consumed records are the same.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import type { RingBufferMap } from '../../src/spec/map.ts';
import { loadText, mapSpec } from '../run/support.ts';

const RING_BYTES = 4096;

/** In the packet: operation (u32), size (u32), flags (u64), then bytes to send. */
const DATA_AT = 16;

/** r6: packet, r7: size, r8: flags. Leaves the result, or -9 where there was no room. */
const OPERATIONS = {
  output: `r1 = map[ring] ll
r2 = r6
r2 += ${DATA_AT}
r3 = r7
r4 = r8
call bpf_ringbuf_output
exit`,
  outputOfKnownSize: `r1 = map[ring] ll
r2 = r6
r2 += ${DATA_AT}
r3 = 39
r4 = 0
call bpf_ringbuf_output
exit`,
  submit: `r1 = map[ring] ll
r2 = r7
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto none
*(u8 *)(r0 + 0) = 77
r1 = r0
r2 = r8
call bpf_ringbuf_submit
exit`,
  discard: `r1 = map[ring] ll
r2 = r7
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto none
r1 = r0
r2 = r8
call bpf_ringbuf_discard
exit`,
  reserveWithFlags: `r1 = map[ring] ll
r2 = r7
r3 = r8
call bpf_ringbuf_reserve
if r0 == 0 goto none
r1 = r0
r2 = 0
call bpf_ringbuf_submit
exit`,
  query: `r1 = map[ring] ll
r2 = r8
call bpf_ringbuf_query
exit`,
  twoAtOnce: `r1 = map[ring] ll
r2 = r7
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto none
r9 = r0
r1 = map[ring] ll
r2 = 20
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto first
*(u8 *)(r0 + 19) = 5
r1 = r0
r2 = 0
call bpf_ringbuf_submit
first: *(u8 *)(r9 + 0) = 6
r1 = r9
r2 = r8
call bpf_ringbuf_submit
r0 = 3
exit`,
  otherHelperMeanwhile: `r1 = map[ring] ll
r2 = r7
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto none
r9 = r0
r1 = map[ring] ll
r2 = r9
r3 = 1
r4 = 0
call bpf_ringbuf_output
*(u64 *)(r10 - 8) = 7
r1 = r9
r2 = 1
r3 = r10
r3 += -8
call bpf_probe_read_kernel
r1 = r9
r2 = r8
call bpf_ringbuf_discard
r0 = 4
exit`,
  leave: `r1 = map[ring] ll
r2 = r7
r3 = 0
call bpf_ringbuf_reserve
r0 = 5
exit`,
  abort: `r1 = map[ring] ll
r2 = r7
r3 = 0
call bpf_ringbuf_reserve
r1 = map[ring] ll
r2 = 16
r3 = 0
call bpf_ringbuf_reserve
r1 = 0
r0 = *(u8 *)(r1 + 0)
exit`,
} as const;

/** What only checked code survives. */
const MISTAKES = {
  writeAfterSubmit: `r1 = map[ring] ll
r2 = 16
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto none
r9 = r0
*(u8 *)(r9 + 1) = 1
r1 = r9
r2 = r8
call bpf_ringbuf_submit
*(u8 *)(r9 + 1) = 2
exit`,
  submitTwice: `r1 = map[ring] ll
r2 = 16
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto none
r9 = r0
r1 = r9
r2 = 0
call bpf_ringbuf_submit
r1 = r9
r2 = r8
call bpf_ringbuf_discard
exit`,
  submitInside: `r1 = map[ring] ll
r2 = 16
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto none
r1 = r0
r1 += 8
r2 = r8
call bpf_ringbuf_submit
exit`,
  submitNull: `r1 = 0
r2 = 0
call bpf_ringbuf_submit
exit`,
  writePastTheEnd: `r1 = map[ring] ll
r2 = 16
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto none
*(u64 *)(r0 + 9) = 1
exit`,
  outputOfNothing: `r1 = map[ring] ll
r2 = r6
r2 += 1000
r3 = r7
r4 = 0
call bpf_ringbuf_output
exit`,
  outputPastTheEnd: `r1 = map[ring] ll
r2 = r6
r3 = 900
r4 = r8
call bpf_ringbuf_output
exit`,
  outputOfNumber: `r1 = map[ring] ll
r2 = r8
r3 = 4
r4 = 0
call bpf_ringbuf_output
exit`,
} as const;

type Operation = keyof typeof OPERATIONS | keyof typeof MISTAKES;
const ALL: readonly (readonly [Operation, string])[] = Object.entries({ ...OPERATIONS, ...MISTAKES }) as [
  Operation,
  string,
][];
const NAMES = ALL.map(([name]) => name);

const TEXT = `r6 = *(u32 *)(r1 + 0)
r0 = *(u32 *)(r6 + 0)
r7 = *(u32 *)(r6 + 4)
r8 = *(u64 *)(r6 + 8)
${NAMES.map((name, i) => `if r0 == ${i} goto ${name}`).join('\n')}
none: r0 = -9
exit
${ALL.map(([name, text]) => `${name}: ${text}`).join('\n')}`;

const PACKET = 800;

interface Options {
  readonly engine: EngineName;
  readonly trusted: boolean;
}

class Side implements Disposable {
  readonly object: LoadedObject;
  readonly ring: RingBufferMap;
  readonly #program;
  wakes = 0;

  constructor(options: Options) {
    this.object = loadText('xdp', TEXT, {
      maps: [mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: RING_BYTES })],
      options,
    });
    this.ring = this.object.map('ring').raw as RingBufferMap;
    this.#program = this.object.program();
  }

  run(name: Operation, size: number, flags: bigint): string {
    const data = Uint8Array.from({ length: PACKET }, (_, i) => i * 7 + size);
    const view = new DataView(data.buffer);
    view.setUint32(0, NAMES.indexOf(name), true);
    view.setUint32(4, size, true);
    view.setBigUint64(8, flags, true);
    try {
      return String(this.#program.run({ data }).retval | 0);
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      const { code, place, message } = error.diagnostic;
      return `${code} at ${place.insn}: ${message.replace(/0x[0-9a-f]+/g, 'an address')}`;
    }
  }

  listen(on: boolean): void {
    this.ring.onData = on ? () => this.wakes++ : undefined;
  }

  consume(): string[] {
    const records: string[] = [];
    this.ring.consume((record) => records.push(toHex(record)));
    return records;
  }

  /** All that can be seen, but for where the map is. */
  state(): string {
    const bytes = this.ring.view?.() as Uint8Array;
    const words = new Uint32Array(bytes.slice().buffer);
    let sum = 0;
    for (const word of words) sum = Math.imul(sum ^ (word === this.ring.handle ? 1 : word), 0x0100_0193);
    const positions = [0n, 1n, 2n, 3n].map((flags) => this.ring.query(flags));
    return `${positions.join()} ${this.wakes} ${sum}`;
  }

  [Symbol.dispose](): void {
    this.object[Symbol.dispose]();
  }
}

interface Step {
  readonly what: Operation | 'consume' | 'hostOutput' | 'listen' | 'deaf';
  readonly size: number;
  readonly flags: bigint;
}

const stepsOf = (operations: readonly Operation[]): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      what: fc.oneof(
        { weight: 12, arbitrary: fc.constantFrom(...operations) },
        { weight: 3, arbitrary: fc.constantFrom('consume' as const, 'hostOutput' as const) },
        { weight: 1, arbitrary: fc.constantFrom('listen' as const, 'deaf' as const) },
      ),
      size: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 1, max: 700 }) },
        { weight: 1, arbitrary: fc.constantFrom(0, 4080, 4087, 4088, 4089, 0x3fff_ffff, 0x4000_0000, 0xffff_ffff) },
      ),
      flags: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(0n, 0n, 1n, 2n, 3n) },
        { weight: 1, arbitrary: fc.constantFrom(4n, 1n << 32n, 0xffff_ffff_ffff_ffffn) },
      ),
    }),
    { minLength: 10, maxLength: 80 },
  );

function compare(options: Options, operations: readonly Operation[], numRuns: number): void {
  fc.assert(
    fc.property(stepsOf(operations), (steps) => {
      using expected = new Side({ engine: 'reference', trusted: false });
      using found = new Side(options);
      const both = <T>(act: (side: Side) => T): void => {
        expect(act(found)).toEqual(act(expected));
      };
      for (const { what, size, flags } of steps) {
        switch (what) {
          case 'consume':
            both((side) => side.consume());
            break;
          case 'hostOutput':
            both((side) => side.ring.output(side.ring.handle, Math.min(size, 12), 0n));
            break;
          case 'listen':
          case 'deaf':
            both((side) => side.listen(what === 'listen'));
            break;
          default: {
            const bytes = what.startsWith('output') ? Math.min(size, PACKET - DATA_AT) : size;
            both((side) => side.run(what, options.trusted ? Math.max(1, bytes) : size, flags));
          }
        }
        both((side) => side.state());
      }
      both((side) => side.consume());
    }),
    { numRuns },
  );
}

describe.each([
  { engine: 'compile', trusted: true },
  { engine: 'compile', trusted: false },
  { engine: 'interpret', trusted: false },
] as const)('$engine, trusted: $trusted', (options) => {
  const right = Object.keys(OPERATIONS) as Operation[];
  // Code that is trusted is verified: it leaves no record, and accesses no byte that is not its own.
  const verified = right.filter((name) => name !== 'leave' && name !== 'abort');
  test('any sequence of what programs do', () => compare(options, options.trusted ? verified : right, 50));
  if (!options.trusted) test('and of mistakes', () => compare(options, NAMES, 60));
});

test('a record that a run of a batch leaves is gone for the next one', () => {
  // The first packet leaves a record and says where it is; the others write to it.
  const text = `r6 = *(u32 *)(r1 + 0)
r7 = *(u8 *)(r6 + 0)
*(u32 *)(r10 - 4) = 0
r1 = map[at] ll
r2 = r10
r2 += -4
call bpf_map_lookup_elem
if r0 == 0 goto out
r8 = r0
if r7 != 0 goto write
r1 = map[ring] ll
r2 = 16
r3 = 0
call bpf_ringbuf_reserve
if r0 == 0 goto out
*(u64 *)(r0 + 0) = 1
*(u64 *)(r8 + 0) = r0
goto out
write: r0 = *(u64 *)(r8 + 0)
*(u64 *)(r0 + 0) = 2
out: r0 = 0
exit`;
  const maps = [
    mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: RING_BYTES }),
    mapSpec('at', 'array', { valueSize: 8, maxEntries: 1 }),
  ];
  for (const engine of ['reference', 'compile', 'interpret'] as const) {
    using object = loadText('xdp', text, { maps, options: { engine, trusted: false } });
    using batch = object.program().batch(2);
    for (const n of [0, 1]) batch.lay(n, { data: new Uint8Array(64).fill(n) });
    expect(() => batch.run(2), engine).toThrow(expect.objectContaining({ code: 'run/bad-access' }));
    const ring = object.map('ring').raw as RingBufferMap;
    expect(ring.consume(() => undefined)).toBe(0);
    expect(ring.query(0n)).toBe(0n);
  }
});
