// A thread of a test: attaches to an object and runs its program on numbered packets, when all threads are ready.
import { parentPort } from 'node:worker_threads';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { Job } from './threads.ts';

function packet(index: number, thread: number): Uint8Array {
  const data = new Uint8Array(64);
  const view = new DataView(data.buffer);
  view.setUint32(0, index, true);
  view.setUint32(4, thread, true);
  return data;
}

/** Spins: to be woken would take longer than many a job. */
function waitForAll(gate: Int32Array, threads: number): void {
  Atomics.add(gate, 0, 1);
  while (Atomics.load(gate, 0) < threads);
}

function run({ object, attach, engine, trusted, cpus, thread, threads, count, batch, gate }: Job): number[] {
  const loaded = loadObject(object, { host: memoryHost({ cpus }), attach, engine, trusted });
  const program = loaded.program();
  const packets = Array.from({ length: count }, (_, index) => packet(index, thread));
  program.run({ data: new Uint8Array(64).fill(0xff) });
  waitForAll(new Int32Array(gate), threads);
  const results: number[] = [];
  if (batch) for (let at = 0; at < count; at += 1024) results.push(...program.runBatch(packets.slice(at, at + 1024)));
  else for (const data of packets) results.push(program.runRaw({ data }));
  loaded[Symbol.dispose]();
  return results;
}

parentPort?.on('message', (job: Job) => {
  let answer: number[] | string;
  try {
    answer = run(job);
  } catch (error) {
    answer = String(error);
  }
  job.answer.postMessage(answer, []);
});
