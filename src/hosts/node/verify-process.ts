// The verifier in a process of its own (confined.ts): files that others wrote are read and analysed where there is nothing to be had. It
// stays, answers one request after the other, and is started anew when it ends.
import { Verifier, type VerifierLimits } from '../verifier/client.ts';
import { type Confined, type Confinement, confinementHere, startConfined } from './confined.ts';
import { decodeMessage, encodeRequest } from './frames.ts';

export type { Confinement } from './confined.ts';

export interface VerifierProcessOptions extends VerifierLimits {
  /** MiB of JavaScript objects that it may have, 256 where absent; its whole process may have 256 more. */
  readonly memory?: number;
  /** The module to run, where it is not the one beside this file. */
  readonly entry?: URL;
}

export interface VerifierProcess extends Verifier {
  readonly confinement: Confinement;
  /** Of the process, while there is one. */
  readonly pid: number | undefined;
}

/** No record is longer. */
const MOST_MESSAGE = 16 * 2 ** 20;

/**
 * A verifier in a process of its own. It is started with the first request and does not keep the application alive.
 *
 * @example
 * using verifier = createVerifierProcess();
 * const records = await verifier.verify({ object: await readFile('prog.o') });
 */
export function createVerifierProcess(options: VerifierProcessOptions = {}): VerifierProcess {
  const { entry = besides(), memory } = options;
  let confined: Confined | undefined;
  const verifier = new Verifier((events) => {
    const started = startConfined(
      { entry, mostFrame: MOST_MESSAGE, ...(memory === undefined ? {} : { memory }) },
      {
        frame: (bytes) => events.message(bytes === undefined ? undefined : decodeMessage(bytes)),
        ended: (end) => events.ended(end),
      },
    );
    confined = started;
    return {
      send: (request) => started.send(encodeRequest(request)),
      rest: () => started.rest(),
      kill: () => started.kill(),
    };
  }, options);
  const running = (): number | undefined => {
    const child = confined?.child;
    return child?.exitCode === null && child.signalCode === null ? child.pid : undefined;
  };
  return Object.defineProperties(verifier, {
    confinement: { value: confinementHere() },
    pid: { get: running },
  }) as VerifierProcess;
}

/** The child's module: beside this one, in the form that this one has. */
const besides = (): URL => new URL(`./verify-child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
