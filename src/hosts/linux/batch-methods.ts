// map.*Batch: by the kernel's commands where the map's type has them, else one by one.
import { concatBytes } from '../../base/bytes.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { Result } from '../../spec/session.ts';
import { bpf, type Command, pointer, putAt } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import type { KernelMap } from './kernel-map.ts';
import type { LinuxHandlers } from './methods.ts';
import { native } from './native.ts';

/** Elements that one call takes at most. */
const MOST = 1 << 20;
/** Bytes of keys and values that one call gives; where more were asked for, it goes on at the cursor. */
const MOST_BYTES = 64 * 2 ** 20;

/** Offsets in union bpf_attr of the batch commands. */
const ATTR = { inBatch: 0, outBatch: 8, keys: 16, values: 24, count: 32, fd: 36, flags: 40, size: 56 } as const;

function checkCount(operation: string, count: number): void {
  if (!Number.isInteger(count) || count < 0) refuse(operation, 'EINVAL', `there are no ${count} elements`);
  if (count > MOST) refuse(operation, 'ENOMEM', `a batch has at most ${MOST} elements`);
}

/** The answers of a map type without the command (bpf_map_do_batch: -ENOTSUPP; the element commands' own: -EOPNOTSUPP). */
const without = (status: number): boolean => status === -ERRNO.ENOTSUPP || status === -ERRNO.EOPNOTSUPP;

interface Found {
  readonly status: number;
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly cursor: Uint8Array;
}

function readBatch(
  map: KernelMap,
  remove: boolean,
  count: number,
  cursor: Uint8Array | undefined,
  flags: number,
): Found {
  // Hash maps keep a u32 of theirs in the cursor, others a key.
  const cursorSize = Math.max(map.keySize, 4);
  let out = { keys: new Uint8Array(), values: new Uint8Array(), cursor: new Uint8Array() };
  let done = 0;
  const status = bpf(
    remove ? 'MAP_LOOKUP_AND_DELETE_BATCH' : 'MAP_LOOKUP_BATCH',
    ATTR.size,
    (attr) => {
      const room = (at: number, size: number): Uint8Array<ArrayBuffer> => {
        const part = native().room(Math.max(size, 1));
        pointer(attr, at, part.address);
        return part.bytes as Uint8Array<ArrayBuffer>;
      };
      if (cursor !== undefined) putAt(attr, ATTR.inBatch, cursor.subarray(0, cursorSize));
      out = {
        cursor: room(ATTR.outBatch, cursorSize),
        keys: room(ATTR.keys, map.keySize * count),
        values: room(ATTR.values, map.userValueSize * count),
      };
      attr.setUint32(ATTR.count, count, true);
      attr.setUint32(ATTR.fd, map.fd, true);
      attr.setBigUint64(ATTR.flags, BigInt(flags), true);
    },
    (attr) => {
      done = Math.min(attr.getUint32(ATTR.count, true), count);
    },
  );
  return {
    status,
    count: done,
    keys: out.keys.slice(0, map.keySize * done),
    values: out.values.slice(0, map.userValueSize * done),
    cursor: out.cursor.slice(0, cursorSize),
  };
}

const NONE = { count: 0, keys: new Uint8Array(), values: new Uint8Array(), cursor: new Uint8Array() } as const;

/** Up to `count` elements after the key that the cursor is. */
function oneByOne(
  map: KernelMap,
  remove: boolean,
  count: number,
  cursor: Uint8Array | undefined,
  flags: number,
): Found {
  // Queues and the like have no keys to go by.
  if (map.keySize === 0) return { ...NONE, status: -ERRNO.ENOTSUPP };
  const keys: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  let status = 0;
  // What is taken out is no place to go on from: then each is the first.
  let after = remove ? undefined : cursor;
  while (keys.length < count) {
    if (after !== undefined) map.key.set(after.subarray(0, map.keySize));
    status = map.nextKey(after === undefined);
    if (status < 0) break;
    const key = map.next.slice();
    if (!remove) after = key;
    map.key.set(key);
    const found = remove ? map.lookupAndDelete(flags) : map.lookup(flags);
    // A place of an array in which nothing is: such maps have no batches at all.
    if (found === -ERRNO.ENOENT) return { ...NONE, status: -ERRNO.ENOTSUPP };
    if (found < 0) {
      if (keys.length === 0) status = found;
      break;
    }
    keys.push(key);
    values.push(map.value.slice());
  }
  const last = after ?? new Uint8Array(map.keySize);
  return { status, count: keys.length, keys: concatBytes(keys), values: concatBytes(values), cursor: last };
}

/**
 * A hash map gives no part of a bucket, and -ENOSPC where one has more than there is room for: then it is read with more room, and the
 * cursor says how many of what follows were given already.
 */
