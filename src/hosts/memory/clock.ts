// A clock that only moves when it is read, so that runs can be repeated.
import { fail } from '../../base/diagnostic.ts';
import { badOption } from '../../base/messages/run.ts';
import type { Clock } from '../../spec/host.ts';

/** TAI is ahead of UTC by the leap seconds since 1972 (37 since 2017). */
export const TAI_OFFSET = 37_000_000_000n;

export interface ClockOptions {
  /** CLOCK_MONOTONIC at the first reading, nanoseconds. */
  readonly monotonic?: bigint;
  /** CLOCK_REALTIME at the first reading, nanoseconds since 1970. */
  readonly realtime?: bigint;
  /** Nanoseconds between two readings. */
  readonly step?: bigint;
}

const START: Required<ClockOptions> = {
  monotonic: 1_000_000_000_000n,
  realtime: 1_704_067_200_000_000_000n,
  step: 1_000n,
};

/** A clock that can be set forward by hand. The boot clock is the monotonic one: the machine never sleeps. */
export class SteppedClock implements Clock {
  readonly #start: Required<ClockOptions>;
  #elapsed = 0n;

  constructor(options: ClockOptions = {}) {
    this.#start = { ...START, ...options };
    for (const [name, value] of Object.entries(this.#start)) {
      if (typeof value !== 'bigint' || value < 0n)
        fail(badOption({}, `clock.${name}`, 'must be a bigint of nanoseconds, not negative'));
    }
  }

  #read(): bigint {
    const now = this.#elapsed;
    this.#elapsed += this.#start.step;
    return now;
  }

  monotonic(): bigint {
    return this.#start.monotonic + this.#read();
  }

  boot(): bigint {
    return this.monotonic();
  }

  realtime(): bigint {
    return this.#start.realtime + this.#read();
  }

  tai(): bigint {
    return this.realtime() + TAI_OFFSET;
  }

  /** Lets time pass. */
  advance(nanoseconds: bigint): void {
    this.#elapsed += nanoseconds;
  }
}
