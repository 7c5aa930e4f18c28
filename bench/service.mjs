// What a client of the service waits for: map lookups, updates and batches, hook events, and ring records per second with what is lost
// counted; beside the same calls on a context in the client's own process, and libbpf's on the kernel (programs/syscalls.c).
// Options: --rounds N, --entries N, --events N.
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compile, project, read, ROOT, sayControl, table } from './support.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    entries: { type: 'string', default: '10000' },
    events: { type: 'string', default: '2000000' },
  },
});
const number = (name) => {
  const value = Number(values[name]);
  if (!(Number.isInteger(value) && value > 0)) throw new Error(`--${name} ${values[name]}: not a number from 1`);
  return value;
};
const rounds = number('rounds');
const entries = number('entries');
const events = number('events');
/** More are asked of no kernel map here. */
if (entries > 65_536) throw new Error('--entries: 65,536 at most');

/** Requests that are under way at a time, where a client does not wait for each. */
const UNDER_WAY = 64;
/** Times more than the kernel's that a batch may take, and records a second that must arrive: the goals. */
const GOALS = { batch: 3, records: 1_000_000 };

const { connect } = await project('src/client/connect.ts');
const { createRuntime } = await project('src/context/create.ts');

const folder = mkdtempSync(join(tmpdir(), 'anybpf-bench-'));
const socket = join(folder, 'service.sock');

