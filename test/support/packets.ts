// Packets for tests: well-formed ones with every layer that the programs under test look at, and broken ones.
//
//   samplePackets(1000, seed)   // Uint8Array[], the same for the same seed
//   fc.property(anyPacket, (packet) => ...)
//
// Addresses and ports come mostly from small pools (ADDRESSES4, ...), so that map entries made from the same pools are
// hit; `checksum16` is the Internet checksum for callers that build packets of their own.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { concatBytes, fromHex } from '../../src/base/bytes.ts';
import { corpusFolder } from './shared.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const u16 = (value: number): Bytes => Uint8Array.of((value >> 8) & 255, value & 255);
const u32 = (value: number): Bytes => concatBytes([u16(value >>> 16), u16(value & 0xffff)]);
const of = (...values: readonly number[]): Bytes => Uint8Array.from(values);

export const ADDRESSES4: readonly Bytes[] = [
  of(10, 0, 0, 1),
  of(10, 0, 0, 2),
  of(10, 1, 2, 3),
  of(192, 168, 1, 1),
  of(192, 168, 1, 77),
  of(172, 16, 0, 9),
  of(8, 8, 8, 8),
  of(127, 0, 0, 1),
  of(224, 0, 0, 251),
  of(255, 255, 255, 255),
];
const prefix6 = (...head: readonly number[]) => {
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes[15] = 1;
  return bytes;
};
export const ADDRESSES6: readonly Bytes[] = [
  prefix6(0xfe, 0x80),
  prefix6(0xfc, 0),
  prefix6(0xfc, 0, 0, 1),
  prefix6(0x20, 0x01, 0x0d, 0xb8),
  prefix6(),
  prefix6(0xff, 0x02),
];
export const PORTS: readonly number[] = [7, 22, 53, 67, 80, 123, 443, 547, 1024, 4789, 5353, 6081, 8080, 8472, 9000];

/** RFC 1071 checksum, not yet complemented fields included as they stand. */
export function checksum16(...parts: readonly Uint8Array[]): number {
  const bytes = concatBytes(parts.map((part) => (part.length % 2 === 0 ? part : concatBytes([part, of(0)]))));
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Overwrites two bytes, in place. */
function patch16(bytes: Bytes, offset: number, value: number): Bytes {
  bytes[offset] = (value >> 8) & 255;
  bytes[offset + 1] = value & 255;
  return bytes;
}

const bytes = (min: number, max: number): fc.Arbitrary<Bytes> =>
  fc.uint8Array({ minLength: min, maxLength: max, size: 'max' }).map((a) => new Uint8Array(a));
const often = <T>(usual: fc.Arbitrary<T>, seldom: fc.Arbitrary<T>, weight = 7): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: seldom });
const seldom = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
const byte = fc.integer({ min: 0, max: 255 });
const word = fc.integer({ min: 0, max: 65535 });

const mac = often(
  fc.integer({ min: 0, max: 3 }).map((n) => of(2, 0, 0, 0, 0, n)),
  bytes(6, 6),
  4,
);
const address4 = often(fc.constantFrom(...ADDRESSES4), bytes(4, 4));
const address6 = often(fc.constantFrom(...ADDRESSES6), bytes(16, 16));
const port = often(fc.constantFrom(...PORTS), word, 4);
const payload = often(bytes(0, 64), bytes(65, 600), 9);

/** An upper-layer header with its payload; the network layer gives the pseudo header for the checksum. */
interface Upper {
  readonly protocol: number;
  build(pseudo: Bytes): Bytes;
}

function withPseudo(protocol: number, segment: Bytes, checksumAt: number, right: boolean): Upper {
  return {
    protocol,
    build: (pseudo) => {
      if (!right) return segment;
      const copy = patch16(new Uint8Array(segment), checksumAt, 0);
      const header = concatBytes([pseudo, of(0, protocol), u16(segment.length)]);
      return patch16(copy, checksumAt, checksum16(header, copy) || 0xffff);
    },
  };
}

const tcp: fc.Arbitrary<Upper> = fc
  .record({
    source: port,
    target: port,
    sequence: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    flags: often(fc.constantFrom(0x02, 0x12, 0x10, 0x18, 0x11, 0x04), byte),
    options: often(
      fc.constant(of()),
      fc.constantFrom(of(2, 4, 5, 180), of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2), of(2, 4, 5, 180, 1, 3, 3, 7)),
      2,
    ),
    badOffset: seldom,
    data: payload,
    badSum: seldom,
  })
  .map((t) => {
    const words = t.badOffset ? t.sequence % 16 : 5 + t.options.length / 4;
    const head = [u16(t.source), u16(t.target), u32(t.sequence), u32(t.sequence ^ 0x5a5a), of(words << 4, t.flags)];
    return withPseudo(6, concatBytes([...head, u16(502), u16(0xbad), u16(0), t.options, t.data]), 16, !t.badSum);
  });

