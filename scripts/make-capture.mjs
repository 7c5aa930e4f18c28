// Writes examples/captures/mixed.pcap: 200 packets of many kinds, the same bytes each time. `--check` compares instead.
// Runs over dist/ (npm run build). Addresses are those reserved for documentation (RFC 5737, RFC 3849).
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PcapWriter } from '../dist/capture/pcap.js';

const PACKETS = 200;
const START = 1_700_000_000n * 1_000_000_000n;

/** Numerical Recipes' linear congruential generator: the capture must not depend on the machine. */
let state = 2024;
function random(below) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}
const pick = (list) => list[random(list.length)];

const u16 = (value) => [(value >> 8) & 0xff, value & 0xff];
const u32 = (value) => [...u16(value >>> 16), ...u16(value & 0xffff)];

/** The Internet checksum (RFC 1071). */
function checksum(bytes) {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The bytes with the checksum of prefix and bytes put at `at`. */
function sealed(bytes, at, prefix = []) {
  const out = [...bytes];
  out.splice(at, 2, ...u16(checksum([...prefix, ...out])));
  return out;
}

const payload = (length) => Array.from({ length }, (_, i) => 0x61 + (i % 26));

const TRANSPORT = {
  tcp: (port) => ({
    protocol: 6,
    checksumAt: 16,
    bytes: [
      ...u16(32768 + random(28000)),
      ...u16(port),
      ...u32(random(2 ** 32)),
      ...u32(random(2 ** 32)),
      0x50,
      0x18,
      ...u16(64240),
      0,
      0,
      0,
      0,
      ...payload(random(400)),
    ],
  }),
  udp: (port) => {
    const data = payload(8 + random(200));
    return {
      protocol: 17,
      checksumAt: 6,
      bytes: [...u16(32768 + random(28000)), ...u16(port), ...u16(8 + data.length), 0, 0, ...data],
    };
  },
  echo: (_, version) => ({
    protocol: version === 4 ? 1 : 58,
    checksumAt: 2,
    bytes: [version === 4 ? 8 : 128, 0, 0, 0, ...u16(7), ...u16(random(1000)), ...payload(56)],
  }),
};

const NETWORKS4 = [
  [192, 0, 2],
  [198, 51, 100],
  [203, 0, 113],
];
const address4 = () => [...pick(NETWORKS4), 1 + random(20)];
const address6 = () => [0x20, 0x01, 0x0d, 0xb8, 0, random(3), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 + random(20)];

function ip4({ protocol, checksumAt, bytes }) {
  const [source, destination] = [address4(), address4()];
  const pseudo = protocol === 1 ? [] : [...source, ...destination, 0, protocol, ...u16(bytes.length)];
  const header = [0x45, 0, ...u16(20 + bytes.length), ...u16(random(65536)), 0x40, 0, 64, protocol, 0, 0];
  return [...sealed([...header, ...source, ...destination], 10), ...sealed(bytes, checksumAt, pseudo)];
}

function ip6({ protocol, checksumAt, bytes }) {
  const [source, destination] = [address6(), address6()];
  const pseudo = [...source, ...destination, ...u32(bytes.length), 0, 0, 0, protocol];
  const header = [0x60, 0, 0, 0, ...u16(bytes.length), protocol, 64];
  return [...header, ...source, ...destination, ...sealed(bytes, checksumAt, pseudo)];
}

const arp = () => [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, ...address4(), 0, 0, 0, 0, 0, 0, ...address4()];

function frame(kind, port, version, vlans = []) {
  const ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
  const tags = vlans.flatMap((vlan, i) => [...(i < vlans.length - 1 ? [0x88, 0xa8] : [0x81, 0x00]), ...u16(vlan)]);
  if (kind === 'arp') return [...ethernet, ...tags, 0x08, 0x06, ...arp()];
  const transport = TRANSPORT[kind](port, version);
  return version === 4
    ? [...ethernet, ...tags, 0x08, 0x00, ...ip4(transport)]
    : [...ethernet, ...tags, 0x86, 0xdd, ...ip6(transport)];
}

/** How often each kind comes among 20 packets. */
const MIX = [
  [5, ['tcp', 443, 4]],
  [3, ['tcp', 80, 4]],
  [3, ['udp', 53, 4]],
  [1, ['udp', 9999, 4]],
  [1, ['echo', 0, 4]],
  [2, ['tcp', 443, 6]],
  [1, ['udp', 53, 6]],
  [1, ['echo', 0, 6]],
  [1, ['udp', 53, 4, [100]]],
  [1, ['tcp', 443, 6, [200, 300]]],
  [1, ['arp']],
].flatMap(([times, kind]) => Array.from({ length: times }, () => kind));

const writer = new PcapWriter({ linkType: 1, resolution: 'micro' });
const parts = [writer.header()];
let time = START;
for (let i = 0; i < PACKETS; i++) {
  const whole = Uint8Array.from(frame(...pick(MIX)));
  // Some were cut by the capturing tool in the middle of a header, two are shorter than an Ethernet header.
  const kept = i % 100 === 99 ? 10 : i % 25 === 24 ? 30 : whole.length;
  time += BigInt(1 + random(5000)) * 1000n;
  parts.push(writer.packet({ timestamp: time, data: whole.subarray(0, kept), originalLength: whole.length }));
}

const file = join(import.meta.dirname, '..', 'examples', 'captures', 'mixed.pcap');
const bytes = Buffer.concat(parts);
if (process.argv.includes('--check')) {
  const same = readFileSync(file).equals(bytes);
  console.log(`mixed.pcap is ${same ? 'as' : 'not what'} this script writes it`);
  process.exitCode = same ? 0 : 1;
} else {
  writeFileSync(file, bytes);
  console.log(`mixed.pcap: ${PACKETS} packets, ${bytes.length} bytes`);
}
