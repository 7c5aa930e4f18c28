// The examples of the matrix that look at packets: what each is given, the traffic, the answers that traffic gets where verdicts are
// enforced, and what its maps hold then. `expected` counts the frames by itself, in a few lines that share nothing with the engine.
import { concatBytes } from '../../src/base/bytes.ts';
import type { Fd, MapChange, Session } from '../../src/spec/session.ts';
import type { AttachTypeName } from '../../src/spec/program-types.ts';
import { u32 } from '../context/support.ts';
import { ECHO_PORTS, type Step } from './wire.ts';

/** What the frames were sent between. */
export interface Ends {
  readonly address: string;
  readonly sources: readonly [string, string];
}

export type State = Readonly<Record<string, unknown>>;
export type Maps = Readonly<Record<string, Fd>>;

export interface Scene {
  readonly name: string;
  readonly object: string;
  readonly attachType: Extract<AttachTypeName, 'xdp' | 'tcx_ingress'>;
  /** What the verdict is of a frame that goes on. */
  readonly pass: number;
  readonly changes?: Readonly<Record<string, MapChange>>;
  entries(ends: Ends): readonly { readonly map: string; readonly key: Uint8Array; readonly value: Uint8Array }[];
  steps(ends: Ends): readonly Step[];
  /** Answers that each step gets. */
  readonly answers: readonly number[];
  read(session: Session, maps: Maps, ends: Ends): Promise<State>;
  expected(frames: readonly Uint8Array[], ends: Ends): State;
}

const XDP_PASS = 2;
/** TCX_NEXT (-1): the chain's end, where the example says TC_ACT_OK (0). */
const TC_ACT_OK = 0;
const [REFUSED, OPEN] = ECHO_PORTS;

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const u16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);

/** struct tally, hits and counter of the examples: two u64. */
const tally = (bytes: Uint8Array, at = 0) => ({
  packets: Number(view(bytes).getBigUint64(at, true)),
  bytes: Number(view(bytes).getBigUint64(at + 8, true)),
});
const NOTHING = new Uint8Array(16);

interface Fields {
  readonly etherType: number;
  readonly protocol: number;
  readonly source: string;
  readonly port: number;
}

/** IPv4 without options, as the client sends it. */
function fieldsOf(frame: Uint8Array): Fields {
  const at = view(frame);
  const protocol = frame[23];
  const port = protocol === 6 || protocol === 17 ? at.getUint16(36) : 0;
  return { etherType: at.getUint16(12), protocol, source: frame.subarray(26, 30).join('.'), port };
}

const sum = (frames: readonly Uint8Array[]) => ({
  packets: frames.length,
  bytes: frames.reduce((bytes, { length }) => bytes + length, 0),
});

const lookup = async (session: Session, fd: Fd, key: Uint8Array): Promise<Uint8Array> =>
  (await session.call('map.lookup', { fd, key })).value;

const every = ([source]: Ends['sources']): readonly Step[] => [
  { kind: 'ping', source, count: 3 },
  { kind: 'udp', source, port: REFUSED, count: 3 },
  { kind: 'udp', source, port: OPEN, count: 5 },
  { kind: 'tcp', source, port: REFUSED, count: 2 },
  { kind: 'tcp', source, port: OPEN, count: 2 },
];
const ALL = [3, 3, 5, 2, 2];

const dropPort: Scene = {
  name: 'drop by port',
  object: 'drop-port/drop_port.bpf.o',
  attachType: 'xdp',
  pass: XDP_PASS,
  entries: () => [{ map: 'blocked', key: u16(REFUSED), value: NOTHING }],
  steps: ({ sources }) => every(sources),
  answers: [3, 0, 5, 0, 2],
  read: async (session, maps) => ({
    blocked: tally(await lookup(session, maps['blocked'], u16(REFUSED))),
    passed: tally(await lookup(session, maps['totals'], u32(0))),
    dropped: tally(await lookup(session, maps['totals'], u32(1))),
  }),
  expected: (frames) => {
    const dropped = frames.filter((frame) => fieldsOf(frame).port === REFUSED);
    return {
      blocked: sum(dropped),
      passed: sum(frames.filter((frame) => !dropped.includes(frame))),
      dropped: sum(dropped),
    };
  },
};

const bytesOf = (address: string): Uint8Array => Uint8Array.from(address.split('.').map(Number));
/** struct network4. */
const network = (prefix: number, address: string): Uint8Array => concatBytes([u32(prefix), bytesOf(address)]);
/** The upper half of the far end's network, and one address in it that the longer prefix is of. */
const HALF = 25;

