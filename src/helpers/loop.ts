import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperFamily } from '../spec/helper.ts';

/** BPF_MAX_LOOPS (include/linux/bpf.h). */
const MAX_LOOPS = 8 * 1024 * 1024;

export const loopHelpers: HelperFamily = {
  family: 'loop',
  doc: 'Calling back into the program',
  helpers: [
    helper({
      name: 'loop',
      numbers: { linux: 181 },
      args: ['u32', 'callback', 'callbackContext', 'scalar'],
      returns: 'integer',
      doc:
        'Calls callback(index, ctx) up to nr_loops times, until it returns other than 0; the number of calls. -E2BIG above 2^23 ' +
        'calls, -EINVAL for flags.',
      body: (env, count, callback, context, flags) => {
        if (flags !== 0n) return -ERRNO.EINVAL;
        if (count > MAX_LOOPS) return -ERRNO.E2BIG;
        for (let i = 0; i < count; i++) if (env.call(callback, BigInt(i), context) !== 0n) return i + 1;
        return count;
      },
    }),
  ],
};

export const lockHelpers: HelperFamily = {
  family: 'lock',
  doc: 'Spin locks in map values',
  helpers: [
    helper({
      name: 'spin_lock',
      numbers: { linux: 93 },
      args: ['spinLock'],
      returns: 'void',
      doc: 'Takes a struct bpf_spin_lock. Runs do not overlap, so that it is always free.',
      body: (env, lock) => env.memory.view.setUint32(lock, 1, true),
    }),
    helper({
      name: 'spin_unlock',
      numbers: { linux: 94 },
      args: ['spinLock'],
      returns: 'void',
      doc: 'Gives it back.',
      body: (env, lock) => env.memory.view.setUint32(lock, 0, true),
    }),
  ],
};
