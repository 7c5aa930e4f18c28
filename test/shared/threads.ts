// Runs one program in several threads at once, over the maps of an object that this thread has loaded.
import { Worker } from 'node:worker_threads';
import type { LoadedObject } from '../../src/run/object.ts';
import type { SharedObject } from '../../src/run/share.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';

export interface Job {
  readonly object: ObjectSpec;
  readonly attach: SharedObject;
  readonly engine: EngineName;
  readonly trusted: boolean;
  readonly cpus: number;
  /** Number of this thread among `threads`, in the packets beside the packet's own number. */
  readonly thread: number;
  readonly threads: number;
  /** Packets to run. */
  readonly count: number;
  readonly batch: boolean;
  /** One word: threads that are ready. */
  readonly gate: SharedArrayBuffer;
}

export interface Run {
  readonly engine: EngineName;
  readonly trusted?: boolean;
  readonly count: number;
  readonly threads?: number;
  readonly batch?: boolean;
}

/** What each thread's runs gave, in order. The first packet of each thread, all ones, runs before the others. */
export async function runThreads(loaded: LoadedObject, run: Run): Promise<number[][]> {
  const { engine, trusted = false, count, threads = 2, batch = false } = run;
  const gate = new SharedArrayBuffer(4);
  const { cpus } = loaded.runtime.host.services;
  const common = { object: loaded.spec, attach: loaded.share(), engine, trusted, cpus, threads, count, batch, gate };
  const start = (thread: number): Promise<number[]> => {
    const workerData: Job = { ...common, thread };
    const worker = new Worker(new URL('worker.ts', import.meta.url), {
      workerData,
      execArgv: ['--import', new URL('../support/typescript.mjs', import.meta.url).href],
    });
    return new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
      worker.once('exit', (code) => reject(new Error(`a thread ended with ${code} and no results`)));
    });
  };
  return Promise.all(Array.from({ length: threads }, (_, thread) => start(thread)));
}
