// What runs in a process that loads (load/process.ts): requests come in on standard input, messages go out on standard output. It has
// nothing else: no environment, no files but its own code, no network where the system can take it away.
import { writeSync } from 'node:fs';
import process from 'node:process';
import { Frames } from '../../hosts/node/frames.ts';
import { decodePlain, encodePlain, type Plain } from '../plain.ts';
import { framed } from './frame.ts';
import type { LoaderMessage, LoaderRequest } from './protocol.ts';
import { serveLoad } from './serve.ts';

const OUT = 1;

/** Whole before it returns: what comes next may take long, or end the process. */
function send(message: LoaderMessage): void {
  const frame = framed(encodePlain(message as unknown as Plain));
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
  for (const frame of frames.take(piece)) serveLoad(decodePlain(frame) as unknown as LoaderRequest, send);
});
// The service is gone.
process.stdin.on('end', () => process.exit());
send({ kind: 'ready' });
