// What runs in the verifier's worker (verifier.ts).
import type { VerifierMessage, VerifyRequest } from '../verifier/protocol.ts';
import { serve } from '../verifier/serve.ts';

/** The scope of a worker, of which this needs two things. */
interface Scope {
  addEventListener(type: 'message', listener: (event: { readonly data: VerifyRequest }) => void): void;
  postMessage(message: VerifierMessage, moved: readonly never[]): void;
}

const scope = globalThis as unknown as Scope;
const send = (message: VerifierMessage): void => scope.postMessage(message, []);
scope.addEventListener('message', ({ data }) => serve(data, send));
send({ kind: 'ready' });
