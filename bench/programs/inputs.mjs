// What the programs of this folder run on: 64 packets each, and the contents of their maps. The same bytes each time.
export const PACKETS = 64;

/** Numerical Recipes' linear congruential generator: the same numbers on every machine. */
function generator(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const u16 = (value) => [(value >> 8) & 0xff, value & 0xff];
const native = (...words) => new Uint8Array(Uint32Array.from(words).buffer);
const native64 = (...words) => new Uint8Array(BigUint64Array.from(words, BigInt).buffer);

const PORTS = [7, 53, 80, 123, 443, 1900, 8080, 11211];
export const SOURCES = Array.from({ length: PACKETS }, (_, n) => [10, n % 4, 16 + n, 1 + n]);
const SERVICES = Array.from({ length: 8 }, (_, n) => [198, 51, 100, 1 + n]);

const MACS = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/** Every eighth has a VLAN tag, every third is UDP; one in eight goes to an address that is no service. */
function packet(n, bytes) {
  const random = generator(n + 1);
  const vlan = n % 8 === 0 ? [0x81, 0, 0, 100] : [];
  const length = bytes - 14 - vlan.length;
  const destination = n % 8 === 7 ? [203, 0, 113, 9] : SERVICES[n % 8];
  const protocol = n % 3 === 0 ? 17 : 6;
  const ip = [0x45, 0, ...u16(length), ...u16(n), 0x40, 0, 64, protocol, ...u16(random(65536))];
  const head = [
    ...MACS,
    ...vlan,
    8,
    0,
    ...ip,
    ...SOURCES[n],
    ...destination,
    ...u16(20000 + n),
    ...u16(PORTS[(n >> 1) % 8]),
  ];
  // Letters above f, so that no signature is there by chance.
  const data = Uint8Array.from({ length: bytes }, (_, at) => head[at] ?? 0x67 + random(20));
  // A signature for the scan, in one of eight packets, near the end of what it looks at.
  if (n % 8 === 5 && bytes >= 256) data.set([0x45, 0x76, 0x49, 0x6c], 240);
  return data;
}

export const packets = (bytes) => Array.from({ length: PACKETS }, (_, n) => packet(n, bytes));
const entries = (count, entry) => Array.from({ length: count }, (_, n) => entry(n));

function serviceEntries() {
  return SERVICES.slice(0, 7).flatMap((address, number) =>
    PORTS.flatMap((port) =>
      [6, 17].map((protocol) => [
        Uint8Array.from([...address, ...u16(port), protocol, 0]),
        native(number, port * 256 + protocol),
      ]),
    ),
  );
}

const RING_ENTRIES = 16_381;
const BACKENDS = 64;

/** So many different prefixes of 8 to 28 bits; the value is a verdict, XDP_DROP or XDP_PASS. A third covers packets. */
function prefixEntries(count) {
  const random = generator(99);
  const made = new Map();
  while (made.size < count) {
    const bits = 8 + random(21);
    const base =
      made.size % 3 === 0 ? SOURCES[random(PACKETS)] : [1 + random(223), random(256), random(256), random(256)];
    const address = base.map((byte, at) => byte & (0xff00 >> Math.max(0, Math.min(8, bits - 8 * at))) & 0xff);
    made.set(`${address}/${bits}`, [Uint8Array.from([...native(bits), ...address]), native(1 + (made.size % 2))]);
  }
  return [...made.values()];
}

const bigEndian = (word) => [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff];
const littleEndian = (word) => bigEndian(word).reverse();

/** `mixed` of lookup.bpf.c. */
function mixed(number) {
  let h = number >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Lengths of prefixes to how many of 100 have them, about as in the Internet's routing tables. */
const LENGTHS = {
  lpm4: { 24: 58, 23: 10, 22: 12, 21: 5, 20: 4, 19: 3, 18: 2, 17: 1, 16: 2, 12: 1, 27: 1, 32: 1 },
  lpm6: { 48: 47, 44: 14, 40: 11, 32: 13, 36: 4, 29: 3, 46: 4, 64: 4 },
};

/** The key that lookup.bpf.c makes of a number: address bytes of the tries, all of it for the hash. */
const KEYS_OF = {
  hash: (n) => [...littleEndian(mixed(n)), ...littleEndian(n)],
  lpm4: (n) => littleEndian(mixed(n)),
  lpm6: (n) => [
    ...bigEndian((0x20000000 | (mixed(Math.floor(n / 4)) >>> 8)) >>> 0),
    ...littleEndian(mixed(~n)),
    ...littleEndian(n),
    ...littleEndian(n),
  ],
};

/**
 * So many entries of a map that lookup.bpf.c looks its keys up in, each of which is found. Prefix n is one of key n; where that is
 * there already, a longer one.
 */
export function lookupEntries(kind, count) {
  const lengths = Object.entries(LENGTHS[kind] ?? {}).flatMap(([bits, share]) => new Array(share).fill(Number(bits)));
  const seen = new Set();
  return entries(count, (n) => {
    const bytes = KEYS_OF[kind](n);
    const value = native64(n + 1);
    if (lengths.length === 0) return [Uint8Array.from(bytes), value];
    for (let bits = lengths[mixed(n + 7) % lengths.length]; ; bits++) {
      const masked = bytes.map((byte, at) => byte & (0xff00 >> Math.max(0, Math.min(8, bits - 8 * at))) & 0xff);
      const name = `${masked}/${bits}`;
      if (seen.has(name)) continue;
      seen.add(name);
      return [Uint8Array.from([...native(bits), ...masked]), value];
    }
  });
}

/** Runs after which a ring must be emptied: one record of 72 bytes for each 64 packets, and some room. */
const MOST_RUNS = ((1 << 22) / 72 - 1000) * PACKETS;

/** Program (NAME.bpf.c) to its packets and map contents: name to [key, value] pairs. `rings` are emptied before each measurement, of `most` runs. */
export const PROGRAMS = {
  nop: { packets: packets(64) },
  drop: { packets: packets(64) },
  l4lb: {
    packets: packets(128),
    maps: {
      services: serviceEntries(),
      ring: entries(RING_ENTRIES, (n) => [native(n), native((n * 31) % BACKENDS)]),
      backends: entries(BACKENDS, (n) => [native(n), Uint8Array.from([2, 0, 0, 0, 1, n, 4 * (n % 16), 0])]),
    },
  },
  count_hash: {
    packets: packets(64),
    maps: { sources: SOURCES.map((address) => [Uint8Array.from(address), native64(0)]) },
  },
  count_array: { packets: packets(64) },
  update: { packets: packets(64) },
  fnv: { packets: packets(1500) },
  siphash: { packets: packets(1500) },
  scan: { packets: packets(300) },
  acl: { packets: packets(64) },
  lpm: { packets: packets(64), maps: { prefixes: prefixEntries(1000) } },
  ring: { packets: packets(64), rings: { samples: 1 << 22 }, most: MOST_RUNS },
};
