// The verifier in a worker of a browser: the page goes on meanwhile, and a verification that takes too long is ended. A worker has no
// limit of memory of its own, and the network of the page that started it: what it may reach is the page's Content-Security-Policy.
import { Verifier, type VerifierLimits } from '../verifier/client.ts';

export interface VerifierWorkerOptions extends VerifierLimits {
  /** Starts the worker, where the module is not to be found beside this one (bundles); it runs `anybpf/hosts/browser/verify-worker`. */
  readonly start?: () => Worker;
}

/**
 * A verifier in a worker. It is started with the first request, and stays until it is disposed of.
 *
 * @example
 * using verifier = createVerifierWorker();
 * const records = await verifier.verify({ object: new Uint8Array(await file.arrayBuffer()) });
 */
export function createVerifierWorker({ start = startHere, ...limits }: VerifierWorkerOptions = {}): Verifier {
  return new Verifier((events) => {
    const worker = start();
    let killed = false;
    const unlessKilled =
      <E>(take: (event: E) => void) =>
      (event: E): void => {
        if (!killed) take(event);
      };
    worker.addEventListener(
      'message',
      unlessKilled(({ data }: MessageEvent<unknown>) => events.message(data)),
    );
    worker.addEventListener(
      'messageerror',
      unlessKilled(() => events.message(undefined)),
    );
    worker.addEventListener(
      'error',
      unlessKilled(({ message }: ErrorEvent) =>
        events.ended({ kind: 'other', why: message || 'the worker could not be started' }),
      ),
    );
    return {
      send: (request) => worker.postMessage(request, NOTHING_MOVED),
      rest: () => undefined,
      kill: () => {
        killed = true;
        worker.terminate();
      },
    };
  }, limits);
}

/** What is sent stays the page's: it is copied. */
const NOTHING_MOVED: Transferable[] = [];

const startHere = (): Worker => new Worker(new URL('./verify-worker.js', import.meta.url), { type: 'module' });
