// What runs in the verifier's process (verify-process.ts): requests come in on standard input, messages go out on standard output.
// It has nothing else: no environment, no files but its own code, no network where the system can take it away.
import process from 'node:process';
import type { VerifierMessage } from '../verifier/protocol.ts';
import { serve } from '../verifier/serve.ts';
import { decodeRequest, encodeMessage, Frames } from './frames.ts';
import { writeWhole } from './write-whole.ts';

const OUT = 1;

const send = (message: VerifierMessage): void => writeWhole(OUT, encodeMessage(message));

const frames = new Frames(Number.POSITIVE_INFINITY);
process.stdin.on('data', (piece: Uint8Array) => {
  for (const frame of frames.take(piece)) serve(decodeRequest(frame), send);
});
// The application is gone.
process.stdin.on('end', () => process.exit());
send({ kind: 'ready' });
