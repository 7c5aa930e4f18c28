// One process that loads, and its dialogue: a request at a time, with a limit of time for each step of it.
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import { verifierAnswer, verifierEnded } from '../../base/messages/verifier-process.ts';
import { type Confined, startConfined } from '../../hosts/node/confined.ts';
import type { End } from '../../hosts/verifier/client.ts';
import { decodePlain, encodePlain, type Plain } from '../plain.ts';
import { framed } from './frame.ts';
import { asLoaderMessage, type LoaderMessage, type LoaderRequest } from './protocol.ts';

export interface LoaderLimits {
  /** MiB of JavaScript objects of a process, 256 where absent; all of it may have 256 more. */
  readonly memory?: number;
  /** Milliseconds to start and to read an object, 15,000 where absent. */
  readonly readTime?: number;
  /** Milliseconds beyond its own limits that verifying one program may take, 5,000 where absent. */
  readonly grace?: number;
}

const READ_TIME = 15_000;
const GRACE = 5_000;
/** Bytes of one message; a linked object is the largest. */
const MOST_MESSAGE = 256 * 2 ** 20;

/** What comes in: a message, undefined for what is none; the process' end; or nothing in time. */
type Taken = { readonly message: LoaderMessage | undefined } | { readonly end: End } | { readonly late: number };

/** The child's module: beside this one, in the form that this one has. */
const ENTRY = new URL(`./child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

export class LoaderProcess {
  readonly #limits: LoaderLimits;
  readonly #entry: URL;
  #confined: Confined | undefined;
  #inbox: Taken[] = [];
  #wake: ((taken: Taken) => void) | undefined;

  constructor(limits: LoaderLimits, entry: URL = ENTRY) {
    this.#limits = limits;
    this.#entry = entry;
  }

  get pid(): number | undefined {
    return this.#confined?.child.pid;
  }

  /** Begins to start it, where it is not there: the next request finds it ready. */
  start(): void {
    if (this.#confined !== undefined) return;
    this.#inbox = [];
    const { memory } = this.#limits;
    const confined: Confined = startConfined(
      { entry: this.#entry, mostFrame: MOST_MESSAGE, ...(memory === undefined ? {} : { memory }) },
      {
        frame: (bytes) => {
          if (this.#confined === confined) this.#take(takenFrom(bytes));
        },
        ended: (end) => {
          if (this.#confined !== confined) return;
          this.#confined = undefined;
          this.#take({ end });
        },
      },
    );
    this.#confined = confined;
    confined.rest();
  }

  /**
   * Asks, and gives what comes back to `take`, which says whether that was all.
   *
   * @param programTime milliseconds that a program has
   * @throws AnyBpfError what it was refused with; verify/process where the process took too long or too much, or was ended: another one is
   *   started for the next request; verify/process-answer for nonsense
   */
  async ask(
    request: LoaderRequest,
    file: string,
    programTime: number,
    take: (message: LoaderMessage) => boolean,
  ): Promise<void> {
    const { readTime = READ_TIME, grace = GRACE } = this.#limits;
    this.start();
    let whole = false;
    let program: string | undefined;
    try {
      this.#confined?.send(framed(encodePlain(request as unknown as Plain)));
      for (;;) {
        const limit = program === undefined ? readTime : programTime + grace;
        const taken = await this.#next(limit);
        const place = { file, ...(program === undefined ? {} : { program }) };
        if ('late' in taken) fail(verifierEnded(place, `${limit} ms were not enough`));
        if ('end' in taken) {
          const { end } = taken;
          const why = end.kind === 'memory' ? `${end.limit} bytes of memory were not enough` : end.why;
          fail(verifierEnded(place, why));
          continue;
        }
        const message = taken.message ?? fail(verifierAnswer(place, 'not one of its messages'));
        if (message.kind === 'ready') continue;
        if (message.kind === 'failed') {
          whole = true;
          throw new AnyBpfError(message.diagnostic);
        }
        if (message.kind === 'bug') throw new Error(`the process that loads has a fault: ${message.stack}`);
        program = message.kind === 'begin' ? message.program : undefined;
        whole = take(message);
        if (whole) return;
      }
    } finally {
      // What is in the middle of something, or not to be believed, is of no further use.
      if (whole) this.#confined?.rest();
      else this.kill();
    }
  }

  /** Ends it at once; a request that it has under way fails. */
  kill(): void {
    this.#confined?.kill();
    this.#confined = undefined;
    if (this.#wake !== undefined) this.#take({ end: { kind: 'other', why: 'it was ended' } });
  }

  #take(taken: Taken): void {
    const wake = this.#wake;
    this.#wake = undefined;
    if (wake === undefined) this.#inbox.push(taken);
    else wake(taken);
  }

  #next(limit: number): Promise<Taken> {
    const first = this.#inbox.shift();
    if (first !== undefined) return Promise.resolve(first);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#take({ late: limit }), limit);
      this.#wake = (taken) => {
        clearTimeout(timer);
        resolve(taken);
      };
    });
  }
}

function takenFrom(bytes: Uint8Array | undefined): Taken {
  try {
    return { message: bytes === undefined ? undefined : asLoaderMessage(decodePlain(bytes)) };
  } catch {
    return { message: undefined };
  }
}
