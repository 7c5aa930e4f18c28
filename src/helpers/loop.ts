import { fail } from '../base/diagnostic.ts';
import { spinLockStuck } from '../base/messages/helper.ts';
import { acquire, PATIENCE_MS, release } from '../base/mutex.ts';
import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily, MAX_LOOPS, type StateKey } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';

export const loopHelpers: HelperFamily = {
  family: 'loop',
  doc: 'Calling back into the program',
  helpers: [
    helper({
      name: 'loop',
      numbers: { linux: 181 },
      args: ['u32', 'callback', 'callbackContext', 'scalar'],
      returns: 'integer',
      intrinsic: 'loop',
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

/** The spin locks that a run holds: given back when it ends, also when it is aborted. */
const HELD: StateKey<Set<Address>> = {
  name: 'spin-locks',
  create: () => new Set(),
  end: (held, { memory }) => {
    for (const lock of held) release(memory.u32, lock >>> 2);
  },
};

function spinLock(env: HelperEnv, lock: Address): void {
  const { memory } = env;
  if (!memory.shared) return memory.view.setUint32(lock, 1, true);
  const held = env.state(HELD);
  if (lock % 4 !== 0) fail(spinLockStuck({}, lock, 'it is not aligned to 4 bytes'));
  if (held.has(lock)) fail(spinLockStuck({}, lock, 'this run holds it'));
  if (!acquire(memory.u32, lock >>> 2)) fail(spinLockStuck({}, lock, `it was not free for ${PATIENCE_MS} ms`));
  held.add(lock);
}

function spinUnlock(env: HelperEnv, lock: Address): void {
  const { memory } = env;
  if (!memory.shared) memory.view.setUint32(lock, 0, true);
  else if (env.state(HELD).delete(lock)) release(memory.u32, lock >>> 2);
}

export const lockHelpers: HelperFamily = {
  family: 'lock',
  doc: 'Spin locks in map values',
  helpers: [
    helper({
      name: 'spin_lock',
      numbers: { linux: 93 },
      args: ['spinLock'],
      returns: 'void',
      intrinsic: 'spinLock',
      doc: 'Takes a struct bpf_spin_lock. Only in memory that threads share can it be held by another run.',
      body: spinLock,
    }),
    helper({
      name: 'spin_unlock',
      numbers: { linux: 94 },
      args: ['spinLock'],
      returns: 'void',
      intrinsic: 'spinUnlock',
      doc: 'Gives it back.',
      body: spinUnlock,
    }),
  ],
};
