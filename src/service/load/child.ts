// What runs in a process that loads (load/process.ts): requests come in on standard input, messages go out on standard output. It has
// nothing else: no environment, no files but its own code, no network where the system can take it away.
import process from 'node:process';
import { Frames } from '../../hosts/node/frames.ts';
import { writeWhole } from '../../hosts/node/write-whole.ts';
import { decodePlain, encodePlain, type Plain } from '../plain.ts';
import { framed } from './frame.ts';
import type { LoaderMessage, LoaderRequest } from './protocol.ts';
import { serveLoad } from './serve.ts';

const OUT = 1;

const send = (message: LoaderMessage): void => writeWhole(OUT, framed(encodePlain(message as unknown as Plain)));

const frames = new Frames(Number.POSITIVE_INFINITY);
process.stdin.on('data', (piece: Uint8Array) => {
  for (const frame of frames.take(piece)) serveLoad(decodePlain(frame) as unknown as LoaderRequest, send);
});
// The service is gone.
process.stdin.on('end', () => process.exit());
send({ kind: 'ready' });
