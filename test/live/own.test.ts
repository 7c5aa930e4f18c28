// Interfaces of our own (TAP, TUN), and observers, which say that they do not enforce.
import { createSocket } from 'node:dgram';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { openDriver } from '../../src/live/open.ts';
import { Pair } from '../support/netns.ts';
import { Bench, missing, outputOf, peer, until } from './support.ts';

const ip = (...args: readonly string[]): void => {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
};

/** Sends datagrams there, and counts those that come back. */
async function echoes(address: string, port: number, count: number): Promise<number> {
  const socket = createSocket('udp4');
  let back = 0;
  socket.on('message', (_, from) => {
    if (from.address === address && from.port === port) back++;
  });
  for (let i = 0; i < count; i++) {
    socket.send(`datagram ${i}`, port, address);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.close();
  await once(socket, 'close');
  return back;
}

describe.skipIf(missing() !== undefined).each([
  { layer: 'ethernet', subnet: 130 },
  { layer: 'ip', subnet: 131 },
] as const)('an interface of our own, layer $layer', ({ layer, subnet }) => {
  it('gets what the system sends, and sends back', async () => {
    await using bench = await new Bench().load();
    const device = `abpft${process.pid % 100_000}${layer[0]}`;
    const passed: Uint8Array[] = [];
    const { info } = await bench.open(device, { driver: 'tap', layer, passed: (frame) => passed.push(frame) });
    expect(info).toMatchObject({ driver: 'tap', enforces: true, layer, mode: layer === 'ip' ? 'TUN' : 'TAP' });
    ip('addr', 'add', `10.97.${subnet}.1/24`, 'dev', device);
    const there = `10.97.${subnet}.2`;
    if (layer === 'ethernet') ip('neigh', 'add', there, 'lladdr', '02:00:00:00:00:02', 'dev', device);
    expect(await echoes(there, 9001, 30)).toBe(30);
    expect(await echoes(there, 9000, 20)).toBe(0);
    expect(await echoes(there, 8000, 10)).toBe(0);
    expect([await bench.seen('sentBack'), await bench.seen('dropped')]).toEqual([30, 20]);
    const datagrams = passed.filter((frame) => Buffer.from(frame).includes('datagram'));
    expect(datagrams).toHaveLength(10);
    expect(datagrams.map((frame) => Buffer.from(frame).readUInt16BE(12))).toEqual(Array(10).fill(0x0800));
    expect(bench.live.find(device).statistics).toMatchObject({ transmitted: 30, dropped: 20, unsent: 0, lost: 0 });
  });

  it('ends when it is taken away', async () => {
    await using bench = await new Bench().load();
    const device = `abpfu${process.pid % 100_000}${layer[0]}`;
    await bench.open(device, { driver: 'tap', layer });
    ip('link', 'del', device);
    await until(() => bench.live.list().length === 0);
    expect(bench.findings.map(({ code }) => code)).toContain('live/gone');
  });
});

describe.skipIf(missing() !== undefined).each([
  { name: 'af_packet without its program', options: { driver: 'af_packet', enforce: false }, subnet: 132 },
  { name: 'pcap', options: { driver: 'pcap' }, subnet: 133 },
] as const)('$name', ({ options, subnet }) => {
  it('sees and counts, and leaves each packet to the system', async () => {
    using pair = new Pair(subnet);
    await using bench = await new Bench().load();
    const { info } = await bench.open(pair.near.device, options);
    expect(info).toMatchObject({ enforces: false, mode: 'observing' });
    const server = createSocket('udp4').bind(9000, pair.near.address);
    await once(server, 'listening');
    let got = 0;
    server.on('message', () => got++);
    expect(await peer(pair, 'send', pair.near.address, 9000, 100, 4000)).toBe('100');
    expect(await peer(pair, 'echo', pair.near.address, 9001, 2)).toBe('0');
    await until(async () => (await bench.seen('dropped')) === 100 && (await bench.seen('sentBack')) === 2);
    await until(() => got === 100);
    server.close();
    expect(
      await outputOf(pair.far.namespace?.start('ping', '-c', '2', '-i', '0.05', pair.near.address) as never),
    ).toMatch(/ 2 received, 0%/);
  });
});

function codeOf(open: () => unknown): string {
  try {
    open();
    return 'opened';
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return error.code;
  }
}

describe.skipIf(missing() !== undefined)('what cannot be opened', () => {
  it.each([
    ['af_xdp', 'abpfnone0', 'live/no-device'],
    ['af_packet', 'abpfnone0', 'live/no-device'],
    ['pcap', 'abpfnone0', 'live/no-device'],
    ['tap', 'a name/with slash', 'live/not-for'],
    ['tap', 'lo', 'live/open'],
    // Without native XDP, and too large a frame.
    ['af_xdp', 'lo', 'live/not-for'],
  ] as const)('%s on %s: %s', (driver, device, code) => {
    expect(codeOf(() => openDriver(driver, device))).toBe(code);
  });
});
