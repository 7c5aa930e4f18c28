// Asks a service at once: a worker thread has the connection, and this thread waits for its answer. Socket calls cannot wait in any
// other way; an answer takes some tens of microseconds.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import { noPolicyAnswer } from '../base/messages/sockets.ts';
import type { HookEvent, HookVerdict } from '../spec/session.ts';

/** What the worker is started with. */
export interface AskWorkerData {
  readonly anybpfAsk: true;
  readonly socket: string | undefined;
  readonly port: MessagePort;
  /** One word: how many answers there have been. */
  readonly answers: SharedArrayBuffer;
}

export type Answer = { readonly verdict: HookVerdict } | { readonly error: Diagnostic } | { readonly ready: true };

/** Milliseconds that an application waits for one decision. */
const PATIENCE = 5_000;

export class Asker {
  readonly #port: MessagePort;
  readonly #answers: Int32Array;
  readonly #worker: Worker;

  /**
   * Connects.
   *
   * @param socket as ConnectOptions.socket
   * @param execArgv of Node for the worker
   * @throws AnyBpfError as connect does; sockets/no-answer
   */
  constructor(socket?: string, execArgv: readonly string[] = []) {
    const { port1, port2 } = new MessageChannel();
    const answers = new SharedArrayBuffer(4);
    const workerData: AskWorkerData = { anybpfAsk: true, socket, port: port2, answers };
    this.#port = port1;
    this.#answers = new Int32Array(answers);
    const entry = new URL(`./ask-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
    this.#worker = new Worker(entry, { workerData, transferList: [port2], execArgv: [...execArgv] });
    this.#worker.unref();
    this.#wait(0);
  }

  fire(event: HookEvent): HookVerdict {
    const before = Atomics.load(this.#answers, 0);
    this.#port.postMessage(event, []);
    const answer = this.#wait(before);
    return 'verdict' in answer ? answer.verdict : fail(noPolicyAnswer({}, 'it answered something else'));
  }

  #wait(before: number): Answer {
    if (Atomics.wait(this.#answers, 0, before, PATIENCE) === 'timed-out')
      return fail(noPolicyAnswer({}, `it took longer than ${PATIENCE} ms`));
    const received = receiveMessageOnPort(this.#port) as { readonly message: Answer } | undefined;
    if (received === undefined) return fail(noPolicyAnswer({}, 'it has ended'));
    if ('error' in received.message) throw new AnyBpfError(received.message.error);
    return received.message;
  }
}
