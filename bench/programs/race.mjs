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
const WARM = 200e6;

/** Calls that take at least `wanted` ns, a multiple of `unit`; on the way the runtime compiles the candidate. */
async function calibrate({ time, unit = 1, most = 2 ** 30, before }, wanted) {
  const limit = Math.floor(most / unit) * unit;
  let calls = unit;
  for (;;) {
    before?.();
    const taken = await time(calls);
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
    entries.push({ name, candidate, calls, every, least: Number.POSITIVE_INFINITY });
  }
  for (let round = 0; round < rounds; round++) {
    for (const entry of entries) {
      if (round % entry.every !== 0) continue;
      entry.candidate.before?.();
      entry.least = Math.min(entry.least, (await entry.candidate.time(entry.calls)) / entry.calls);
    }
  }
  return Object.fromEntries(entries.map(({ name, least }) => [name, least]));
}
