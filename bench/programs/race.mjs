// Figures by turns: all candidates in each round, so that a disturbance of the machine meets them alike; of each the least, as a
// busy machine only ever adds time.

const now = () => Number(process.hrtime.bigint());

/** Nanoseconds that a call takes. */
export function timed(work) {
  const start = now();
  work();
  return now() - start;
}

/**
 * Nanoseconds of one measurement: less than a scheduler leaves a process the processor where others want it, so that with many
 * rounds some are undisturbed.
 */
const SAMPLE = 1.5e6;
/** Nanoseconds after which a runtime has optimised what it will. */
const WARM = 100e6;
/** Measurements of a number of calls, while it is looked for. */
const ATTEMPTS = 3;

/** Times within this factor are the same. */
const SAME = 1.03;
/** Where the least time of the rounds has not settled, more are made: up to so many times as many. */
const MOST_ROUNDS = 3;

/** Calls that take at least `wanted` ns, a multiple of `unit`; on the way the runtime compiles the candidate. */
async function calibrate({ time, unit = 1, most = 2 ** 30, before }, wanted) {
  const limit = Math.floor(most / unit) * unit;
  let calls = unit;
  for (;;) {
    let taken = Number.POSITIVE_INFINITY;
    // One that was disturbed would pass for long enough.
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      before?.();
      taken = Math.min(taken, await time(calls));
    }
    if (taken >= wanted || calls >= limit) return calls;
    const factor = Math.min(10, Math.max(1.5, wanted / Math.max(taken, 1)));
    calls = Math.min(limit, unit * Math.ceil((calls / unit) * factor));
  }
}

/**
 * @param candidates name to
 *   time(calls)  nanoseconds that so many calls take, or a promise of them
 *   before()     called before each measurement and not timed
 *   unit         what the number of calls is a multiple of, 1 where absent
 *   most         calls of one measurement at most
 *   calls        calls of one measurement, where it knows that itself
 *   rounds       rounds to take part in, where all of them are too slow
 * @returns name to the least nanoseconds a call
 */
export async function race(candidates, rounds) {
  const entries = [];
  for (const [name, candidate] of Object.entries(candidates)) {
    if (candidate.calls === undefined) await calibrate(candidate, WARM);
    const calls = candidate.calls ?? (await calibrate(candidate, SAMPLE));
    const every = Math.ceil(rounds / (candidate.rounds ?? rounds));
    entries.push({ name, candidate, calls, every, times: [] });
  }
  for (let round = 0; round < MOST_ROUNDS * rounds; round++) {
    for (const entry of entries) {
      if (round >= rounds ? entry.every > 1 || settled(entry) : round % entry.every !== 0) continue;
      entry.candidate.before?.();
      entry.times.push((await entry.candidate.time(entry.calls)) / entry.calls);
    }
  }
  return Object.fromEntries(entries.map(({ name, times }) => [name, Math.min(...times)]));
}

/** Whether the least time came several times: a busy machine lets few measurements pass undisturbed, and an early one is of slower code. */
function settled({ times }) {
  const [least, , third = Number.POSITIVE_INFINITY] = times.toSorted((a, b) => a - b);
  return third <= SAME * least;
}