/** The service as a user starts it, but without state on disk. */
async function startService() {
  const child = spawn(
    process.execPath,
    [join(ROOT, 'bin/anybpf.mjs'), 'service', 'start', '--foreground', '--no-state', '--socket', socket],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}`)));
  });
  return child;
}

/** Nanoseconds an element, the least of all rounds. */
async function least(count, body) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const begin = process.hrtime.bigint();
    await body();
    best = Math.min(best, Number(process.hrtime.bigint() - begin) / count);
  }
  return best;
}

async function mapFigures(session) {
  const { fd } = await session.call('map.create', {
    name: 'bench',
    type: 'hash',
    keySize: 4,
    valueSize: 8,
    maxEntries: entries,
  });
  const keys = new Uint8Array(new Uint32Array(entries).map((_, i) => i).buffer);
  const all = new Uint8Array(new BigUint64Array(entries).map((_, i) => BigInt(i)).buffer);
  const key = (i) => keys.subarray(i * 4, i * 4 + 4);
  const value = (i) => all.subarray(i * 8, i * 8 + 8);
  const updateBatch = () => session.call('map.updateBatch', { fd, keys, values: all, count: entries });
  const { count } = await updateBatch();
  if (count !== entries) throw new Error(`an update of ${entries} did ${count}`);
  const one = Math.min(entries, 2_000);
  const each = async (method, params) => {
    for (let i = 0; i < one; i++) await session.call(method, params(i));
  };
  const together = async (method, params) => {
    for (let i = 0; i < one; i += UNDER_WAY) {
      const calls = [];
      for (let j = i; j < Math.min(one, i + UNDER_WAY); j++) calls.push(session.call(method, params(j)));
      await Promise.all(calls);
    }
  };
  const lookup = (i) => ({ fd, key: key(i) });
  const update = (i) => ({ fd, key: key(i), value: value(i) });
  const batch = await session.call('map.lookupBatch', { fd, count: entries });
  if (batch.count !== entries || batch.values.length !== 8 * entries) throw new Error('a batch gives less than all');
  return {
    lookup: await least(one, () => each('map.lookup', lookup)),
    update: await least(one, () => each('map.update', update)),
    lookups: await least(one, () => together('map.lookup', lookup)),
    updates: await least(one, () => together('map.update', update)),
    lookupBatch: await least(entries, () => session.call('map.lookupBatch', { fd, count: entries })),
    updateBatch: await least(entries, updateBatch),
  };
}

function kernelFigures() {
  const program = compile(join(ROOT, 'bench/programs/syscalls.c'), 'syscalls', ['-O2'], 'cc', ['-lbpf']);
  if (program === undefined) return undefined;
  const { status, stdout, stderr } = spawnSync(program, [String(entries), String(rounds)], { encoding: 'utf8' });
  if (status !== 0) {
    console.log(`  no kernel: ${stderr.trim()}`);
    return undefined;
  }
  const [lookup, update, lookupBatch, updateBatch] = stdout.split(' ').map(Number);
  return { lookup, update, lookupBatch, updateBatch };
}

/** Nanoseconds from a message of a request's size to its echo by another process: what a socket and two wake-ups cost by themselves. */
async function echoFigure() {
  const path = join(folder, 'echo.sock');
  const child = fork(join(ROOT, 'bench/programs/echo.mjs'), [path]);
  await once(child, 'message');
  const line = createConnection(path);
  const message = new Uint8Array(150);
  const one = 2_000;
  const figure = await least(
    one,
    () =>
      new Promise((resolve) => {
        let left = one;
        const answered = () => {
          if (--left > 0) return line.write(message);
          line.off('data', answered);
          resolve();
        };
        line.on('data', answered);
        line.write(message);
      }),
  );
  line.destroy();
  child.disconnect();
  return figure;
}

const IFINDEX = 1;

async function loadSampler(session, every, ring) {
  const object = read(join(ROOT, 'examples/sampler/sampler.bpf.o'));
  const data = new Uint8Array(new Uint32Array([every]).buffer);
  const loaded = await session.call('object.load', {
    object,
    name: 'sampler.bpf.o',
    maps: { 'sampler.rodata': { data }, events: { maxEntries: ring } },
  });
  const map = (name) => loaded.maps.find((one) => one.name === name || one.section === name).fd;
  const target = { ifindex: IFINDEX };
  const { fd } = await session.call('link.create', { fd: loaded.programs[0].fd, attachType: 'xdp', target });
  return { prog: loaded.programs[0].fd, ring: map('events'), bss: map('.bss'), link: fd };
}

const closeAll = async (session, { prog, ring, bss, link }) => {
  for (const fd of [link, prog, ring, bss]) await session.call('object.close', { fd });
};

const frame = Uint8Array.from({ length: 64 }, (_, i) => i);

/** Nanoseconds from an event at a hook to its verdict, with a program that counts. */
async function hookFigures(session) {
  const objects = await loadSampler(session, 0, 4096);
  const event = { attachType: 'xdp', target: { ifindex: IFINDEX }, data: frame };
  const one = 2_000;
  const fire = await least(one, async () => {
    for (let i = 0; i < one; i++) await session.call('hook.fire', event);
  });
  const repeat = 100_000;
  const repeated = await least(repeat, () => session.call('hook.fire', { ...event, repeat }));
  const run = await least(one, async () => {
    for (let i = 0; i < one; i++) await session.call('prog.testRun', { fd: objects.prog, data: frame });
  });
  await closeAll(session, objects);
  return { fire, repeated, run };
}

/** Of the ring, room for 65,536 records of the sampler. */
const RING_BYTES = 1 << 22;
/** Records that the program submits in one go, as packets come in batches; and so many that no socket holds them. */
const BURSTS = [4_096, 16_384];

/** Records of one ring as they come. Nobody slows the program down: what the client takes too late is lost, and counted. */
async function ringFigures(burst, open) {
  const consumer = await open();
  const producer = await open();
  const objects = await loadSampler(consumer, 1, RING_BYTES);
  const event = { attachType: 'xdp', target: { ifindex: IFINDEX }, data: frame, repeat: burst };
  let arrived = 0;
  let messages = 0;
  let expected = 1n;
  let disordered = 0;
  let dropped = 0;
  const off = consumer.on('records', ({ records, lost }) => {
    messages++;
    dropped += lost;
    for (const { data } of records) {
      const sent = new DataView(data.buffer, data.byteOffset).getBigUint64(8, true);
      if (sent !== expected) disordered++;
      expected = sent + 1n;
    }
    arrived += records.length;
  });
  await consumer.call('map.subscribe', { fd: objects.ring });
  const begin = process.hrtime.bigint();
  let sent = 0;
  // The next burst is on its way while one is made.
  let last = Promise.resolve();
  while (sent < events) {
    const next = producer.call('hook.fire', event);
    sent += burst;
    await last;
    last = next;
  }
  await last;
  await arrivals(() => arrived, sent);
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  const { value } = await consumer.call('map.lookup', { fd: objects.bss, key: new Uint8Array(4) });
  const lost = Number(new DataView(value.buffer, value.byteOffset).getBigUint64(8, true));
  off();
  await closeAll(consumer, objects);
  if (consumer !== producer) await producer.close();
  await consumer.close();
  return { rate: arrived / seconds, sent, arrived, lost: lost + dropped, disordered, each: arrived / messages };
}

sayControl();
const service = await startService();
try {
  const client = await connect({ socket });
  const embedded = createRuntime();
  const figures = { embedded: await mapFigures(embedded), service: await mapFigures(client), kernel: kernelFigures() };
  const echo = await echoFigure();
  const hooks = { embedded: await hookFigures(embedded), service: await hookFigures(client) };
  await client.close();
  const ROWS = [
    ['lookup, each waited for', 'lookup'],
    ['update, each waited for', 'update'],
    [`lookup, ${UNDER_WAY} under way`, 'lookups', 'lookup'],
    [`update, ${UNDER_WAY} under way`, 'updates', 'update'],
    ['lookup batch of all', 'lookupBatch'],
    ['update batch of all', 'updateBatch'],
  ];
  table(
    `ns an element, hash of ${entries} elements of 4 and 8 bytes; least of ${rounds} rounds`,
    ['', 'own process', 'service', 'kernel, libbpf', 'service / kernel'],
    ROWS.map(([title, name, peer = name]) => {
      const { embedded: own, service: over, kernel } = figures;
      const beside = kernel?.[peer];
      return [title, own[name], over[name], beside, beside === undefined ? undefined : over[name] / beside];
    }),
  );
  console.log(
    `  a message of a request's size and its echo by another process: ${Math.round(echo).toLocaleString('en')} ns`,
  );
  table(
    'ns an event at a hook (xdp, one program)',
    ['', 'own process', 'service'],
    [
      ['hook.fire, each waited for', hooks.embedded.fire, hooks.service.fire],
      ['hook.fire, 100,000 in one call', hooks.embedded.repeated, hooks.service.repeated],
      ['prog.testRun, each waited for', hooks.embedded.run, hooks.service.run],
    ],
  );
  const rings = {};
  const WAYS = {
    'own process': async () => embedded.context.session(),
    'service, socket': () => connect({ socket, shared: false }),
    'service, shared memory': () => connect({ socket, shared: true }),
  };
  for (const burst of BURSTS)
    for (const [name, open] of Object.entries(WAYS))
      rings[`${name}, bursts of ${burst}`] = await ringFigures(burst, open);
  table(
    'records of 56 bytes from a program to a subscriber',
    ['', 'a second', 'sent', 'arrived', 'lost', 'out of order', 'in a message'],
    Object.entries(rings).map(([name, r]) => [name, r.rate, r.sent, r.arrived, r.lost, r.disordered, r.each]),
  );
  embedded.context[Symbol.dispose]();
  const { kernel, service: over } = figures;
  const goal = rings[`service, shared memory, bursts of ${BURSTS[0]}`];
  const batch = kernel === undefined ? undefined : over.lookupBatch / kernel.lookupBatch;
  console.log(
    `\n  goals: batch within ${GOALS.batch} x of the kernel: ${batch?.toFixed(2) ?? 'not measured'}; ` +
      `${GOALS.records.toLocaleString('en')} records a second without loss: ${Math.round(goal.rate).toLocaleString('en')}, ${goal.lost} lost`,
  );
} finally {
  if (service.exitCode === null) {
    const ended = new Promise((resolve) => service.once('exit', resolve));
    service.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Waits until so many have arrived; 10 s at most, and no longer than nothing new comes in after 2 s. */
async function arrivals(count, wanted) {
  const begin = Date.now();
  let before = -1;
  for (;;) {
    const now = count();
    const waited = Date.now() - begin;
    if (now >= wanted || waited > 10_000 || (now === before && waited > 2000)) return;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
