// Drivers that stand between the wire and the system: verdicts hold, counters are exact, programs come and go without a packet lost.
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { Pair } from '../support/netns.ts';
import { Bench, missing, outputOf, peer, PEER, until } from './support.ts';

const DRIVERS = [
  { driver: 'af_packet', mode: 'enforcing', subnet: 110 },
  { driver: 'af_xdp', mode: /^native, copy/, subnet: 120 },
] as const;

const ping = (pair: Pair, count = 1) =>
  pair.far.namespace?.start('ping', '-c', String(count), '-i', '0.02', '-W', '1', pair.near.address);

describe.skipIf(missing() !== undefined).each(DRIVERS)('$driver', ({ driver, mode, subnet }) => {
  it('drops, sends back, passes, and its counters say how many', async () => {
    using pair = new Pair(subnet);
    await using bench = await new Bench().load();
    const { info } = await bench.open(pair.near.device, { driver });
    expect(info).toMatchObject({ driver, enforces: true, layer: 'ethernet', ifindex: pair.near.ifindex });
    expect(info.mode).toMatch(mode);
    const { address } = pair.near;
    // Resolves the address first: that is no datagram.
    expect(await outputOf(ping(pair, 3) as never)).toContain(' 3 received');
    expect(await peer(pair, 'echo', address, 9001, 20)).toBe('20');
    expect(await peer(pair, 'send', address, 9000, 3000, 0)).toBe('3000');
    expect(await peer(pair, 'send', address, 9004, 5, 0)).toBe('5');
    await until(async () => (await bench.seen('aborted')) === 5);
    expect([await bench.seen('dropped'), await bench.seen('sentBack')]).toEqual([3000, 20]);
    const { statistics } = bench.live.find(pair.near.device);
    expect(statistics).toMatchObject({
      dropped: 3000,
      transmitted: 20,
      aborted: 5,
      undeliverable: 0,
      lost: 0,
      unsent: 0,
    });
    expect(statistics.passed).toBe(await bench.seen('others'));
    expect(statistics.received).toBe(3025 + statistics.passed);
  });

  it('hands a stream on as it is, checksums left to the card included', async () => {
    using pair = new Pair(subnet + 1);
    await using bench = await new Bench().load();
    await bench.open(pair.near.device, { driver });
    await using server = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => server.listen(0, pair.near.address, resolve));
    const { port } = server.address() as AddressInfo;
    expect(await peer(pair, 'tcp', pair.near.address, port, 2_000_000)).toBe('equal');
    expect(await bench.seen('others')).toBeGreaterThan(20);
  });

  it('sends to another interface, and to the system where a processor was meant', async () => {
    using pair = new Pair(subnet + 2);
    using beside = new Pair(subnet + 3);
    await using bench = await new Bench().load();
    await bench.open(pair.near.device, { driver });
    const set = (map: string, value: number) =>
      bench.session.call('map.update', {
        fd: bench.fd(map),
        key: new Uint8Array(4),
        value: new Uint8Array(Uint32Array.of(value).buffer),
      });
    await set('devices', beside.near.ifindex);
    await set('cpus', 64);
    const received = (): number => {
      const text = beside.far.namespace?.ip('-s', '-j', 'link', 'show', beside.far.device) ?? '';
      return (JSON.parse(text) as [{ stats64: { rx: { packets: number } } }])[0].stats64.rx.packets;
    };
    const before = received();
    expect(await peer(pair, 'send', pair.near.address, 9002, 200, 0)).toBe('200');
    await until(() => received() >= before + 200);
    const taker = spawn('python3', [PEER, 'take', pair.near.address, '9003'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => taker.stdout.once('data', resolve));
    expect(await peer(pair, 'send', pair.near.address, 9003, 50, 5000)).toBe('50');
    await until(async () => (await bench.seen('toCpu')) === 50);
    taker.stdin.end();
    expect(await outputOf(taker)).toBe('50');
    expect(bench.live.find(pair.near.device).statistics).toMatchObject({ redirected: 250, undeliverable: 0 });
    // An element without an interface any more: nobody to send to.
    await set('devices', 0);
    expect(await peer(pair, 'send', pair.near.address, 9002, 3, 0)).toBe('3');
    await until(() => bench.live.find(pair.near.device).statistics.aborted === 3);
  });

  it('replaces a program under traffic, and each packet meets one of the two', async () => {
    using pair = new Pair(subnet + 4);
    await using bench = await new Bench().load();
    const { link } = await bench.open(pair.near.device, { driver });
    const traffic = { runs: true };
    const sent = peer(pair, 'send', pair.near.address, 9000, 12_000, 30_000).finally(() => {
      traffic.runs = false;
    });
    let replaced = 0;
    while (traffic.runs) {
      const progFd = bench.fd(replaced++ % 2 === 0 ? 'other' : 'verdicts');
      await bench.session.call('link.update', { fd: link, progFd });
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    expect(await sent).toBe('12000');
    const sum = async () => (await bench.seen('dropped')) + (await bench.seen('replaced'));
    await until(async () => (await sum()) === 12_000);
    expect(Math.min(await bench.seen('dropped'), await bench.seen('replaced'))).toBeGreaterThan(100);
    expect(replaced).toBeGreaterThan(20);
    expect(bench.live.find(pair.near.device).statistics).toMatchObject({ dropped: 12_000, lost: 0 });
  });

  it('comes and goes under traffic that passes, without loss', async () => {
    using pair = new Pair(subnet + 5);
    await using bench = await new Bench().load();
    const taker = spawn('python3', [PEER, 'take', pair.near.address, '8000'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve) => taker.stdout.once('data', resolve));
    const traffic = { runs: true };
    const sent = peer(pair, 'send', pair.near.address, 8000, 8000, 12_000).finally(() => {
      traffic.runs = false;
    });
    let times = 0;
    while (traffic.runs) {
      const { link } = await bench.open(pair.near.device, { driver });
      await new Promise((resolve) => setTimeout(resolve, 20));
      // The last program takes the driver along.
      await bench.session.call('object.close', { fd: link });
      await until(() => bench.live.list().length === 0);
      times++;
    }
    expect(await sent).toBe('8000');
    taker.stdin.end();
    expect(await outputOf(taker)).toBe('8000');
    expect(times).toBeGreaterThan(1);
    expect(await bench.seen('others')).toBeGreaterThan(100);
  });

  it('tells when its interface is gone, and ends', async () => {
    using pair = new Pair(subnet + 6);
    await using bench = await new Bench().load();
    await bench.open(pair.near.device, { driver });
    const { device } = pair.near;
    expect(bench.live.list()).toHaveLength(1);
    expect(() => bench.live.open(device, { driver })).toThrow(AnyBpfError);
    spawnSync('ip', ['link', 'del', device]);
    await until(() => bench.live.list().length === 0);
    expect(bench.findings.map(({ code }) => code)).toContain('live/gone');
    expect(() => bench.live.find(device)).toThrow(/there is no network interface/);
  });

  it('goes on when the interface was down', async () => {
    using pair = new Pair(subnet + 7);
    await using bench = await new Bench().load();
    await bench.open(pair.near.device, { driver });
    spawnSync('ip', ['link', 'set', pair.near.device, 'down']);
    await new Promise((resolve) => setTimeout(resolve, 50));
    spawnSync('ip', ['link', 'set', pair.near.device, 'up']);
    expect(bench.live.list()).toHaveLength(1);
    expect(await outputOf(ping(pair, 5) as never)).toMatch(/ [1-5] received/);
    expect(await peer(pair, 'send', pair.near.address, 9000, 100, 0)).toBe('100');
    await until(async () => (await bench.seen('dropped')) === 100);
  });
});