function lookupBatch(map: KernelMap, count: number, cursor: Uint8Array | undefined, flags: number): Found {
  const cursorSize = Math.max(map.keySize, 4);
  const given = cursor !== undefined && cursor.length > cursorSize ? cursor : undefined;
  const skip = given === undefined ? 0 : new DataView(given.buffer, given.byteOffset).getUint32(cursorSize, true);
  // All bytes 0xff: from the first bucket on.
  const from = given?.subarray(0, cursorSize).every((byte) => byte === 0xff) === true ? undefined : cursor;
  let found = readBatch(map, false, count + skip, from, flags);
  for (let room = count + skip; found.status === -ERRNO.ENOSPC && found.count === 0 && room < MOST; ) {
    room = Math.min(room * 2, MOST);
    found = readBatch(map, false, room, from, flags);
  }
  if (found.status < 0 && found.status !== -ERRNO.ENOENT) return found;
  const rest = found.count - skip;
  if (skip === 0 && rest <= count) return found;
  const taken = Math.max(0, Math.min(rest, count));
  const part = {
    count: taken,
    keys: found.keys.slice(skip * map.keySize, (skip + taken) * map.keySize),
    values: found.values.slice(skip * map.userValueSize, (skip + taken) * map.userValueSize),
  };
  if (taken === rest) return { ...found, ...part };
  const next = new Uint8Array(cursorSize + 4).fill(0xff);
  if (from !== undefined) next.set(from.subarray(0, cursorSize));
  new DataView(next.buffer).setUint32(cursorSize, skip + taken, true);
  return { status: 0, ...part, cursor: next };
}

function writeBatch(
  command: Command,
  map: KernelMap,
  keys: Uint8Array,
  values: Uint8Array | undefined,
  count: number,
  flags: number,
) {
  let done = 0;
  const status = bpf(
    command,
    ATTR.size,
    (attr) => {
      putAt(attr, ATTR.keys, keys);
      putAt(attr, ATTR.values, values);
      attr.setUint32(ATTR.count, count, true);
      attr.setUint32(ATTR.fd, map.fd, true);
      attr.setBigUint64(ATTR.flags, BigInt(flags), true);
    },
    (attr) => {
      done = attr.getUint32(ATTR.count, true);
    },
  );
  return { status, count: done };
}

function eachOf(map: KernelMap, keys: Uint8Array, count: number, one: (i: number) => number) {
  for (let i = 0; i < count; i++) {
    map.key.set(keys.subarray(i * map.keySize, (i + 1) * map.keySize));
    const status = one(i);
    if (status < 0) return { status, count: i };
  }
  return { status: 0, count };
}

/** A batch of elements that was refused before it began is an error; else what was done counts. */
function outcome(
  operation: string,
  count: number,
  result: { readonly status: number; readonly count: number },
): Result<'map.updateBatch'> {
  if (result.status === 0) return { count: result.count };
  // Refused as a whole, the kernel leaves the count as it was.
  if (result.count === count) checked(operation, result.status);
  return { count: result.count, errno: -result.status };
}

function checkLength(operation: string, what: string, bytes: Uint8Array, wanted: number): void {
  if (bytes.length < wanted) refuse(operation, 'EFAULT', `${bytes.length} bytes of ${what}, not ${wanted}`);
}

export const batchMethods: Pick<LinuxHandlers, 'map.lookupBatch' | 'map.updateBatch' | 'map.deleteBatch'> = {
  'map.lookupBatch': (session, { fd, cursor, count, remove = false, flags = 0 }) => {
    const operation = 'map.lookupBatch';
    const map = session.map(fd, operation);
    checkCount(operation, count);
    const most = Math.min(count, Math.max(1, Math.floor(MOST_BYTES / (map.keySize + map.userValueSize))));
    if (cursor !== undefined && cursor.length < map.keySize)
      refuse(operation, 'EINVAL', 'that is no cursor of this map');
    if (most === 0) return { keys: new Uint8Array(), values: new Uint8Array(), count: 0 };
    let found = remove ? readBatch(map, true, most, cursor, flags) : lookupBatch(map, most, cursor, flags);
    if (without(found.status) || (remove && found.status === -ERRNO.ENOSPC && found.count === 0))
      found = oneByOne(map, remove, most, cursor, flags);
    if (found.status !== -ERRNO.ENOENT && !(found.status === -ERRNO.ENOSPC && found.count > 0))
      checked(operation, found.status);
    const { keys, values } = found;
    return { keys, values, count: found.count, ...(found.status === -ERRNO.ENOENT ? {} : { cursor: found.cursor }) };
  },
  'map.updateBatch': (session, { fd, keys, values, count, flags = 0 }) => {
    const operation = 'map.updateBatch';
    const map = session.map(fd, operation);
    checkCount(operation, count);
    checkLength(operation, 'keys', keys, count * map.keySize);
    checkLength(operation, 'values', values, count * map.userValueSize);
    const done = writeBatch('MAP_UPDATE_BATCH', map, keys, values, count, flags);
    if (!without(done.status)) return outcome(operation, count, done);
    return outcome(
      operation,
      count,
      eachOf(map, keys, count, (i) => {
        map.value.set(values.subarray(i * map.userValueSize, (i + 1) * map.userValueSize));
        return map.update(flags);
      }),
    );
  },
  'map.deleteBatch': (session, { fd, keys, count }) => {
    const operation = 'map.deleteBatch';
    const map = session.map(fd, operation);
    checkCount(operation, count);
    checkLength(operation, 'keys', keys, count * map.keySize);
    const done = writeBatch('MAP_DELETE_BATCH', map, keys, undefined, count, 0);
    if (!without(done.status)) return outcome(operation, count, done);
    return outcome(
      operation,
      count,
      eachOf(map, keys, count, () => map.delete()),
    );
  },
};
