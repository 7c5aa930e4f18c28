// What `anybpf prog`, `anybpf map` and the others of bpftool's grammar refuse. The sentences are bpftool's own: scripts compare them.
import { message } from '../diagnostic.ts';

/** A command that bpftool's grammar has no place for. */
export const wrongWords = message('bpftool/usage', (sentence: string) => sentence);

/** An operation that the context, or a file, refused. */
export const operationFailed = message('bpftool/failed', (sentence: string) => sentence);
