// Epochs: what a run may still use is given back when every run that had begun before is over. A run may call out, span an await, or
// sit in a batch of another worker; each holds the epoch in which it began, and new ones begin in later epochs, so that nothing waits
// for runs that begin after it was retired.

/** An epoch with its readers: what `enter` gives and `leave` takes. */
export class Epoch {
  /** Runs that began in it and are not over. */
  readers = 0;
  /** To be given back once no reader of this epoch, or of one before it, is left. */
  readonly retired: (() => void)[] = [];
  next: Epoch | undefined;
}

export class Epochs {
  #oldest = new Epoch();
  #current = this.#oldest;
  #readers = 0;
  #reclaiming = false;

  /** A run begins. Everything that is in place now stays until `leave` is called with what this gives, once. */
  enter(): Epoch {
    const epoch = this.#current;
    epoch.readers++;
    this.#readers++;
    return epoch;
  }

  /** @throws Error where nobody is left in that epoch: it was left twice */
  leave(epoch: Epoch): void {
    if (epoch.readers === 0) throw new Error('an epoch that was left already');
    epoch.readers--;
    this.#readers--;
    if (epoch.readers === 0 && epoch === this.#oldest && epoch !== this.#current) this.#reclaim();
  }

  /** Whether any run is under way. */
  get running(): boolean {
    return this.#readers > 0;
  }

  /** Does something as one run. */
  run<T>(body: () => T): T {
    const epoch = this.enter();
    try {
      return body();
    } finally {
      this.leave(epoch);
    }
  }

  /** Gives something back, which nothing leads to any more: now, or as soon as the runs that have begun are over. It must not throw. */
  defer(free: () => void): void {
    if (this.#readers === 0) {
      free();
      return;
    }
    this.#current.retired.push(free);
    this.#current.next = new Epoch();
    this.#current = this.#current.next;
    // Where all readers are in older epochs, this one waits for them.
    this.#reclaim();
  }

  /** Resolves when every run that has begun by now is over. */
  synchronize(): Promise<void> {
    return new Promise((resolve) => {
      this.defer(resolve);
    });
  }

  /** Gives back what was retired in the epochs that no reader is in or before. What is given back may retire more. */
  #reclaim(): void {
    if (this.#reclaiming) return;
    this.#reclaiming = true;
    try {
      while (this.#oldest.readers === 0 && this.#oldest.next !== undefined) {
        const { retired, next } = this.#oldest;
        this.#oldest = next;
        for (const free of retired) free();
      }
    } finally {
      this.#reclaiming = false;
    }
  }
}
