import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { concatBytes } from '../../src/base/bytes.ts';
import { type CapturePacket, MAX_PACKET_BYTES } from '../../src/capture/packet.ts';
import { PcapWriter } from '../../src/capture/pcap.ts';
import { PcapngWriter, programInterface } from '../../src/capture/pcapng-write.ts';
import { readCapture, readCaptureStream } from '../../src/capture/read.ts';
import { chunked, refusal } from './support.ts';

const endian = fc.constantFrom('little' as const, 'big' as const);
const data = fc.uint8Array({ maxLength: 80 });
const length = fc.integer({ min: 0, max: 0xffff_ffff });
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const option = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const words = fc.string({ maxLength: 12, unit: 'grapheme' });
/** Leaves out fields that are undefined, as readers do. */
const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;

const ngPacket = fc
  .record({
    timestamp: u64,
    data,
    originalLength: length,
    comments: option(fc.array(words, { minLength: 1, maxLength: 3 })),
    packetId: option(u64),
    queue: option(length),
    verdicts: option(
      fc.array(fc.record({ hook: fc.constantFrom('tc' as const, 'xdp' as const), value: u64 }), {
        minLength: 1,
        maxLength: 2,
      }),
    ),
  })
  .map(present);

async function inChunks(bytes: Uint8Array, cuts: readonly number[]): Promise<CapturePacket[]> {
  const packets: CapturePacket[] = [];
  for await (const packet of readCaptureStream(chunked(bytes, cuts))) packets.push(packet);
  return packets;
}

test('pcapng: what was written is read again, whole and in chunks', async () => {
  const interfaces = fc.array(
    fc
      .record({
        linkType: fc.integer({ min: 0, max: 0xffff }),
        snapLength: length,
        name: option(words),
        description: option(words),
      })
      .map(present),
    { minLength: 1, maxLength: 4 },
  );
  const packets = fc.array(fc.tuple(fc.nat(), ngPacket), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(endian, interfaces, packets, sizes, async (order, described, list, cuts) => {
      const writer = new PcapngWriter({ endian: order, application: 'test', os: 'none' });
      const bytes = concatBytes([
        writer.header(),
        ...described.map((d) => writer.interface(d)),
        ...list.map(([i, p]) => writer.packet(i % described.length, p)),
      ]);
      const expected = list.map(([i, p]) => {
        const index = i % described.length;
        return { ...p, interface: { ...described[index], index } };
      });
      expect([...readCapture(bytes)]).toEqual(expected);
      expect(await inChunks(bytes, cuts)).toEqual(expected);
    }),
    { numRuns: 150 },
  );
});

test('pcap: what was written is read again, whole and in chunks', async () => {
  const second = 1_000_000_000n;
  const timestamp = fc.bigInt({ min: 0n, max: 0xffff_ffffn * second + second - 1n });
  const packets = fc.array(fc.record({ timestamp, data, originalLength: length }), { maxLength: 8 });
  const resolutions = fc.constantFrom('micro' as const, 'nano' as const);
  await fc.assert(
    fc.asyncProperty(endian, resolutions, packets, sizes, async (order, resolution, list, cuts) => {
      const writer = new PcapWriter({ endian: order, linkType: 1, resolution });
      const bytes = concatBytes([writer.header(), ...list.map((p) => writer.packet(p))]);
      const expected = list.map((p) => ({
        ...p,
        timestamp: resolution === 'nano' ? p.timestamp : (p.timestamp / 1000n) * 1000n,
        interface: { index: 0, linkType: 1, snapLength: MAX_PACKET_BYTES },
      }));
      expect([...readCapture(bytes)]).toEqual(expected);
      expect(await inChunks(bytes, cuts)).toEqual(expected);
    }),
    { numRuns: 150 },
  );
});

function sample(kind: 'pcap' | 'pcapng'): Uint8Array {
  const packets = Array.from({ length: 6 }, (_, i) => ({
    timestamp: BigInt(i) * 1_000_000n,
    data: new Uint8Array(20 + 7 * i).fill(i),
    originalLength: 20 + 7 * i,
  }));
  if (kind === 'pcap') {
    const writer = new PcapWriter({ linkType: 1 });
    return concatBytes([writer.header(), ...packets.map((p) => writer.packet(p))]);
  }
  const writer = new PcapngWriter({ application: 'mutations' });
  return concatBytes([
    writer.header(),
    writer.interface({ linkType: 1, snapLength: 0, name: 'eth0' }),
    ...packets.map((p) =>
      writer.packet(0, { ...p, comments: ['x'], packetId: 1n, verdicts: [{ hook: 'xdp', value: 1n }] }),
    ),
  ]);
}

