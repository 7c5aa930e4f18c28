// The application's side: asks a verifier that runs beside it, watches its time, and starts another one where it has ended.
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import { overBudget } from '../../base/messages/verify.ts';
import { verifierAnswer, verifierEnded, verifierInput } from '../../base/messages/verifier-process.ts';
import type { VerifyRecord } from '../../verify/report/record.ts';
import { DEFAULT_LIMITS } from '../../verify/verify.ts';
import { asMessage, type ProgramName, type VerifierMessage, type VerifyRequest } from './protocol.ts';

/** A verifier that runs: a process, a worker. */
export interface Connection {
  send(request: VerifyRequest): void;
  /** All is answered: it need not keep the application alive until the next `send`. */
  rest(): void;
  /** Ends it at once. `ended` is not called any more. */
  kill(): void;
}

export interface ConnectionEvents {
  /** Whatever came back, as it came. */
  message(value: unknown): void;
  ended(end: End): void;
}

/** Why a verifier ended by itself: it took more memory than it may, or anything else. */
export type End =
  | { readonly kind: 'memory'; readonly limit: number }
  | { readonly kind: 'other'; readonly why: string };

/** Starts one; it says `ready` when it can be asked. */
export type Connect = (events: ConnectionEvents) => Connection;

export interface VerifierLimits {
  /** Most bytes of a request; 64 MiB where absent. */
  readonly input?: number;
  /**
   * Milliseconds that a program may take; where absent, those of the request's own limits and five seconds. At its end the verifier
   * is killed, whatever it does.
   */
  readonly time?: number;
  /** Milliseconds to start, and to read the object; 15 s where absent. */
  readonly startTime?: number;
}

const INPUT = 64 * 2 ** 20;
const START_TIME = 15_000;
/** The verifier ends by itself within its limits; this is for when it does not. */
const GRACE = 5_000;

/** A verifier beside the application. Requests are answered one after the other. */
export class Verifier implements Disposable {
  readonly #connect: Connect;
  readonly #limits: VerifierLimits;
  #running: { readonly connection: Connection; inbox: Inbox } | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** Use createVerifierProcess (hosts/node) or createVerifierWorker (hosts/browser). */
  constructor(connect: Connect, limits: VerifierLimits) {
    this.#connect = connect;
    this.#limits = limits;
  }

  /**
   * Verifies programs of an object file: one record each, in the order of the request. A program for which the verifier needs more
   * time or memory than it has gets the verdict `budget`, as one that is over its limits.
   *
   * @throws AnyBpfError elf/*, btf/*, link/* and cli/* where the object cannot be read or has no such program; verify/process where
   *   the verifier was ended from outside; verify/process-answer where it answers nonsense; verify/process-input for requests that are
   *   too large
   */
  verify(request: VerifyRequest): Promise<VerifyRecord[]> {
    const answer = this.#last.then(() => this.#answer(request));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  /** Ends it; what is under way fails. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#running?.inbox.put({ kind: 'other', why: 'it was disposed of' });
    this.#stop();
  }

  async #answer(request: VerifyRequest): Promise<VerifyRecord[]> {
    const { input = INPUT } = this.#limits;
    const bytes = request.object.length + (request.kernelTypes?.length ?? 0);
    if (bytes > input) fail(verifierInput({}, bytes, input));
    const records: VerifyRecord[] = [];
    for (;;) {
      const left = await this.#attempt({ ...request, from: records.length }, records);
      if (left === undefined) return records;
      records.push(left);
    }
  }

  /** Undefined when all is answered; or, where a program took too much, its record, after which the rest is asked for again. */
  async #attempt(request: VerifyRequest, records: VerifyRecord[]): Promise<VerifyRecord | undefined> {
    const { time = (request.limits ?? DEFAULT_LIMITS).time + GRACE, startTime = START_TIME } = this.#limits;
    const { connection, inbox } = this.#start();
    const dialogue = new Dialogue(request, records);
    try {
      connection.send(request);
      for (;;) {
        const { current } = dialogue;
        const limit = current === undefined ? startTime : time;
        const event = await inbox.next(limit);
        if (event.kind === 'message') {
          if (dialogue.take(event.value)) break;
          continue;
        }
        if (event.kind === 'other') return fail(verifierEnded(dialogue.place, event.why));
        const [what, most] =
          event.kind === 'late' ? (['milliseconds', limit] as const) : (['bytes of memory', event.limit] as const);
        if (current !== undefined) return givenUp(request, current, what, most);
        return fail(verifierEnded(dialogue.place, `${most} ${what} are not enough to read the object`));
      }
      connection.rest();
      return undefined;
    } finally {
      // What is in the middle of something, or not to be believed, is of no further use.
      if (!dialogue.answered) this.#stop();
    }
  }

  #start(): { readonly connection: Connection; readonly inbox: Inbox } {
    if (this.#disposed) return fail(verifierEnded({}, 'it was disposed of'));
    const inbox = new Inbox();
    if (this.#running !== undefined) {
      this.#running.inbox = inbox;
      return { connection: this.#running.connection, inbox };
    }
    const connection = this.#connect({
      message: (value) => this.#running?.inbox.put({ kind: 'message', value }),
      ended: (end) => {
        const running = this.#running;
        this.#running = undefined;
        running?.inbox.put(end);
      },
    });
    this.#running = { connection, inbox };
    return { connection, inbox };
  }

  #stop(): void {
    this.#running?.connection.kill();
    this.#running = undefined;
  }
}