const lpmBlock: Scene = {
  name: 'LPM block list',
  object: 'lpm-block/lpm_block.bpf.o',
  attachType: 'xdp',
  pass: XDP_PASS,
  entries: ({ sources: [, second] }) => [
    { map: 'blocked4', key: network(HALF, second), value: NOTHING },
    { map: 'blocked4', key: network(32, '192.0.2.1'), value: NOTHING },
  ],
  steps: ({ sources: [first, second] }) => [
    { kind: 'ping', source: first, count: 3 },
    { kind: 'ping', source: second, count: 2 },
    { kind: 'udp', source: second, port: OPEN, count: 3 },
    { kind: 'udp', source: first, port: OPEN, count: 3 },
    { kind: 'tcp', source: second, port: OPEN, count: 1 },
    { kind: 'tcp', source: first, port: OPEN, count: 1 },
  ],
  answers: [3, 0, 0, 3, 0, 1],
  read: async (session, maps, { sources: [, second] }) => ({
    network: tally(await lookup(session, maps['blocked4'], network(HALF, second))),
    other: tally(await lookup(session, maps['blocked4'], network(32, '192.0.2.1'))),
  }),
  expected: (frames, { sources: [, second] }) => ({
    network: sum(frames.filter((frame) => fieldsOf(frame).source === second)),
    other: sum([]),
  }),
};

const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17 } as const;
/** Per CPU, summed: which of them it was is the machine's matter. */
function tallies(bytes: Uint8Array): { readonly packets: number; readonly bytes: number } {
  const cpus = Array.from({ length: bytes.length / 16 }, (_, cpu) => tally(bytes, 16 * cpu));
  return cpus.reduce((a, b) => ({ packets: a.packets + b.packets, bytes: a.bytes + b.bytes }));
}

const readProtocols = async (session: Session, maps: Maps): Promise<State> => {
  const rows = Object.entries(PROTOCOLS).map(async ([name, number]) => [
    name,
    tallies(await lookup(session, maps['protocols'], u32(number))),
  ]);
  return Object.fromEntries(await Promise.all(rows)) as State;
};

const protocolsOf = (frames: readonly Uint8Array[]): State =>
  Object.fromEntries(
    Object.entries(PROTOCOLS).map(([name, number]) => [
      name,
      sum(frames.filter((frame) => fieldsOf(frame).protocol === number)),
    ]),
  );

const counters: Scene = {
  name: 'counters',
  object: 'portable/count_protocols.linux.bpf.o',
  attachType: 'xdp',
  pass: XDP_PASS,
  entries: () => [],
  steps: ({ sources }) => every(sources),
  answers: ALL,
  read: readProtocols,
  expected: protocolsOf,
};

const tcCounters: Scene = {
  ...counters,
  name: 'counters at tc',
  object: 'counters/counters.bpf.o',
  attachType: 'tcx_ingress',
  pass: TC_ACT_OK,
  read: async (session, maps) => {
    const others = await lookup(session, maps['.bss'], u32(0));
    return { ...(await readProtocols(session, maps)), others: Number(view(others).getBigUint64(0, true)) };
  },
  expected: (frames) => ({ ...protocolsOf(frames), others: 0 }),
};

const EVERY = 3;
const HEADER = 32;

const sampler: Scene = {
  name: 'sampler',
  object: 'sampler/sampler.bpf.o',
  attachType: 'xdp',
  pass: XDP_PASS,
  changes: { 'sampler.rodata': { data: u32(EVERY) } },
  entries: () => [],
  steps: ({ sources }) => every(sources),
  answers: ALL,
  // struct event but its time.
  read: async (session, maps) => {
    const { records, lost } = await session.call('map.consume', { fd: maps['events'] });
    return {
      lost,
      events: records.map(({ data }) => ({
        number: Number(view(data).getBigUint64(8, true)),
        length: view(data).getUint32(16, true),
        captured: view(data).getUint16(20, true),
        etherType: view(data).getUint16(22, true),
        header: data.slice(24, 24 + HEADER),
      })),
    };
  },
  expected: (frames) => ({
    lost: 0,
    events: frames.flatMap((frame, i) => {
      if ((i + 1) % EVERY !== 0) return [];
      const header = frame.slice(0, HEADER);
      const { etherType } = fieldsOf(frame);
      return [{ number: i + 1, length: frame.length, captured: HEADER, etherType, header }];
    }),
  }),
};

export const SCENES: readonly Scene[] = [dropPort, lpmBlock, counters, tcCounters, sampler];
