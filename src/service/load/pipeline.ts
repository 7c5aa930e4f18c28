// Loading beside the service: files of others are read and their programs verified in processes that have nothing (hosts/node/confined.ts).
// The service itself makes maps and code of what comes back: plain data of our own making, and verdicts that are bound by a digest to
// exactly what was sent to be verified.
//
// Code is generated in the service. It has the addresses of the maps in it, which only the service has; and it is made of instructions
// that were accepted, each of which takes a bounded time and place. What can take long, and can be made to, is in the processes.
import { fail } from '../../base/diagnostic.ts';
import { verifierAnswer, verifierEnded, verifierInput } from '../../base/messages/verifier-process.ts';
import type { LoadEvidence, LoadPipeline, LoadRequest } from '../../context/pipeline.ts';
import type { ObjectSpec } from '../../spec/object.ts';
import type { ObjectLoad } from '../../spec/session.ts';
import { DEFAULT_LIMITS, type Verdict } from '../../verify/verify.ts';
import type { Limits } from '../../verify/engine.ts';
import { verdictOf } from '../evidence.ts';
import { type LoaderLimits, LoaderProcess } from './process.ts';
import { type LoaderMessage, type LoaderRequest, objectDigest, objectOf, objectPlain } from './protocol.ts';
import { FairQueue } from './queue.ts';

export interface PipelineOptions extends LoaderLimits {
  /** Processes that load at the same time, 1 where absent. They are started with the first load that needs them, and stay. */
  readonly processes?: number;
  /** Most bytes of a request, 64 MiB where absent. */
  readonly input?: number;
  /** How far a verification goes; the verifier's own limits where absent. */
  readonly limits?: Limits;
  /** The module that the processes run, where it is not this project's. */
  readonly entry?: URL;
}

const INPUT = 64 * 2 ** 20;

interface Task {
  readonly request: LoaderRequest;
  readonly file: string;
  readonly take: (message: LoaderMessage) => boolean;
  readonly settle: (error?: unknown) => void;
}

/** Tasks without a client. */
const NOBODY = {};

export class ProcessPipeline implements LoadPipeline, Disposable {
  readonly #options: PipelineOptions;
  readonly #processes: LoaderProcess[];
  readonly #idle: LoaderProcess[];
  readonly #queue = new FairQueue<object, Task>();
  #disposed = false;

  constructor(options: PipelineOptions = {}) {
    this.#options = options;
    const { processes = 1 } = options;
    this.#processes = Array.from({ length: Math.max(1, processes) }, () => new LoaderProcess(options, options.entry));
    this.#idle = [...this.#processes];
  }

  /** Processes that are there now. */
  get pids(): readonly number[] {
    return this.#processes.flatMap(({ pid }) => pid ?? []);
  }

  /** Starts a process before the first load: that one is answered sooner. */
  warm(): void {
    this.#idle.at(-1)?.start();
  }

  /** @param client whose request it is: those of several clients are served in turn */
  async link(load: ObjectLoad, client: object = NOBODY): Promise<ObjectSpec> {
    const { object, name, btf } = load;
    this.#checkSize(object.length + (btf?.length ?? 0), name);
    const types = Object.entries(load.types ?? {}).flatMap(([program, { type }]) =>
      type === undefined ? [] : [[program, type] as const],
    );
    let linked: ObjectSpec | undefined;
    const request: LoaderRequest = {
      kind: 'link',
      object,
      name,
      types: Object.fromEntries(types),
      ...(btf === undefined ? {} : { btf }),
    };
    await this.#run(client, request, name, (message) => {
      if (message.kind !== 'linked') return fail(verifierAnswer({ file: name }, `'${message.kind}' to a link request`));
      linked = objectOf(message.object);
      return true;
    });
    return linked ?? fail(verifierAnswer({ file: name }, 'no object'));
  }

  async verify({ object, programs }: LoadRequest, client: object = NOBODY): Promise<LoadEvidence> {
    const wanted = object.programs.filter(({ name }) => programs.includes(name));
    const sent = objectPlain({ ...object, programs: wanted, diagnostics: [] });
    const digest = objectDigest(sent);
    const { limits } = this.#options;
    const verdicts = new Map<string, Verdict>();
    const place = { file: object.name };
    const request: LoaderRequest = { kind: 'verify', object: sent, ...(limits === undefined ? {} : { limits }) };
    await this.#run(client, request, object.name, (message) => {
      if (message.kind === 'begin') return false;
      if (message.kind === 'verdict') {
        const next = wanted.at(verdicts.size)?.name;
        if (message.program !== next) fail(verifierAnswer(place, 'a verdict on another program'));
        if (message.digest !== digest) fail(verifierAnswer(place, 'a verdict on other instructions'));
        verdicts.set(message.program, verdictOf(message.verdict));
        return false;
      }
      if (message.kind !== 'done' || verdicts.size !== wanted.length)
        fail(verifierAnswer(place, `'${message.kind}' after ${verdicts.size} of ${wanted.length} verdicts`));
      return true;
    });
    return { verdicts: Object.fromEntries(verdicts) };
  }

  /** Ends the processes; what is under way fails. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const { settle, file } of this.#queue.drain()) {
      settle(failure(() => fail(verifierEnded({ file }, 'the service stops'))));
    }
    for (const process of this.#processes) process.kill();
  }

  #checkSize(bytes: number, file: string): void {
    const { input = INPUT } = this.#options;
    if (bytes > input) fail(verifierInput({ file }, bytes, input));
  }

  #run(client: object, request: LoaderRequest, file: string, take: (message: LoaderMessage) => boolean): Promise<void> {
    if (this.#disposed) fail(verifierEnded({ file }, 'the service stops'));
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown): void => (error === undefined ? resolve() : reject(error));
      this.#queue.add(client, { request, file, take, settle });
      this.#next();
    });
  }

  #next(): void {
    const process = this.#idle.pop();
    if (process === undefined) return;
    const task = this.#queue.take();
    if (task === undefined) {
      this.#idle.push(process);
      return;
    }
    const { request, file, take, settle } = task;
    const { time } = this.#options.limits ?? DEFAULT_LIMITS;
    process
      .ask(request, file, time, take)
      .then(() => settle(), settle)
      .finally(() => {
        this.#idle.push(process);
        if (!this.#disposed) this.#next();
      });
  }
}

function failure(act: () => never): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
