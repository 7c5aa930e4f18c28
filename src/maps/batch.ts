// BPF_MAP_LOOKUP_BATCH, _LOOKUP_AND_DELETE_BATCH, _UPDATE_BATCH and _DELETE_BATCH over any map (kernel/bpf/syscall.c
// generic_map_*_batch, hashtab.c). Linux walks hash tables a whole bucket at a time, so that it may give fewer elements than
// asked for, or -ENOSPC where one bucket holds more; here exactly as many are given as there is room for.
import { ERRNO } from '../spec/errno.ts';
import type { BpfMap, Status } from '../spec/map.ts';
import { MAP_FLAGS, type MapTypeName, UPDATE_FLAGS } from '../spec/map-types.ts';
import { concatBytes } from '../base/bytes.ts';
import { EINVAL, ENOENT, ENOTSUPP, EPERM } from './attributes.ts';
import { HashLike } from './hash-map.ts';

export interface BatchResult {
  /** 0, or -ENOENT after the last element (`count` of them are given then too), or another -errno. */
  readonly status: Status;
  /** Elements done; as it was asked for where the command was refused before it began, as in Linux. */
  readonly count: number;
  /** `count` keys and values one after another; empty for updates and deletions. */
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  /** To go on after these; empty for updates and deletions. */
  readonly token: Uint8Array;
}

type Command = 'lookup' | 'lookupAndDelete' | 'update' | 'delete';

const HASH: readonly Command[] = ['lookup', 'lookupAndDelete', 'update', 'delete'];
const ARRAY: readonly Command[] = ['lookup', 'update'];
/** Types that offer batches at all. */
const OFFERED: { readonly [Name in MapTypeName]?: readonly Command[] } = {
  hash: HASH,
  percpu_hash: HASH,
  lru_hash: HASH,
  lru_percpu_hash: HASH,
  hash_of_maps: HASH,
  array: ARRAY,
  percpu_array: ARRAY,
  array_of_maps: ARRAY,
  lpm_trie: ['lookup', 'update', 'delete'],
};

const NOTHING = new Uint8Array(0);

const done = (status: Status, count: number): BatchResult => ({
  status,
  count,
  keys: NOTHING,
  values: NOTHING,
  token: NOTHING,
});

/** What Linux checks before it begins: access, whether the type offers the command, flags. */
function refusal(map: BpfMap, command: Command, flags: number): Status {
  const reads = command === 'lookup' || command === 'lookupAndDelete';
  if (reads && (map.spec.flags & MAP_FLAGS.WRONLY) !== 0) return EPERM;
  if (command !== 'lookup' && ((map.spec.flags & MAP_FLAGS.RDONLY) !== 0 || map.frozen)) return EPERM;
  if (!OFFERED[map.type]?.includes(command)) return ENOTSUPP;
  if (flags !== UPDATE_FLAGS.ANY && flags !== UPDATE_FLAGS.LOCK) return EINVAL;
  const hasLock = map.spec.special?.some((field) => field.kind === 'spin_lock') ?? false;
  return flags !== 0 && !hasLock ? EINVAL : 0;
}

const positionOf = (token: Uint8Array | undefined): number =>
  token === undefined ? 0 : new DataView(token.buffer, token.byteOffset).getUint32(0, true);

function tokenOf(position: number): Uint8Array {
  const token = new Uint8Array(4);
  new DataView(token.buffer).setUint32(0, position, true);
  return token;
}

/** The key after a token, the first without one. */
function keyAfter(map: BpfMap, token: Uint8Array | undefined): { key: Uint8Array; token: Uint8Array } | Status {
  if (map instanceof HashLike) {
    const found = map.keyFrom(positionOf(token));
    return found === undefined ? ENOENT : { key: found.key, token: tokenOf(found.position) };
  }
  const key = map.nextKey(token);
  return typeof key === 'number' ? key : { key, token: key };
}

function collect(
  map: BpfMap,
  command: Command,
  count: number,
  start: Uint8Array | undefined,
  flags: number,
): BatchResult {
  const refused = refusal(map, command, flags);
  if (refused !== 0) return done(refused, count);
  const tokenSize = map instanceof HashLike ? 4 : map.spec.keySize;
  if (start !== undefined && start.length !== tokenSize) return done(EINVAL, count);
  if (count === 0) return done(0, 0);
  if (command === 'lookup' && map instanceof HashLike) {
    const copied = map.copyFrom(positionOf(start), count);
    if (copied !== undefined) {
      const { keys, values, position, more } = copied;
      const token = copied.count === 0 && start === undefined ? NOTHING : tokenOf(position);
      return { status: more ? 0 : ENOENT, count: copied.count, keys, values, token };
    }
  }
  const keys: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  let token = start;
  let next = keyAfter(map, token);
  while (typeof next !== 'number' && keys.length < count) {
    const value = map.lookup(next.key, flags);
    // Elements that are keys without a value (empty slots of map arrays) are passed over.
    if (typeof value !== 'number') {
      keys.push(next.key);
      values.push(value);
      if (command === 'lookupAndDelete') map.delete(next.key);
    } else if (value !== ENOENT) {
      return { ...done(value, keys.length), keys: concatBytes(keys), values: concatBytes(values) };
    }
    token = next.token;
    next = keyAfter(map, token);
  }
  // Only walks of hash tables look whether more follows once the room is filled.
  const looked = map instanceof HashLike || keys.length < count;
  return {
    status: looked && typeof next === 'number' ? next : 0,
    count: keys.length,
    keys: concatBytes(keys),
    values: concatBytes(values),
    token: token ?? NOTHING,
  };
}

/** Reads up to `count` elements after `token` (from the first without one). `flags`: 0 or BPF_F_LOCK. */
export const lookupBatch = (map: BpfMap, count: number, token?: Uint8Array, flags = 0): BatchResult =>
  collect(map, 'lookup', count, token, flags);

/** As lookupBatch, and deletes what was read. */
export const lookupAndDeleteBatch = (map: BpfMap, count: number, token?: Uint8Array, flags = 0): BatchResult =>
  collect(map, 'lookupAndDelete', count, token, flags);

/** Cuts `count` pieces of a size; undefined where there are fewer bytes (Linux: -EFAULT). */
function pieces(bytes: Uint8Array, size: number, count: number): Uint8Array[] | undefined {
  if (bytes.length < size * count) return undefined;
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** Sets `count` elements; stops at the first that fails, with its status. Values as update() takes them. */
export function updateBatch(map: BpfMap, keys: Uint8Array, values: Uint8Array, count: number, flags = 0): BatchResult {
  const refused = refusal(map, 'update', flags);
  if (refused !== 0) return done(refused, count);
  const allKeys = pieces(keys, map.spec.keySize, count);
  const allValues = pieces(values, map.userValueSize, count);
  if (allKeys === undefined || allValues === undefined) return done(-ERRNO.EFAULT, 0);
  for (let i = 0; i < count; i++) {
    const status = map.update(allKeys[i], allValues[i], flags);
    if (status !== 0) return done(status, i);
  }
  return done(0, count);
}

/** Deletes `count` elements; stops at the first that fails, with its status. */
export function deleteBatch(map: BpfMap, keys: Uint8Array, count: number, flags = 0): BatchResult {
  const refused = refusal(map, 'delete', flags);
  if (refused !== 0) return done(refused, count);
  const all = pieces(keys, map.spec.keySize, count);
  if (all === undefined) return done(-ERRNO.EFAULT, 0);
  for (let i = 0; i < count; i++) {
    const status = map.delete(all[i]);
    if (status !== 0) return done(status, i);
  }
  return done(0, count);
}
