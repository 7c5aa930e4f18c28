// The replay of a capture against a run of each of its packets by itself, with another engine: the same verdicts, maps and bytes.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CapturePacket } from '../../src/capture/packet.ts';
import { PcapWriter } from '../../src/capture/pcap.ts';
import { readCapture, readCaptureChunks } from '../../src/capture/read.ts';
import { replay } from '../../src/cli/replay.ts';
import { VerdictTally } from '../../src/cli/verdicts.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { linkObject } from '../../src/link/link.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

const SIZES = [1, 60, 61, 300, 1500, 9000];
const PACKETS = 3000;

/** Of many sizes; some are too short for a frame, a quarter goes to the port that the program drops. */
function capture(): Uint8Array {
  const writer = new PcapWriter({ linkType: 1 });
  const records = Array.from({ length: PACKETS }, (_, n) => {
    const data = Uint8Array.from({ length: SIZES[n % SIZES.length] }, (__, at) => (at * 7 + n) & 0xff);
    if (data.length >= 60) {
      data.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0]);
      data.set([10, 0, n & 0xff, 1, 198, 51, 100, 2, 0x30, n & 0xff, 0, n % 4 === 0 ? 53 : 80, 0, 26], 26);
    }
    return writer.packet({ timestamp: BigInt(n) * 1_700_000_123n, data, originalLength: data.length });
  });
  return Buffer.concat([writer.header(), ...records]);
}

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

const load = (engine: EngineName) =>
  loadObject(linkObject(readFileSync(path.join(PROJECT_ROOT, 'examples/drop-port/drop_port.bpf.o'))), {
    host: memoryHost(),
    engine,
  });

const contents = (object: ReturnType<typeof load>) => object.maps.map((map) => [map.name, [...map.entries()]]);

const bytes = capture();

/** A run a packet with the reference. */
function byThemselves() {
  using object = load('reference');
  const program = object.program('drop_port');
  const counts = new Map<string, number>();
  const skipped = { packets: 0, bytes: 0 };
  const clock: bigint[] = [];
  for (const { data, timestamp } of readCapture(bytes)) {
    if (data.length < 14) {
      skipped.packets++;
      skipped.bytes += data.length;
      continue;
    }
    clock.push(timestamp ?? -1n);
    const { verdict = '' } = program.run({ data, layer: 'link', limits: 'device' });
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  }
  return { counts, skipped, clock, maps: contents(object) };
}

describe('a replay', () => {
  const expected = byThemselves();

  test('has both verdicts to tell apart', () => {
    expect([...expected.counts.keys()].sort()).toEqual(['XDP_DROP', 'XDP_PASS']);
  });

  test.each(
    (['compile', 'interpret'] as const).flatMap((engine) =>
      [7919, 65_536, bytes.length].map((size) => [engine, size] as const),
    ),
  )('with %s, in chunks of %i bytes', async (engine, size) => {
    using object = load(engine);
    const program = object.program('drop_port');
    const row = object.platform.programType('xdp');
    if (row === undefined) throw new Error('no row for xdp');
    const tally = new VerdictTally(row, 'linux');
    const clock: bigint[] = [];
    let last = 0;
    const totals = await replay(readCaptureChunks(chunked(bytes, size)), {
      program,
      tally,
      records: [],
      out: undefined,
      repeat: 1,
      limit: Number.POSITIVE_INFINITY,
      setClock: (time) => clock.push(time),
      progress: (packets) => {
        expect(packets).toBe(++last);
      },
    });
    expect(totals.packets).toBe(PACKETS);
    expect(last).toBe(PACKETS);
    expect([...totals.skipped.values()]).toEqual([expected.skipped]);
    expect(new Map(tally.rows().map(({ name, packets }) => [name, packets]))).toEqual(expected.counts);
    expect(clock).toEqual(expected.clock);
    expect(contents(object)).toEqual(expected.maps);
  });

  test.each([1, PACKETS - 1])('stops after %i packets', async (limit) => {
    using object = load('compile');
    const row = object.platform.programType('xdp');
    if (row === undefined) throw new Error('no row for xdp');
    const totals = await replay(readCaptureChunks(chunked(bytes, 65_536)), {
      program: object.program('drop_port'),
      tally: new VerdictTally(row, 'linux'),
      records: [],
      out: undefined,
      repeat: 1,
      limit,
      setClock: () => undefined,
      progress: () => undefined,
    });
    expect(totals.packets).toBe(limit);
  });
});

test('packets before a cut record come before its error, whatever the chunks', async () => {
  for (const size of [1000, 65_536, bytes.length]) {
    const given: CapturePacket[] = [];
    const read = async (): Promise<void> => {
      for await (const packets of readCaptureChunks(chunked(bytes.subarray(0, -1), size))) given.push(...packets);
    };
    await expect(read()).rejects.toMatchObject({ code: 'capture/truncated' });
    expect(given.length).toBe(PACKETS - 1);
  }
});
