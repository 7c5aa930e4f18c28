import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/hosts/memory/addresses.ts';
import { SimulatedNetwork } from '../../src/hosts/memory/network.ts';
import { FakeRun } from './fake-run.ts';
import { NETWORK } from './network-fixture.ts';

const SIZE = 64;
const EINVAL = -22;
const ENODEV = -19;
const EAFNOSUPPORT = -97;
const network = new SimulatedNetwork(NETWORK);

interface Query {
  readonly to: string;
  readonly from?: string;
  readonly ifindex?: number;
  readonly length?: number;
  readonly flags?: number;
  readonly table?: number;
  readonly family?: number;
}

interface Answer {
  readonly result: number;
  readonly ifindex: number;
  readonly gateway: string;
  readonly metric: number;
  readonly mtu: number;
  readonly smac: string;
  readonly dmac: string;
  readonly source: string;
}

const mac = (bytes: readonly number[]): string => bytes.map((b) => b.toString(16).padStart(2, '0')).join(':');
const dotted = (bytes: readonly number[]): string => bytes.join('.');

/** bpf_fib_lookup on a struct bpf_fib_lookup. */
function lookup(query: Query, run = new FakeRun({ host: { network } })): Answer {
  const { to, from, ifindex = 2, length = 100, flags = 0, table, family } = query;
  const destination = parseAddress(to);
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  bytes[0] = family ?? (destination.length === 4 ? 2 : 10);
  view.setUint16(6, length, true);
  view.setUint32(8, ifindex, true);
  if (from !== undefined) bytes.set(parseAddress(from), 16);
  bytes.set(destination, 32);
  if (table !== undefined) view.setUint32(48, table, true);
  const at = run.buffer(bytes);
  const result = run.run('fib_lookup', run.ctx, at, SIZE, flags);
  const { view: memory } = run.memory;
  return {
    result,
    ifindex: memory.getUint32(at + 8, true),
    metric: memory.getUint32(at + 12, true),
    mtu: memory.getUint16(at + 6, true),
    source: dotted(run.bytes(at + 16, 4)),
    gateway: destination.length === 4 ? dotted(run.bytes(at + 32, 4)) : run.bytes(at + 32, 16).join(' '),
    smac: mac(run.bytes(at + 52, 6)),
    dmac: mac(run.bytes(at + 58, 6)),
  };
}

