// Memory that a run may still use is given back when no run is under way. Runs of one context are on one thread; but a program that
// runs can call out (a ring buffer's wake-up, a line of trace), and who is called may close what the program uses.

export class Reclaimer {
  #running = 0;
  #waiting: (() => void)[] = [];

  /** Does something during which nothing is given back. */
  run<T>(body: () => T): T {
    this.#running++;
    try {
      return body();
    } finally {
      if (--this.#running === 0 && this.#waiting.length > 0) this.#free();
    }
  }

  get running(): boolean {
    return this.#running > 0;
  }

  /** Gives something back: now, or when the runs that have begun are over. */
  defer(free: () => void): void {
    if (this.#running === 0) free();
    else this.#waiting.push(free);
  }

  #free(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const free of waiting) free();
  }
}
