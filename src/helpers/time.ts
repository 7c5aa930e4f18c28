import { helper, type HelperFamily } from '../spec/helper.ts';

const NANOSECONDS = 1_000_000_000n;
/** INITIAL_JIFFIES (include/linux/jiffies.h): the 32-bit counter starts five minutes before it wraps. */
const WRAP_AFTER_SECONDS = 300n;

export const timeHelpers: HelperFamily = {
  family: 'time',
  doc: 'Clocks of the host',
  helpers: [
    helper({
      name: 'ktime_get_ns',
      numbers: { linux: 5, windows: 9 },
      args: [],
      returns: 'integer',
      doc: 'Nanoseconds since boot without time asleep (CLOCK_MONOTONIC).',
      body: (env) => env.host.clock.monotonic(),
    }),
    helper({
      name: 'ktime_get_boot_ns',
      numbers: { linux: 125, windows: 7 },
      args: [],
      returns: 'integer',
      doc: 'Nanoseconds since boot with time asleep (CLOCK_BOOTTIME).',
      body: (env) => env.host.clock.boot(),
    }),
    helper({
      name: 'ktime_get_tai_ns',
      numbers: { linux: 208 },
      args: [],
      returns: 'integer',
      doc: 'Nanoseconds of international atomic time (CLOCK_TAI).',
      body: (env) => env.host.clock.tai(),
    }),
    helper({
      name: 'jiffies64',
      numbers: { linux: 118 },
      args: [],
      returns: 'integer',
      doc: 'Timer ticks since boot, from INITIAL_JIFFIES (2^32 less five minutes of ticks) on.',
      body: (env) => {
        const hz = BigInt(env.host.hz);
        return (1n << 32n) - WRAP_AFTER_SECONDS * hz + (env.host.clock.monotonic() * hz) / NANOSECONDS;
      },
    }),
  ],
};

export const coarseTimeHelpers: HelperFamily = {
  family: 'coarse-time',
  doc: 'The clock of the timer tick',
  helpers: [
    helper({
      name: 'ktime_get_coarse_ns',
      numbers: { linux: 160 },
      args: [],
      returns: 'integer',
      doc: 'As ktime_get_ns, as of the last timer tick (a multiple of the tick).',
      body: (env) => {
        const tick = NANOSECONDS / BigInt(env.host.hz);
        const now = env.host.clock.monotonic();
        return now - (now % tick);
      },
    }),
  ],
};
