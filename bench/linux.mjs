// Calls to maps of the Linux kernel through a session (hosts/linux), beside libbpf's from C in the same minutes: nanoseconds each, the
// least of some rounds. Options: --rounds N.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CACHE, has, nanoseconds, project, ROOT, sayControl, table } from './support.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '60' } } });
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds ${values.rounds}: not a number from 1`);

const ENTRIES = 10_000;
const CALLS = 20_000;
/** The asynchronous methods make objects for each call: fewer of them say as much. */
const FEW = 2_000;
/** More than libbpf's, at most. */
const GOAL = 1.1;

const { linuxSession } = await project('src/hosts/linux/session.ts');

function session() {
  try {
    return linuxSession();
  } catch (error) {
    console.log(`linux: ${error.message}`);
    process.exit(0);
  }
}

/** The C program's figures by name; undefined where it cannot be built. */
function builtPeer() {
  if (!has('gcc')) return undefined;
  mkdirSync(CACHE, { recursive: true });
  const binary = join(CACHE, 'map-calls');
  const source = join(ROOT, 'bench/programs/map-calls.c');
  const built = spawnSync('gcc', ['-O2', '-o', binary, source, '-lbpf'], { encoding: 'utf8' });
  if (built.status !== 0) {
    console.log(`  no libbpf beside: ${built.stderr.split('\n')[0]}`);
    return undefined;
  }
  return () =>
    Object.fromEntries(
      execFileSync(binary, [`${ENTRIES}`, `${CALLS}`], { encoding: 'utf8' })
        .trim()
        .split('\n')
        .map((line) => line.split(' '))
        .map(([name, value]) => [name, Number(value)]),
    );
}

const kernel = session();
const { fd } = await kernel.call('map.create', {
  name: 'calls',
  type: 'hash',
  keySize: 4,
  valueSize: 8,
  maxEntries: ENTRIES,
});
const map = kernel.map(fd);
for (let key = 0; key < ENTRIES; key++) {
  map.keyView.setUint32(0, key, true);
  map.valueView.setBigUint64(0, BigInt(key), true);
  if (map.update() !== 0) throw new Error('update');
}
const array = await kernel.call('map.create', {
  name: 'mapped',
  type: 'array',
  keySize: 4,
  valueSize: 8,
  maxEntries: 64,
  flags: 1024,
});
const mapped = new Uint32Array(kernel.map(array.fd).mmap().buffer);

let sum = 0;
const OURS = {
  lookup: () =>
    nanoseconds(CALLS, () => {
      for (let i = 0; i < CALLS; i++) {
        map.keyView.setUint32(0, (i * 7919) % ENTRIES, true);
        if (map.lookup() !== 0) throw new Error('lookup');
        sum += map.valueView.getUint32(0, true);
      }
    }),
  update: () =>
    nanoseconds(CALLS, () => {
      for (let i = 0; i < CALLS; i++) {
        map.keyView.setUint32(0, (i * 7919) % ENTRIES, true);
        map.valueView.setUint32(0, i, true);
        if (map.update() !== 0) throw new Error('update');
      }
    }),
  batch: () =>
    nanoseconds(ENTRIES, () => {
      const { count } = kernel.callNow('map.lookupBatch', { fd, count: ENTRIES });
      if (count !== ENTRIES) throw new Error('batch');
    }),
  mapped: () =>
    nanoseconds(CALLS, () => {
      for (let i = 0; i < CALLS; i++) sum += Atomics.load(mapped, (i & 63) * 2);
    }),
};
async function asynchronous() {
  const key = new Uint8Array(4);
  const view = new DataView(key.buffer);
  const begin = process.hrtime.bigint();
  for (let i = 0; i < FEW; i++) {
    view.setUint32(0, (i * 7919) % ENTRIES, true);
    sum += (await kernel.call('map.lookup', { fd, key })).value[0];
  }
  return Number(process.hrtime.bigint() - begin) / FEW;
}

sayControl();
const peer = builtPeer();
const best = {};
const note = (name, ns) => {
  best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, ns);
};
for (let round = 0; round < rounds; round++) {
  for (const [name, run] of Object.entries(OURS)) note(name, run());
  note('asynchronous', await asynchronous());
  for (const [name, ns] of Object.entries(peer?.() ?? {})) note(`libbpf ${name}`, ns);
}
await kernel.close();
if (sum === 0) throw new Error('nothing was found');

const row = (title, ours, theirs) => [
  title,
  ours,
  theirs,
  theirs === undefined ? undefined : (ours / theirs).toFixed(2),
];
table(
  'Calls to a hash map of the kernel with 10,000 entries: nanoseconds each',
  ['call', 'AnyBPF', 'libbpf, C', 'ratio'],
  [
    row('lookup', best.lookup, best['libbpf lookup']),
    row('update', best.update, best['libbpf update']),
    row('lookup by batches, an element', best.batch, best['libbpf batch']),
    row('lookup by session.call', best.asynchronous),
    row('element of a mapped array', best.mapped),
  ],
);
if (peer !== undefined) {
  const ratio = best.lookup / best['libbpf lookup'];
  console.log(
    `  goal: a lookup takes at most ${GOAL} of libbpf's: ${ratio <= GOAL ? 'reached' : 'MISSED'} (${ratio.toFixed(2)})`,
  );
}
