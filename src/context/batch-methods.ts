// map.*Batch: as bpf(2)'s, but with exactly as many elements as there is room for (maps/batch.ts).
import { lookupBatch } from '../maps/batch.ts';
import { ERRNO } from '../spec/errno.ts';
import type { Handlers } from '../spec/session.ts';
import { checked, refuse } from './errors.ts';
import { findIn, mapOf } from './map-methods.ts';
import type { ContextSession } from './session.ts';

/** Elements that one call takes at most; the kernel's answer to more memory than it has is -ENOMEM, too. */
const MOST = 1 << 20;
/** Bytes of keys and values that one call gives; where more were asked for, it goes on at the cursor. */
const MOST_BYTES = 64 * 2 ** 20;

function checkCount(operation: string, count: number): void {
  if (!Number.isInteger(count) || count < 0) refuse(operation, 'EINVAL', `there are no ${count} elements`);
  if (count > MOST) refuse(operation, 'ENOMEM', `a batch has at most ${MOST} elements`);
}

/** A batch of elements that was refused before it began is an error; else what was done counts. */
function outcome(operation: string, count: number, result: { readonly status: number; readonly count: number }) {
  if (result.status === 0) return { count: result.count };
  if (result.count === count) checked(operation, result.status);
  return { count: result.count, errno: -result.status };
}

export const batchMethods: Pick<Handlers<ContextSession>, 'map.lookupBatch' | 'map.updateBatch' | 'map.deleteBatch'> = {
  'map.lookupBatch': (session, { fd, cursor, count, remove = false, flags }) => {
    const operation = 'map.lookupBatch';
    const map = mapOf(session, fd, operation);
    if (remove && session.role === 'read') refuse(operation, 'EPERM', 'to remove elements needs the role load');
    checkCount(operation, count);
    const fits = Math.max(1, Math.floor(MOST_BYTES / (map.raw.spec.keySize + map.raw.userValueSize)));
    const most = Math.min(count, fits);
    const { status, keys, values, token, ...found } = remove
      ? map.takeBatch(most, cursor, flags)
      : lookupBatch(map.raw, most, cursor, flags);
    if (status !== -ERRNO.ENOENT) checked(operation, status, { map: map.name });
    const shown = remove ? values : map.shownBatch(keys, values);
    return { keys, values: shown, count: found.count, ...(status === 0 ? { cursor: token } : {}) };
  },
  'map.updateBatch': (session, { fd, keys, values, count, flags }) => {
    const map = mapOf(session, fd, 'map.updateBatch');
    checkCount('map.updateBatch', count);
    return outcome('map.updateBatch', count, map.updateBatch(keys, values, count, flags, findIn(session)));
  },
  'map.deleteBatch': (session, { fd, keys, count }) => {
    const map = mapOf(session, fd, 'map.deleteBatch');
    checkCount('map.deleteBatch', count);
    return outcome('map.deleteBatch', count, map.deleteBatch(keys, count));
  },
};
