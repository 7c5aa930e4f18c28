// Updates and deletions of map elements without a call to the host, where the map is known.
import { MAP_FLAGS, type MapTypeName, UPDATE_FLAGS } from '../../spec/map-types.ts';
import { copyBytes } from './bytes.ts';
import type { CallSite } from './call-site.ts';
import { I32 } from './encoding.ts';
import { HASH_DELETE, HASH_UPDATE, hashDelete, hashUpdate, LEFT_TO_HOST } from './hash-update.ts';
import { MOST_KEY } from './hash-walk.ts';
import type { Intrinsic } from './intrinsics.ts';
import { addCpu, type MapConstants } from './map-lookup.ts';

/** Emits the call; `host` is the label that leaves it to the host. */
type Direct = (site: CallSite, map: MapConstants, host: () => number) => void;

const isLru = ({ type }: MapConstants): boolean => type === 'lru_hash' || type === 'lru_percpu_hash';

/** The map that code may change; undefined where the host has to do it. */
function known(site: CallSite): MapConstants | undefined {
  const map = site.map(1);
  if (map === undefined || map.special > 0 || map.keySize > MOST_KEY) return undefined;
  return site.exclusive ? map : undefined;
}

/** A local with the address in a register. */
function pointer(site: CallSite, register: number, size: number, host: () => number): number {
  const local = site.temp(I32, 3 + register);
  site.pushAddress(register, size, 'read', host);
  site.e.set(local);
  return local;
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
  const update = site.routine(`update.${map.handle}`, HASH_UPDATE, () => hashUpdate(map, site.cpu));
  e.get(key).get(value).get(site.register(4)).op('i32.wrap_i64').call(update);
  setStatus(site, host);
};

const deleteHash: Direct = (site, map, host) => {
  const key = pointer(site, 2, map.keySize, host);
  const remove = site.routine(`delete.${map.handle}`, HASH_DELETE, () => hashDelete(map, site.cpu));
  site.e.get(key).call(remove);
  setStatus(site, host);
};

const updateArray =
  (perCpu: boolean): Direct =>
  (site, map, host) => {
    const { e } = site;
    const to = site.temp(I32, 1);
    // BPF_ANY and BPF_EXIST are the same here; the host says what is wrong with all others.
    e.get(site.register(4)).i64Small(~UPDATE_FLAGS.EXIST).op('i64.and').op('i64.eqz').op('i32.eqz').brIf(host());
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

/** The map types whose updates are compiled. All others go to the host. */
const UPDATES: { readonly [T in MapTypeName]?: Direct } = {
  array: updateArray(false),
  percpu_array: updateArray(true),
  hash: updateHash,
  percpu_hash: updateHash,
  lru_hash: updateHash,
  lru_percpu_hash: updateHash,
};

const DELETIONS: { readonly [T in MapTypeName]?: Direct } = {
  hash: deleteHash,
  percpu_hash: deleteHash,
  lru_hash: deleteHash,
  lru_percpu_hash: deleteHash,
};

export const mapUpdate: Intrinsic = (site) => {
  const map = known(site);
  const direct = map && UPDATES[map.type];
  // With a list for each CPU, which of them is full is the host's to know.
  if (map === undefined || direct === undefined || (isLru(map) && (map.flags & MAP_FLAGS.NO_COMMON_LRU) !== 0)) {
    return false;
  }
  site.orHost((host) => direct(site, map, host));
  return true;
};

export const mapDelete: Intrinsic = (site) => {
  const map = known(site);
  const direct = map && DELETIONS[map.type];
  if (map === undefined || direct === undefined) return false;
  site.orHost((host) => direct(site, map, host));
  return true;
};
