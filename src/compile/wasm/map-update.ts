// Helpers that change maps, without a call to the host where the map is known. Values with fields that
// are the kernel's (spin locks, timers) are the host's.
import { MAP_FLAGS, type MapTypeName, UPDATE_FLAGS } from '../../spec/map-types.ts';
import { copyBytes } from './bytes.ts';
import type { CallSite } from './call-site.ts';
import type { Emitter } from './emitter.ts';
import { I32 } from './encoding.ts';
import { HASH_DELETE, HASH_UPDATE, hashDelete, hashUpdate, LEFT_TO_HOST } from './hash-update.ts';
import { MOST_KEY } from './hash-walk.ts';
import type { Intrinsic } from './intrinsics.ts';
import { addCpu, type MapConstants } from './map-lookup.ts';
import { underLock } from './map-lock.ts';
import type { Signature } from './module.ts';
import { QUEUE_POP, QUEUE_PUSH, queuePop, queuePush } from './queue.ts';

/** Emits the call; `host` is the label that leaves it to the host. */
type Direct = (site: CallSite, map: MapConstants, host: () => number) => void;

/** A local with the address in a register. */
function pointer(
  site: CallSite,
  register: number,
  size: number,
  host: () => number,
  access: 'read' | 'write' = 'read',
): number {
  const local = site.temp(I32, 3 + register);
  site.pushAddress(register, size, access, host);
  site.e.set(local);
  // What is outside of the memory traps here, not while this thread has the map's lock.
  if (!site.exclusive)
    site.e
      .get(local)
      .memory('i32.load8_u', size - 1)
      .op('drop');
  return local;
}

/** Index of a function that changes a map: under its lock where other threads may do so at the same time. */
function changing(site: CallSite, map: MapConstants, name: string, signature: Signature, body: () => Emitter): number {
  const change = (): number => site.routine(`${name}.${map.handle}`, signature, body);
  if (site.exclusive) return change();
  return site.routine(`locked ${name}.${map.handle}`, signature, () => underLock(map, signature, change()));
}

/** Pops a status. Windows has its own numbers for errors, which the host knows. */
function setStatus(site: CallSite, host: () => number): void {
  const { e } = site;
  const status = site.temp(I32, 1);
  e.tee(status);
  if (site.dialect === 'linux') e.i32(LEFT_TO_HOST).op('i32.eq');
  e.brIf(host()).get(status).op('i64.extend_i32_s');
  site.setR0();
}

const updateHash: Direct = (site, map, host) => {
  const { e } = site;
  e.get(site.register(4)).i64Small(UPDATE_FLAGS.EXIST).op('i64.gt_u').brIf(host());
  const key = pointer(site, 2, map.keySize, host);
  const value = pointer(site, 3, map.valueSize, host);
  const update = changing(site, map, 'update', HASH_UPDATE, () => hashUpdate(map, site));
  e.get(key).get(value).get(site.register(4)).op('i32.wrap_i64').call(update);
  setStatus(site, host);
};

/** With a list for each CPU, which of them is full is the host's to know. */
const updateLru: Direct = (site, map, host) => {
  if ((map.flags & MAP_FLAGS.NO_COMMON_LRU) === 0) updateHash(site, map, host);
  else site.e.br(host());
};

const deleteHash: Direct = (site, map, host) => {
  const key = pointer(site, 2, map.keySize, host);
  const remove = changing(site, map, 'delete', HASH_DELETE, () => hashDelete(map, site));
  site.e.get(key).call(remove);
  setStatus(site, host);
};

/** BPF_ANY and BPF_EXIST; the host says what is wrong with all others. */
function needAnyOrExist(site: CallSite, register: number, host: () => number): void {
  site.e
    .get(site.register(register))
    .i64Small(~UPDATE_FLAGS.EXIST)
    .op('i64.and')
    .op('i64.eqz')
    .op('i32.eqz')
    .brIf(host());
}

const updateArray =
  (perCpu: boolean): Direct =>
  (site, map, host) => {
    const { e } = site;
    const to = site.temp(I32, 1);
    needAnyOrExist(site, 4, host);
    const key = pointer(site, 2, map.keySize, host);
    const value = pointer(site, 3, map.valueSize, host);
    e.get(key).memory('i32.load').tee(to).i32(map.maxEntries).op('i32.ge_u').brIf(host());
    e.get(to)
      .i32(map.stride * map.cpus)
      .op('i32.mul')
      .i32(map.data)
      .op('i32.add');
    if (perCpu) addCpu(site, map);
    e.set(to);
    copyBytes(e, to, value, map.valueSize);
    e.i64Small(0);
    site.setR0();
  };

type Types = { readonly [T in MapTypeName]?: Direct };

const UPDATES: Types = {
  array: updateArray(false),
  percpu_array: updateArray(true),
  hash: updateHash,
  percpu_hash: updateHash,
  lru_hash: updateLru,
  lru_percpu_hash: updateLru,
};

const DELETIONS: Types = {
  hash: deleteHash,
  percpu_hash: deleteHash,
  lru_hash: deleteHash,
  lru_percpu_hash: deleteHash,
};

const pushQueue: Direct = (site, map, host) => {
  needAnyOrExist(site, 3, host);
  const value = pointer(site, 2, map.valueSize, host);
  const push = changing(site, map, 'push', QUEUE_PUSH, () => queuePush(map));
  site.e.get(value).get(site.register(3)).op('i32.wrap_i64').call(push);
  setStatus(site, host);
};

const popQueue =
  (take: boolean): Direct =>
  (site, map, host) => {
    const value = pointer(site, 2, map.valueSize, host, 'write');
    site.e.get(value).call(changing(site, map, take ? 'pop' : 'peek', QUEUE_POP, () => queuePop(map, take)));
    setStatus(site, host);
  };

const PUSHES: Types = { queue: pushQueue, stack: pushQueue };
const POPS: Types = { queue: popQueue(true), stack: popQueue(true) };
const PEEKS: Types = { queue: popQueue(false), stack: popQueue(false) };

/** Emits what a type has a row for, on maps that code may change; leaves all others to the host. */
const byType =
  (types: Types): Intrinsic =>
  (site) => {
    const map = site.map(1);
    const direct = map && types[map.type];
    if (map === undefined || direct === undefined || map.special > 0 || map.keySize > MOST_KEY) return false;
    site.orHost((host) => direct(site, map, host));
    return true;
  };

export const mapUpdate = byType(UPDATES);
export const mapDelete = byType(DELETIONS);
export const mapPush = byType(PUSHES);
export const mapPop = byType(POPS);
export const mapPeek = byType(PEEKS);