describe('fib_lookup', () => {
  test('finds a neighbour of a connected network', () => {
    expect(lookup({ to: '10.0.0.7' })).toEqual({
      result: 0,
      ifindex: 2,
      gateway: '10.0.0.7',
      metric: 0,
      mtu: 1500,
      source: '0.0.0.0',
      smac: '02:00:00:00:00:02',
      dmac: '02:00:00:00:01:07',
    });
  });

  test.each([
    [
      'by the default route',
      { to: '8.8.8.8' },
      { result: 0, ifindex: 2, gateway: '10.0.0.254', metric: 100, mtu: 1500 },
    ],
    ['by a longer prefix', { to: '172.16.1.1' }, { result: 0, ifindex: 3, gateway: '192.168.1.254', mtu: 1400 }],
    ['by the lower metric', { to: '172.16.9.1' }, { result: 0, ifindex: 3, metric: 0, mtu: 1000 }],
    ['with the preferred source', { to: '172.16.9.1', flags: 16 }, { result: 0, source: '192.168.1.7' }],
    ['with the interface’s address', { to: '8.8.8.8', flags: 16 }, { result: 0, source: '10.0.0.1' }],
    ['out of the given interface', { to: '172.16.9.1', flags: 2 }, { result: 0, ifindex: 2, metric: 5 }],
    [
      'in another table',
      { to: '203.0.113.5', flags: 1 | 8, table: 7 },
      { result: 0, ifindex: 2, gateway: '10.0.0.254' },
    ],
    ['nothing in a table that is not there', { to: '203.0.113.5', flags: 1 | 8, table: 8 }, { result: 4 }],
    [
      'without a neighbour where that is not wanted',
      { to: '10.0.0.9', flags: 4 },
      { result: 0, dmac: '00:00:00:00:00:00' },
    ],
    ['no neighbour', { to: '10.0.0.9' }, { result: 7, ifindex: 2 }],
    ['a local address', { to: '10.0.0.1' }, { result: 4 }],
    ['a black hole', { to: '172.16.5.1' }, { result: 1 }],
    ['an unreachable network', { to: '172.16.6.1' }, { result: 2 }],
    ['a prohibited network', { to: '172.16.7.1' }, { result: 3 }],
    ['a route with a tunnel', { to: '172.16.8.1' }, { result: 6 }],
    ['a packet that is too long', { to: '172.16.1.1', length: 1401 }, { result: 8, mtu: 1400, ifindex: 2 }],
    ['an interface that does not forward', { to: '10.0.0.7', ifindex: 4 }, { result: 5 }],
    ['no interface', { to: '10.0.0.7', ifindex: 99 }, { result: ENODEV }],
    ['IPv6', { to: '2001:db8:1::1' }, { result: 0, ifindex: 2, dmac: '02:00:00:00:03:fe', metric: 1024 }],
    ['an IPv6 link-local address', { to: 'fe80::1' }, { result: 4 }],
    ['an unknown family', { to: '10.0.0.7', family: 7 }, { result: EAFNOSUPPORT }],
    ['an unknown flag', { to: '10.0.0.7', flags: 64 }, { result: EINVAL }],
  ] as const)('%s', (_, query, expected) => {
    expect(lookup(query)).toMatchObject(expected);
  });

  test('checks an skb against the interface where no length is given', () => {
    const run = new FakeRun({ type: 'sched_cls', host: { network } });
    run.start({ data: new Uint8Array(1418), limits: 'device' });
    expect(lookup({ to: '172.16.1.1', length: 0 }, run)).toMatchObject({ result: 0, mtu: 1400 });
    run.start({ data: new Uint8Array(1419), limits: 'device' });
    expect(lookup({ to: '172.16.1.1', length: 0 }, run)).toMatchObject({ result: 8, mtu: 1400 });
    expect(lookup({ to: '172.16.1.1', length: 0 })).toMatchObject({ result: 0, mtu: 1400 });
  });

  test('refuses a shorter structure', () => {
    const run = new FakeRun({ host: { network } });
    expect(run.run('fib_lookup', run.ctx, run.buffer(SIZE), SIZE - 1, 0)).toBe(EINVAL);
  });
});

const check = (type: 'xdp' | 'sched_cls', size: number, given: number, difference: number, ifindex = 3, flags = 0) => {
  const run = new FakeRun({ type, host: { network }, input: { data: new Uint8Array(size) } });
  const length = run.buffer(4);
  run.memory.view.setUint32(length, given, true);
  return [run.run('check_mtu', run.ctx, ifindex, length, difference, flags), run.memory.view.getUint32(length, true)];
};

describe('check_mtu', () => {
  test.each(['xdp', 'sched_cls'] as const)('%s', (type) => {
    expect(check(type, 1414, 0, 0)).toEqual([0, 1400]);
    expect(check(type, 1414, 0, 1)).toEqual([1, 1400]);
    expect(check(type, 1500, 0, -86)).toEqual([0, 1400]);
    expect(check(type, 64, 1400, 0)).toEqual([0, 1400]);
    expect(check(type, 64, 1401, 0)).toEqual([1, 1400]);
    expect(check(type, 64, 0, 0, 99)).toEqual([ENODEV, 0]);
    expect(check(type, 64, 0, 0, 0)).toEqual([0, 65_536]);
    expect(check(type, 64, 0, 0, 3, 2)).toEqual([EINVAL, 0]);
  });
});