/** Changes, cuts, repeats or drops bytes. */
const mutation = fc.array(
  fc.record({
    how: fc.constantFrom('set', 'cut', 'drop', 'repeat', 'word'),
    at: fc.nat(),
    value: fc.integer({ min: 0, max: 255 }),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutate(bytes: Uint8Array, steps: typeof mutation extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  let out = bytes.slice();
  for (const { how, at, value } of steps) {
    if (out.length === 0) break;
    const i = at % out.length;
    if (how === 'set') out[i] = value;
    else if (how === 'cut') out = out.slice(0, i);
    else if (how === 'drop') out = concatBytes([out.subarray(0, i), out.subarray(i + (value % 9))]);
    else if (how === 'repeat') out = concatBytes([out, out.subarray(i)]);
    else out.fill(value < 128 ? 0xff : 0, i & ~3, (i & ~3) + 4);
  }
  return out;
}

/** How many packets were read, or the sentence of the refusal. Anything else that is raised passes through. */
async function outcome(read: () => Iterable<CapturePacket> | Promise<CapturePacket[]>): Promise<number | string> {
  try {
    return [...(await read())].length;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return error.message;
  }
}

test.each(['pcap', 'pcapng'] as const)('%s: broken files raise only typed errors', async (kind) => {
  const file = sample(kind);
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(mutation, sizes, async (steps, cuts) => {
      const bytes = mutate(file, steps);
      const whole = await outcome(() => readCapture(bytes));
      if (typeof whole === 'string') refused++;
      expect(await outcome(() => inChunks(bytes, cuts))).toBe(whole);
    }),
    { numRuns: 300 },
  );
  expect(refused).toBeGreaterThan(100);
});

test('what a format cannot hold is refused', () => {
  const huge = new Uint8Array(MAX_PACKET_BYTES + 1);
  const ng = new PcapngWriter();
  const bare = { timestamp: 0n, data: new Uint8Array(0), originalLength: 0 };
  expect(refusal(() => ng.packet(0, bare)).message).toContain('interface 0 was not described');
  ng.interface({ linkType: 1, snapLength: 0 });
  expect(refusal(() => ng.packet(0, { ...bare, data: huge })).code).toBe('capture/write');
  expect(refusal(() => ng.packet(0, { ...bare, timestamp: -1n })).code).toBe('capture/write');
  expect(refusal(() => ng.packet(0, { ...bare, comments: ['x'.repeat(65536)] })).code).toBe('capture/write');
  expect(refusal(() => ng.interface({ linkType: 65536, snapLength: 0 })).code).toBe('capture/write');
  const pcap = new PcapWriter({ linkType: 1 });
  expect(refusal(() => pcap.packet({ ...bare, data: huge })).code).toBe('capture/write');
  expect(refusal(() => pcap.packet({ ...bare, timestamp: 1n << 63n })).code).toBe('capture/write');
});

function tcpdump(args: readonly string[]): string | undefined {
  try {
    return execFileSync('tcpdump', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

test.for(['pcap', 'pcapng'] as const)('tcpdump reads the %s', (kind, context) => {
  const folder = mkdtempSync(join(tmpdir(), 'anybpf-'));
  try {
    const file = join(folder, `out.${kind}`);
    writeFileSync(file, sample(kind));
    const text = tcpdump(['-tt', '-n', '-e', '-r', file]);
    if (text === undefined) return context.skip('tcpdump is not installed');
    const lines = text.split('\n').filter((line) => /^\d/.test(line));
    expect(lines).toHaveLength(6);
    expect(lines[5]).toMatch(/^0\.005000 05:05:05:05:05:05 > 05:05:05:05:05:05/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("interfaces are named as xdpdump names a program's sides", () => {
  expect(programInterface('eth0', 'drop_port', 'fexit')).toBe('eth0:drop_port()@fexit');
});
