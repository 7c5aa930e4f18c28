// Runs one program in several threads at once, over the maps of an object that this thread has loaded.
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { LoadedObject } from '../../src/run/object.ts';
import type { SharedObject } from '../../src/run/share.ts';
import type { EngineChoice } from '../../src/spec/backend.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';

export interface Job {
  readonly object: ObjectSpec;
  readonly attach: SharedObject;
  readonly engine: EngineChoice;
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
  /** Where results go, or the text of an error. */
  readonly answer: MessagePort;
}

export interface Run {
  readonly engine: EngineChoice;
  readonly trusted?: boolean;
  readonly count: number;
  readonly batch?: boolean;
}

const THREADS = 2;
/** By thread; they serve one run after the other. */
const workers = new Map<number, Worker>();

const newWorker = (): Worker =>
  new Worker(new URL('worker.ts', import.meta.url), {
    execArgv: ['--import', new URL('../support/typescript.mjs', import.meta.url).href],
  });

/** What each thread's runs gave, in order. Before them each thread runs a packet of all ones. */
export async function runThreads(loaded: LoadedObject, run: Run): Promise<number[][]> {
  const { engine, trusted = false, count, batch = false } = run;
  const { cpus } = loaded.runtime.host.services;
  const gate = new SharedArrayBuffer(4);
  const object = loaded.spec;
  const common = { object, attach: loaded.share(), engine, trusted, cpus, threads: THREADS, count, batch, gate };
  const start = (thread: number): Promise<number[]> => {
    const worker = workers.get(thread) ?? newWorker();
    workers.set(thread, worker);
    const { port1, port2 } = new MessageChannel();
    const job: Job = { ...common, thread, answer: port2 };
    worker.postMessage(job, [port2]);
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        workers.delete(thread);
        port1.close();
        reject(error);
      };
      worker.once('error', failed);
      port1.once('message', (answer: number[] | string) => {
        port1.close();
        worker.off('error', failed);
        if (typeof answer === 'string') reject(new Error(answer));
        else resolve(answer);
      });
    });
  };
  return Promise.all(Array.from({ length: THREADS }, (_, thread) => start(thread)));
}

export async function stopThreads(): Promise<void> {
  await Promise.all([...workers.values()].map((worker) => worker.terminate()));
}