const udpOf = (data: fc.Arbitrary<Bytes>, target: fc.Arbitrary<number>): fc.Arbitrary<Upper> =>
  fc
    .record({ source: port, target, data, badLength: seldom, sum: fc.constantFrom('right', 'right', 'zero', 'wrong') })
    .map((u) => {
      const length = u.badLength ? 7 + u.data.length : 8 + u.data.length;
      const sum = u.sum === 'zero' ? 0 : 0x1234;
      const segment = concatBytes([u16(u.source), u16(u.target), u16(length), u16(sum), u.data]);
      return withPseudo(17, segment, 6, u.sum === 'right');
    });

const icmp4: fc.Arbitrary<Upper> = fc
  .record({
    type: often(fc.constantFrom(8, 0, 3, 11, 5), byte),
    code: fc.integer({ min: 0, max: 5 }),
    rest: bytes(4, 60),
  })
  .map(({ type, code, rest }) => {
    const message = concatBytes([of(type, code, 0, 0), rest]);
    return { protocol: 1, build: () => patch16(message, 2, checksum16(patch16(message, 2, 0))) };
  });

const icmp6: fc.Arbitrary<Upper> = fc
  .record({
    type: often(fc.constantFrom(128, 129, 1, 2, 3, 133, 134, 135, 136), byte),
    code: fc.integer({ min: 0, max: 5 }),
    rest: bytes(4, 60),
  })
  .map(({ type, code, rest }) => withPseudo(58, concatBytes([of(type, code, 0, 0), rest]), 2, true));

interface Network {
  readonly etherType: number;
  readonly packet: Bytes;
}

const options4 = fc.constantFrom(of(1, 1, 1, 0), of(7, 7, 4, 0, 0, 0, 0, 0), of(148, 4, 0, 0));

const ipv4Of = (upper: fc.Arbitrary<Upper>): fc.Arbitrary<Network> =>
  fc
    .record({
      upper,
      source: address4,
      target: address4,
      tos: often(fc.constant(0), byte),
      id: word,
      ttl: often(fc.constantFrom(64, 1, 2, 128, 255, 0), byte),
      options: often(fc.constant(of()), options4),
      fragment: often(fc.constantFrom(0, 0x4000), fc.constantFrom(0x2000, 0x2010, 0x00b9, 0x1fff)),
      badSum: seldom,
      badLength: seldom,
      badHeader: seldom,
    })
    .map((p) => {
      const segment = p.upper.build(concatBytes([p.source, p.target]));
      const length = 20 + p.options.length;
      const total = p.badLength ? p.id : length + segment.length;
      const first = p.badHeader ? p.id & 255 : 0x40 | (length / 4);
      const head = [of(first, p.tos), u16(total), u16(p.id), u16(p.fragment), of(p.ttl, p.upper.protocol), u16(0)];
      const header = concatBytes([...head, p.source, p.target, p.options]);
      patch16(header, 10, checksum16(header) ^ (p.badSum ? 0x55 : 0));
      return { etherType: 0x0800, packet: concatBytes([header, segment]) };
    });

/** Extension headers of IPv6 by their next-header number; the first byte is set by the chain. */
interface ExtensionHeader {
  readonly number: number;
  readonly body: Bytes;
}
const extension = fc.constantFrom<ExtensionHeader>(
  { number: 0, body: of(0, 0, 5, 2, 0, 0, 1, 0) },
  { number: 43, body: concatBytes([of(0, 2, 0, 0, 0, 0, 0, 0), ADDRESSES6[3]]) },
  { number: 44, body: of(0, 0, 0, 1, 0, 0, 0, 9) },
  { number: 44, body: of(0, 0, 0x10, 0, 0, 0, 0, 9) },
  { number: 60, body: of(0, 0, 1, 4, 0, 0, 0, 0) },
);

const ipv6Of = (upper: fc.Arbitrary<Upper>): fc.Arbitrary<Network> =>
  fc
    .record({
      upper,
      source: address6,
      target: address6,
      traffic: often(fc.constant(0), byte),
      flow: often(fc.constant(0), word),
      hops: often(fc.constantFrom(64, 1, 2, 255, 0), byte),
      extensions: often(fc.constant<ExtensionHeader[]>([]), fc.array(extension, { minLength: 1, maxLength: 3 }), 4),
      badLength: seldom,
    })
    .map((p) => {
      const segment = p.upper.build(concatBytes([p.source, p.target]));
      const numbers = [...p.extensions.map((e) => e.number), p.upper.protocol];
      const chain = p.extensions.map(({ body }, i) => {
        const copy = new Uint8Array(body);
        copy[0] = numbers[i + 1];
        return copy;
      });
      const body = concatBytes([...chain, segment]);
      const first = of(0x60 | (p.traffic >> 4), (p.traffic << 4) & 0xf0);
      const length = p.badLength ? p.flow : body.length;
      const head = [first, u16(p.flow), u16(length), of(numbers[0], p.hops), p.source, p.target];
      return { etherType: 0x86dd, packet: concatBytes([...head, body]) };
    });

