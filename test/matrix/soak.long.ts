// Attach, replace, detach and loss of the interface under traffic, over and over (ANYBPF_SECONDS in all, 600 where absent), on each host that
// has the packets of an interface. No datagram is lost when a program is replaced, none that is to be dropped gets through, and nothing is left:
// descriptors, mappings, memory, objects.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { Fd, Session } from '../../src/spec/session.ts';
import { example } from '../context/support.ts';
import { requireCapability } from '../support/capability.ts';
import { HOSTS, type MatrixHost } from './hosts.ts';
import { ECHO_PORTS, subnetOf, Wire } from './wire.ts';

const [REFUSED, OPEN] = ECHO_PORTS;
const LIVE = HOSTS.filter(({ feed }) => feed !== undefined);
const SECONDS = Number(process.env['ANYBPF_SECONDS'] ?? 600);
const absent = requireCapability('netns') ?? requireCapability('ethtool');

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

const port16 = (port: number): Uint8Array => Uint8Array.of(port & 0xff, port >> 8);

interface Loaded {
  readonly first: Fd;
  readonly second: Fd;
  readonly ring: Fd;
}

/** The same policy twice, in one table of ports, and a program with a ring buffer. */
async function load(session: Session): Promise<Loaded> {
  const object = example('drop-port/drop_port.bpf.o');
  const one = await session.call('object.load', { object, name: 'drop_port.bpf.o' });
  const blocked = one.maps.find(({ name }) => name === 'blocked')?.fd ?? -1;
  await session.call('map.update', { fd: blocked, key: port16(REFUSED), value: new Uint8Array(16) });
  const two = await session.call('object.load', {
    object,
    name: 'drop_port.bpf.o',
    maps: { blocked: { reuseFd: blocked } },
  });
  const sampler = await session.call('object.load', {
    object: example('sampler/sampler.bpf.o'),
    name: 'sampler.bpf.o',
  });
  const ring = sampler.maps.find(({ name }) => name === 'events')?.fd ?? -1;
  await session.call('map.subscribe', { fd: ring });
  return { first: one.programs[0].fd, second: two.programs[0].fd, ring };
}

/** What this process holds, after what is given back in several steps (code, WebAssembly memories) has gone. */
async function held() {
  for (let i = 0; i < 5; i++) {
    collectGarbage();
    await wait(50);
  }
  const mappings = readFileSync('/proc/self/maps', 'utf8').split('\n').length;
  return { descriptors: readdirSync('/proc/self/fd').length, mappings, resident: process.memoryUsage().rss };
}

async function attach(host: MatrixHost, session: Session, fd: Fd, wire: Wire) {
  const link = await session.call('link.create', { fd, attachType: 'xdp', target: { ifindex: wire.ifindex } });
  const feed = await host.feed?.(session, wire);
  if (feed === undefined) throw new Error(`${host.name} has no live interfaces`);
  return {
    link,
    feed,
    detach: async (): Promise<void> => {
      await feed[Symbol.asyncDispose]();
      await session.call('link.detach', link);
      await session.call('object.close', link);
    },
  };
}

const REPLACEMENTS = 40;
const ROUNDS = 5;

/** Programs take each other's place while datagrams come: every one to the open port is answered, none to the other. */
async function replaced(host: MatrixHost, session: Session, { first, second }: Loaded, wire: Wire): Promise<number> {
  const { link, detach } = await attach(host, session, first, wire);
  try {
    const traffic = await wire.steady([OPEN, REFUSED], 0.002);
    for (let i = 0; i < REPLACEMENTS; i++) {
      await session.call('link.update', { fd: link.fd, progFd: i % 2 === 0 ? second : first });
      await wait(5);
    }
    const { sent, missing } = await traffic.end();
    expect(sent).toBeGreaterThan(REPLACEMENTS);
    expect(missing[0]).toEqual([]);
    expect(missing[1].length).toBe(sent);
    return sent;
  } finally {
    await detach();
  }
}

/** Programs come and go; how many datagrams were sent to the open port, and how many of them were lost. */
async function comingAndGoing(host: MatrixHost, session: Session, { first }: Loaded, wire: Wire) {
  const traffic = await wire.steady([OPEN], 0.002);
  for (let i = 0; i < ROUNDS; i++) {
    const { detach } = await attach(host, session, first, wire);
    await wait(30);
    await detach();
    await wait(30);
  }
  const { sent, missing } = await traffic.end();
  return { sent, lost: missing[0].length };
}

/** The interface goes away under the program; the session lives on. */
async function interfaceLost(host: MatrixHost, session: Session, { first }: Loaded, wire: Wire): Promise<void> {
  const { link, feed } = await attach(host, session, first, wire);
  expect(await feed.live(link.fd)).toBe(true);
  const traffic = await wire.steady([OPEN], 0.002);
  await wait(20);
  spawnSync('ip', ['link', 'del', wire.device]);
  await wait(50);
  await traffic.end();
  expect(await feed.live(link.fd)).toBe(false);
  await feed[Symbol.asyncDispose]();
}

/** Cycles before the first count: code is compiled, pools are filled. */
const WARM = 2;
const MEGABYTE = 1 << 20;

describe.skipIf(absent !== undefined)('for a long time', () => {
  test.each(LIVE)('$name', async (host) => {
    const missing = host.missing();
    if (missing !== undefined) {
      console.warn(`skipped: ${missing}`);
      return;
    }
    const end = Date.now() + (SECONDS * 1000) / LIVE.length;
    const sums = { cycles: 0, datagrams: 0, sent: 0, lost: 0 };
    let before = await held();
    do {
      const wire = await Wire.open(subnetOf(3));
      const session = await host.session();
      let records = 0;
      session.on('records', (event) => (records += event.records.length));
      try {
        const loaded = await load(session);
        sums.datagrams += await replaced(host, session, loaded, wire);
        const { sent, lost } = await comingAndGoing(host, session, loaded, wire);
        sums.sent += sent;
        sums.lost += lost;
        await interfaceLost(host, session, loaded, wire);
      } finally {
        await session.close();
        await wire[Symbol.asyncDispose]();
      }
      if (++sums.cycles === WARM) before = await held();
    } while (Date.now() < end || sums.cycles <= WARM);
    const after = await held();
    console.log(
      `${host.name}: ${sums.cycles} cycles; ${sums.datagrams} datagrams while programs were replaced, 0 lost; ` +
        `${sums.lost} of ${sums.sent} lost while they came and went; ` +
        `descriptors ${before.descriptors} -> ${after.descriptors}, mappings ${before.mappings} -> ${after.mappings}, ` +
        `resident ${Math.round(before.resident / MEGABYTE)} -> ${Math.round(after.resident / MEGABYTE)} MB`,
    );
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.mappings - before.mappings).toBeLessThan(100);
    expect(after.resident - before.resident).toBeLessThan(100 * MEGABYTE);
  });
});
