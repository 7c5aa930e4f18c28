// One program in one and in two worker threads at once, over the same maps: packets a second, and how many times as many two
// threads do. A loop that touches no memory is the control: where two threads do not do twice as many of its turns, the
// machine has not two processors to spare, and no program can. Beside it the same by the seconds that the threads were on a
// processor (Linux), which others on the machine disturb less. Counters are checked: they are the packets that ran.
// Options: --rounds N, --ms N (of one measurement), --only NAME.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { objectOf } from './programs/peers.mjs';
import { PACKETS, packets } from './programs/inputs.mjs';
import { project, sayControl, table, turns } from './support.mjs';

const { loadObject } = await project('src/run/loader.ts');
const { memoryHost } = await project('src/hosts/memory/host.ts');
const { MAP_TYPES } = await project('src/spec/map-types.ts');

const THREADS = 2;
/** A CPU for each thread; this thread only loads and reads. */
const CPUS = THREADS;
const OPTIONS = { engine: 'compile', trusted: true };
const kind = (type) => `KIND=${MAP_TYPES[type].linux}`;
const PER_CPU = { 'per-CPU array': [kind('percpu_array')], 'per-CPU hash': [kind('percpu_hash')] };
const SHARED = {
  'array, atomic': [kind('array'), 'SHARED'],
  'hash, atomic': [kind('hash'), 'SHARED'],
  'LRU hash, atomic': [kind('lru_hash'), 'SHARED'],
};
const UPDATES = { 'hash, updates': [kind('hash'), 'INSERT'] };
const CASES = { ...PER_CPU, ...SHARED, ...UPDATES };

const TURNS = 1 << 14;

/** What a thread does again and again: `unit` packets (or turns) a call. */
function worker(job) {
  if (job.object === undefined) {
    let state = 1;
    const call = () => {
      state = turns(TURNS, state);
    };
    return { unit: TURNS, call, dispose: () => undefined };
  }
  const loaded = loadObject(job.object, { host: memoryHost({ cpus: CPUS }), attach: job.attach, ...OPTIONS });
  const batch = loaded.program('program').batch(PACKETS);
  packets(64).forEach((data, index) => batch.lay(index, { data }));
  const dispose = () => {
    batch[Symbol.dispose]();
    loaded[Symbol.dispose]();
  };
  return { unit: PACKETS, call: () => batch.run(PACKETS), dispose };
}

/** Nanoseconds that this thread has run; NaN where the system does not say. */
function onProcessor() {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]);
  } catch {
    return Number.NaN;
  }
}

/** Runs for so long from when all are ready; the units done, and how long it took in ms: by the clock, and on a processor. */
function measure({ unit, call }, { gate, threads, ms }) {
  const ready = new Int32Array(gate);
  Atomics.add(ready, 0, 1);
  while (Atomics.load(ready, 0) < threads);
  const ran = onProcessor();
  const start = performance.now();
  let calls = 0;
  for (let end = start + ms; performance.now() < end; calls += 32) for (let i = 0; i < 32; i++) call();
  return { units: calls * unit, ms: performance.now() - start, ran: (onProcessor() - ran) / 1e6 };
}

if (isMainThread) await main();
else serve();

function serve() {
  const made = worker(workerData);
  parentPort.on('message', (request) => {
    if (request === 'end') {
      made.dispose();
      parentPort.close();
    } else parentPort.postMessage(measure(made, request), []);
  });
}

async function main() {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '40' },
      ms: { type: 'string', default: '25' },
      only: { type: 'string', default: '' },
    },
  });
  const [rounds, ms] = [Number(values.rounds), Number(values.ms)];
  if (![rounds, ms].every((n) => Number.isInteger(n) && n > 0)) throw new Error('--rounds and --ms: a number from 1');
  sayControl();
  const rows = [await row('control (turns)', undefined, rounds, ms)];
  for (const [name, defines] of Object.entries(CASES)) {
    if (!name.includes(values.only)) continue;
    const object = objectOf('workers', defines);
    if (object === undefined) return console.log('  no programs: clang with the target bpf is missing');
    rows.push(await row(name, object, rounds, ms));
  }
  const head = ['program', 'million/s, 1', 'million/s, 2', '2 / 1', 'by processor time', 'counters'];
  table('one and two threads on the same maps', head, rows);
  const perCpu = rows.filter(([name]) => name in PER_CPU).map((cells) => cells[3]);
  if (perCpu.length === 0) return;
  const scaling = Math.min(...perCpu);
  console.log(`  per-CPU maps: ${scaling.toFixed(2)} (goal: at least 1.8; control ${rows[0][3].toFixed(2)})`);
}

/** Rounds by turns of each thread alone and both together; the best of each. */
async function row(name, object, rounds, ms) {
  const host = memoryHost({ cpus: CPUS });
  const owner = object && loadObject(object, { host, shared: true, memoryLimit: 2 ** 26, ...OPTIONS });
  const counters = owner?.map('counters');
  if (counters !== undefined) for (let key = 0; key < 256; key++) counters.set(key, 0);
  // The spec holds BTF, which is no plain data; programs and maps are all that threads need.
  const plain = object && { ...object, btf: undefined };
  const started = Array.from(
    { length: THREADS },
    () => new Worker(import.meta.filename, { workerData: { object: plain, attach: owner?.share() } }),
  );
  const ask = (thread, request) =>
    new Promise((resolve) => {
      started[thread].once('message', resolve);
      started[thread].postMessage(request, []);
    });
  let total = 0n;
  const together = async (threads) => {
    const request = { gate: new SharedArrayBuffer(4), threads: threads.length, ms };
    const done = await Promise.all(threads.map((thread) => ask(thread, request)));
    for (const { units } of done) total += BigInt(units);
    const rate = (time) => done.reduce((sum, one) => sum + one.units / one[time] / 1000, 0);
    return [rate('ms'), rate('ran')];
  };
  const best = { one: [0, 0], two: [0, 0] };
  const keep = (name, rates) => {
    best[name] = best[name].map((rate, i) => Math.max(rate, rates[i]));
  };
  for (let round = 0; round < rounds; round++) {
    for (let thread = 0; thread < THREADS; thread++) keep('one', await together([thread]));
    keep('two', await together([0, 1]));
  }
  for (const thread of started) thread.postMessage('end', []);
  await Promise.all(started.map((thread) => new Promise((resolve) => thread.once('exit', resolve))));
  const counts = counters !== undefined && !(name in UPDATES);
  const counted = counts ? sum(counters) : total;
  if (counted !== total) throw new Error(`${name}: ${total} packets ran, and ${counted} were counted`);
  owner?.[Symbol.dispose]();
  const [ratio, byProcessor] = best.two.map((rate, i) => rate / best.one[i]);
  return [name, best.one[0], best.two[0], ratio, Number.isNaN(byProcessor) ? '-' : byProcessor, counts ? 'exact' : '-'];
}

function sum(counters) {
  let total = 0n;
  for (const key of counters.keys()) {
    for (const value of counters.getPerCpu(key))
      total += new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
  }
  return total;
}