const arp: fc.Arbitrary<Network> = fc
  .record({ operation: fc.constantFrom(1, 2, 3), a: mac, b: mac, source: address4, target: address4 })
  .map((p) => ({
    etherType: 0x0806,
    packet: concatBytes([of(0, 1, 8, 0, 6, 4), u16(p.operation), p.a, p.source, p.b, p.target]),
  }));

const ethernetOf = (network: fc.Arbitrary<Network>): fc.Arbitrary<Bytes> =>
  fc
    .record({
      to: mac,
      from: mac,
      tags: often(
        fc.constant<[number, number][]>([]),
        fc.array(fc.tuple(fc.constantFrom<number>(0x8100, 0x88a8), fc.oneof(fc.constantFrom(0, 1, 42, 4011), word)), {
          minLength: 1,
          maxLength: 3,
        }),
        4,
      ),
      network,
    })
    .map(({ to, from, tags, network: { etherType, packet } }) => {
      const tagBytes = tags.map(([type, id]) => concatBytes([u16(type), u16(id)]));
      return concatBytes([to, from, ...tagBytes, u16(etherType), packet]);
    });

const random: fc.Arbitrary<Upper> = fc.record({ protocol: byte, data: bytes(0, 80) }).map(({ protocol, data }) => ({
  protocol,
  build: () => data,
}));
const udp = udpOf(payload, port);
const simple4 = ipv4Of(fc.oneof(tcp, udp, icmp4));
const simple6 = ipv6Of(fc.oneof(tcp, udp, icmp6));
/** Tunnels: the inner packet is a whole one. */
const ipInIp: fc.Arbitrary<Upper> = fc.oneof(
  simple4.map(({ packet }) => ({ protocol: 4, build: () => packet })),
  simple6.map(({ packet }) => ({ protocol: 41, build: () => packet })),
);
const gre: fc.Arbitrary<Upper> = fc.oneof(simple4, simple6).map(({ etherType, packet }) => ({
  protocol: 47,
  build: () => concatBytes([of(0, 0), u16(etherType), packet]),
}));
const vxlan = udpOf(
  ethernetOf(fc.oneof(simple4, simple6)).map((frame) => concatBytes([of(8, 0, 0, 0, 0, 0, 42, 0), frame])),
  fc.constantFrom(4789, 8472),
);

const upper4 = fc.oneof(
  { weight: 5, arbitrary: tcp },
  { weight: 5, arbitrary: udp },
  { weight: 2, arbitrary: icmp4 },
  { weight: 1, arbitrary: fc.oneof(ipInIp, gre, vxlan) },
  { weight: 1, arbitrary: random },
);
const upper6 = fc.oneof(
  { weight: 5, arbitrary: tcp },
  { weight: 5, arbitrary: udp },
  { weight: 2, arbitrary: icmp6 },
  { weight: 1, arbitrary: fc.oneof(ipInIp, gre, vxlan) },
  { weight: 1, arbitrary: random },
);

const otherType: fc.Arbitrary<Network> = fc
  .record({
    etherType: fc.oneof(word, fc.constantFrom(0x8864, 0x8847, 0x88cc, 0x0800, 0x86dd, 0x8100)),
    packet: bytes(0, 100),
  })
  .map((network) => network);

const frame = ethernetOf(
  fc.oneof(
    { weight: 6, arbitrary: ipv4Of(upper4) },
    { weight: 5, arbitrary: ipv6Of(upper6) },
    { weight: 1, arbitrary: arp },
    { weight: 1, arbitrary: otherType },
  ),
);

/** Shortest packet that BPF_PROG_TEST_RUN takes: an Ethernet header. */
export const MIN_PACKET = 14;

/** Any packet of at least 14 bytes: mostly whole frames, some cut short or padded, some random bytes. */
export const anyPacket: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 12, arbitrary: frame },
  {
    weight: 2,
    arbitrary: fc
      .tuple(frame, fc.nat())
      .map(([whole, cut]) => whole.subarray(0, MIN_PACKET + (cut % (whole.length - MIN_PACKET + 1)))),
  },
  { weight: 1, arbitrary: fc.tuple(frame, bytes(1, 40)).map(([whole, padding]) => concatBytes([whole, padding])) },
  { weight: 1, arbitrary: bytes(MIN_PACKET, 200) },
);

/** The same packets for the same seed. */
export const samplePackets = (count: number, seed: number): Uint8Array[] =>
  fc.sample(anyPacket, { numRuns: count, seed });

/** Packets that an outside test suite of a load balancer feeds in; none where the corpus is absent. */
export function corpusPackets(): Uint8Array[] {
  const folder = corpusFolder('katran');
  if ('reason' in folder) return [];
  const file = path.join(folder.path, 'fixtures.json');
  if (!existsSync(file)) return [];
  const suites: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const packets: Uint8Array[] = [];
  for (const suite of Object.values(suites as Record<string, unknown>)) {
    if (!Array.isArray(suite)) continue;
    for (const entry of suite as readonly Record<string, unknown>[]) {
      const packet = typeof entry['in'] === 'string' ? fromHex(entry['in']) : undefined;
      if (packet !== undefined && packet.length >= MIN_PACKET) packets.push(packet);
    }
  }
  return packets;
}
