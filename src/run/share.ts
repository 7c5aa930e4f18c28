// An object that several threads run: one loads it with `shared`, passes what `share()` gives to the others, and they load the
// same object with `attach`. Maps are then the same for all; programs, packets and stacks are each thread's own.
import { fail } from '../base/diagnostic.ts';
import { attachRefused } from '../base/messages/run.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import type { MemoryHandle } from './shared-memory.ts';

/** What a structured clone brings to another thread. */
export interface SharedObject {
  readonly memory: MemoryHandle;
  /** CPUs of the host, of which each thread that runs programs takes one. */
  readonly cpus: number;
  readonly maps: readonly SharedMap[];
}

export interface SharedMap extends Pick<MapSpec, 'name' | 'type' | 'keySize' | 'valueSize' | 'maxEntries' | 'flags'> {
  /** Address of the descriptor. */
  readonly handle: Address;
}

/** What must be equal in the object that attaches: programs are compiled for it. */
const EQUAL = ['type', 'keySize', 'valueSize', 'flags'] as const;

const isShared = (buffer: unknown): buffer is SharedArrayBuffer =>
  typeof SharedArrayBuffer !== 'undefined' && buffer instanceof SharedArrayBuffer;

/**
 * Whether it is what `share()` gave, for a host with so many CPUs.
 * @throws AnyBpfError run/attach
 */
export function checkHandle(shared: SharedObject, cpus: number): SharedObject {
  const { memory, maps } = shared;
  const bytes: unknown = memory?.memory instanceof WebAssembly.Memory ? memory.memory.buffer : undefined;
  const whole =
    isShared(bytes) &&
    isShared(memory.control) &&
    memory.control.byteLength >= 4 * (1 + shared.cpus) &&
    memory.limit <= bytes.byteLength &&
    Array.isArray(maps);
  if (!whole) fail(attachRefused({}, 'that is not what share() of a loaded object gave'));
  if (shared.cpus !== cpus) fail(attachRefused({}, `the host has ${cpus} CPUs, that of the object ${shared.cpus}`));
  return shared;
}

/**
 * The map that stands for a declared one.
 * @throws AnyBpfError run/attach where there is none, or another kind of map
 */
export function sharedMap({ maps }: SharedObject, spec: MapSpec): SharedMap {
  const place = { map: spec.name };
  const found = maps.find(({ name }) => name === spec.name) ?? fail(attachRefused(place, 'the object has no such map'));
  for (const field of EQUAL) {
    if (found[field] === spec[field]) continue;
    fail(attachRefused(place, `${field} is ${spec[field]} here and ${found[field]} in the object`));
  }
  return found;
}
