// A progress bar on standard error: only on a terminal, only where the work takes longer than a second.
import { SingleBar } from 'cli-progress';
import type { Io } from './io.ts';

const QUIET_MS = 1000;
/** Packets between looks at the clock. */
const STEP = 256;

export class Progress {
  readonly #io: Io;
  readonly #total: number | undefined;
  readonly #start: number;
  #bar: SingleBar | undefined;

  /** `total` is the size of the input in bytes, where it is known. */
  constructor(io: Io, total: number | undefined) {
    this.#io = io;
    this.#total = total;
    this.#start = io.now();
  }

  /** Called for each packet. */
  update(packets: number, bytes: number): void {
    if (packets % STEP !== 0 || this.#io.stderr.isTTY !== true) return;
    const elapsed = this.#io.now() - this.#start;
    if (elapsed < QUIET_MS) return;
    const rate = Math.round((packets * 1000) / elapsed).toLocaleString('en-US');
    const state = { packets: packets.toLocaleString('en-US'), rate };
    if (this.#bar === undefined) {
      const counts = '{packets} packets, {rate}/s';
      this.#bar = new SingleBar({
        format: this.#total === undefined ? counts : `{bar} {percentage} % ${counts}`,
        stream: this.#io.stderr as NodeJS.WritableStream,
        barsize: 24,
        barCompleteChar: '#',
        barIncompleteChar: '-',
        hideCursor: false,
        clearOnComplete: true,
      });
      this.#bar.start(this.#total ?? 1, 0, state);
    }
    this.#bar.update(Math.min(bytes, this.#total ?? 1), state);
  }

  /** Takes the bar away. */
  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
