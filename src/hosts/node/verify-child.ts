// What runs in the verifier's process (verify-process.ts): requests come in on standard input, messages go out on standard output.
// It has nothing else: no environment, no files but its own code, no network where the system can take it away.
import { writeSync } from 'node:fs';
import process from 'node:process';
import type { VerifierMessage } from '../verifier/protocol.ts';
import { serve } from '../verifier/serve.ts';
import { decodeRequest, encodeMessage, Frames } from './frames.ts';

const OUT = 1;

/** Whole before it returns: what comes next may take long, or end the process. */
function send(message: VerifierMessage): void {
  const frame = encodeMessage(message);
  for (let at = 0; at < frame.length; ) {
    try {
      at += writeSync(OUT, frame, at);
    } catch (error) {
      // The reader is behind.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}

const frames = new Frames(Number.POSITIVE_INFINITY);
process.stdin.on('data', (piece: Uint8Array) => {
  for (const frame of frames.take(piece)) serve(decodeRequest(frame), send);
});
// The application is gone.
process.stdin.on('end', () => process.exit());
send({ kind: 'ready' });
