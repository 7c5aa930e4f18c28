// A thread of a test: attaches to an object and runs its program on numbered packets, when all threads are ready.
import { parentPort, workerData } from 'node:worker_threads';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { Job } from './threads.ts';

const { object, attach, engine, trusted, cpus, thread, threads, count, batch, gate } = workerData as Job;
const loaded = loadObject(object, { host: memoryHost({ cpus }), attach, engine, trusted });
const program = loaded.program();
const packet = (index: number): Uint8Array => {
  const data = new Uint8Array(64);
  const view = new DataView(data.buffer);
  view.setUint32(0, index, true);
  view.setUint32(4, thread, true);
  return data;
};
const packets = Array.from({ length: count }, (_, index) => packet(index));
program.run({ data: new Uint8Array(64).fill(0xff) });

const ready = new Int32Array(gate);
if (Atomics.add(ready, 0, 1) + 1 === threads) Atomics.notify(ready, 0);
for (let seen = Atomics.load(ready, 0); seen < threads; seen = Atomics.load(ready, 0)) Atomics.wait(ready, 0, seen);

const results: number[] = [];
if (batch) for (let at = 0; at < count; at += 1024) results.push(...program.runBatch(packets.slice(at, at + 1024)));
else for (const data of packets) results.push(program.runRaw({ data }));
parentPort?.postMessage(results);
loaded[Symbol.dispose]();