/** One request's answer as it comes in. */
class Dialogue {
  readonly place: { readonly file: string };
  readonly #records: VerifyRecord[];
  #programs: readonly ProgramName[] = [];
  /** The program under way. */
  current: ProgramName | undefined;
  /** The verifier has said all, and waits for the next request. */
  answered = false;

  constructor({ name = 'object' }: VerifyRequest, records: VerifyRecord[]) {
    this.place = { file: name };
    this.#records = records;
  }

  /** True when all programs have a verdict. */
  take(value: unknown): boolean {
    const message = asMessage(value) ?? this.#nonsense('not one of its messages');
    const take = this.#take[message.kind] as (message: VerifierMessage) => boolean;
    return take(message);
  }

  readonly #take: { readonly [K in VerifierMessage['kind']]: (message: VerifierMessage & { kind: K }) => boolean } = {
    ready: () => false,
    programs: ({ programs }) => {
      this.#programs = programs;
      return false;
    },
    begin: ({ program }) => {
      if (program !== this.#records.length || program >= this.#programs.length)
        this.#nonsense('a program that was not asked for');
      this.current = this.#programs[program];
      return false;
    },
    verdict: ({ program, record }) => {
      if (program !== this.#records.length || record.program !== this.current?.name)
        this.#nonsense('a verdict on another program');
      this.#records.push(record);
      this.current = undefined;
      return false;
    },
    done: () => {
      if (this.#records.length !== this.#programs.length) this.#nonsense('not all programs have a verdict');
      this.answered = true;
      return true;
    },
    failed: ({ diagnostic }) => {
      this.answered = true;
      throw new AnyBpfError(diagnostic);
    },
    bug: ({ stack }) => {
      this.answered = true;
      throw new Error(`the verifier failed\n${stack}`);
    },
  };

  #nonsense(what: string): never {
    return fail(verifierAnswer(this.place, what));
  }
}

type Event = { readonly kind: 'message'; readonly value: unknown } | { readonly kind: 'late' } | End;

/** What comes back, until somebody takes it. */
class Inbox {
  readonly #events: Event[] = [];
  #waiting: ((event: Event) => void) | undefined;

  put(event: Event): void {
    if (this.#waiting !== undefined) this.#waiting(event);
    else this.#events.push(event);
  }

  /** The next event, or `late` after so many milliseconds without one. */
  next(limit: number): Promise<Event> {
    const first = this.#events.shift();
    if (first !== undefined) return Promise.resolve(first);
    return new Promise((resolve) => {
      const take = (event: Event): void => {
        clearTimeout(timer);
        this.#waiting = undefined;
        resolve(event);
      };
      const timer = setTimeout(() => take({ kind: 'late' }), Math.min(limit, LONGEST));
      this.#waiting = take;
    });
  }
}

/** What setTimeout can wait. */
const LONGEST = 2 ** 31 - 1;

function givenUp(request: VerifyRequest, program: ProgramName, what: string, limit: number): VerifyRecord {
  const { code, message } = overBudget({ program: program.name }, what, limit);
  return {
    object: request.name ?? 'object',
    section: program.section,
    program: program.name,
    type: program.type,
    verdict: 'budget',
    code,
    message,
    warnings: [],
    visited: 0,
    states: 0,
    microseconds: what === 'milliseconds' ? Math.round(limit * 1000) : 0,
  };
}
