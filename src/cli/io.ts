// What a verb may touch of the world: streams, environment, time. Tests give their own.
import type { Session } from '../spec/session.ts';

/** A stream that text or bytes are written to, as a process's. */
export interface Output {
  write(chunk: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
  /** Width in characters, where it is a terminal. */
  readonly columns?: number;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
  /** The command may start processes of its own: it runs as it is installed. */
  readonly startsProcesses?: boolean;
  /** Takes the place of the session that `--host` and `--socket` name: how tests put a context under the command. */
  readonly session?: () => Promise<Session>;
}

/** A process stream whose reader may go away (`anybpf dump x.o | head`): then the rest is dropped without a word. */
function quiet(stream: NodeJS.WriteStream): Output {
  let closed = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    closed = true;
  });
  return {
    write: (chunk) => closed || stream.write(chunk),
    isTTY: stream.isTTY,
    get columns() {
      return stream.columns;
    },
  };
}

/** The streams of this process. */
export const processIo = (): Io => ({
  stdout: quiet(process.stdout),
  stderr: quiet(process.stderr),
  stdin: process.stdin,
  env: process.env,
  now: () => performance.now(),
  startsProcesses: true,
});
