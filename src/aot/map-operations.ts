// Functions of a module for the application's end of its maps: those that programs call, for who loads the module.
import { Emitter } from '../compile/wasm/emitter.ts';
import { I32, VOID, type ValueType } from '../compile/wasm/encoding.ts';
import { HASH_DELETE, HASH_UPDATE, hashDelete, hashUpdate } from '../compile/wasm/hash-update.ts';
import { CONTROL } from '../compile/wasm/machine.ts';
import { lookupFor, type MapConstants, mapConstants } from '../compile/wasm/map-lookup.ts';
import type { ModuleBuilder } from '../compile/wasm/module.ts';
import type { LoadedMap } from '../run/map.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import type { Address, Memory } from '../spec/memory.ts';

/** Map types, and what their lookups are to applications: those of an LRU map do not count as use of the element. */
const LOOKUPS: { readonly [T in MapTypeName]?: MapTypeName } = {
  array: 'array',
  percpu_array: 'percpu_array',
  hash: 'hash',
  percpu_hash: 'percpu_hash',
  lru_hash: 'hash',
  lru_percpu_hash: 'percpu_hash',
  lpm_trie: 'lpm_trie',
};
const CHANGES: ReadonlySet<MapTypeName> = new Set(['hash', 'percpu_hash', 'lru_hash', 'lru_percpu_hash']);

/** Adds and exports them as `map.NAME.lookup`, ...; their names. */
export function addMapOperations(builder: ModuleBuilder, map: LoadedMap, memory: Memory, control: Address): string[] {
  const constants = mapConstants(memory, map.raw.handle);
  if (constants === undefined || constants.special > 0) return [];
  const names: string[] = [];
  const add = (name: string, index: number): void => {
    builder.export(`map.${map.name}.${name}`, index);
    names.push(name);
  };
  const cpu = control + CONTROL.CPU;
  const kind = LOOKUPS[constants.type];
  const lookup = kind && lookupCode({ ...constants, type: kind }, cpu);
  if (lookup !== undefined) {
    const index = builder.declare({ params: [I32], results: [I32] });
    builder.define(index, lookup);
    add('lookup', index);
  }
  if (lookup === undefined || !CHANGES.has(constants.type)) return names;
  const { handle } = constants;
  add(
    'update',
    builder.routine(`update.${handle}`, HASH_UPDATE, () => hashUpdate(constants, { cpu, exclusive: true })),
  );
  add(
    'delete',
    builder.routine(`delete.${handle}`, HASH_DELETE, () => hashDelete(constants, { cpu, exclusive: true })),
  );
  return names;
}

/** A function of a key's address: the address of the value, or 0. */
function lookupCode(map: MapConstants, cpu: Address): Emitter | undefined {
  const lookup = lookupFor(map);
  if (lookup === undefined) return undefined;
  const e = new Emitter(1);
  const locals = new Map<string, number>();
  const temp = (type: ValueType, number: number): number => {
    const name = `${type}:${number}`;
    const local = locals.get(name) ?? e.local(type);
    locals.set(name, local);
    return local;
  };
  e.block(VOID);
  const { depth } = e;
  lookup({ e, key: 0, cpu, exclusive: true, temp, host: () => e.depth - depth }, map);
  // A chain without an end has no such key.
  e.op('return').op('end').i32(0).op('end');
  return e;
}
