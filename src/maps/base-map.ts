// What every map type does alike: identity, descriptor, and the checks that bpf(2) makes before it comes to the type.
import { fail } from '../base/diagnostic.ts';
import { lockStuck } from '../base/messages/map.ts';
import { acquire, PATIENCE_MS, release } from '../base/mutex.ts';
import { ERRNO } from '../spec/errno.ts';
import type { BpfMap, MapContext, Status } from '../spec/map.ts';
import { MAP_FLAGS, type MapTypeName, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address, Memory } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { EINVAL, EOPNOTSUPP, EPERM, ENOTSUPP } from './attributes.ts';
import { writeDescriptor } from './layout.ts';
import { MapLock } from './lock.ts';
import { DESCRIPTOR, DESCRIPTOR_SIZE, type DescriptorField } from '../spec/map-layout.ts';
import { copyMemory } from './words.ts';

/**
 * Base of all map types. A type implements the program side (addresses) and the protected methods of the application side,
 * which get the key as an address (of a scratch copy) and run after the checks on flags, access and sizes.
 */
export abstract class BaseMap implements BpfMap {
  readonly id: number;
  readonly spec: MapSpec;
  readonly type: MapTypeName;
  readonly handle: Address;
  readonly context: MapContext;
  protected readonly memory: Memory;
  /** Copies of a value: the number of CPUs for per-CPU types, else 1. */
  protected readonly copies: number;
  frozen = false;
  /** Another thread has made it: what the descriptor says holds, and nothing is to be set up. */
  protected readonly attached: boolean;
  /** Where keys from the application side are put. */
  #key: Address;
  readonly #lock: MapLock | undefined;
  /** Called on destroy, last added first. */
  #undo: (() => void)[] = [];
  readonly #blocks: Address[] = [];

  constructor(spec: MapSpec, context: MapContext, copies = 1) {
    this.spec = spec;
    this.type = spec.type;
    this.context = context;
    this.memory = context.memory;
    this.copies = copies;
    this.attached = context.existing !== undefined;
    this.handle = context.existing ?? this.allocate(DESCRIPTOR_SIZE);
    this.#key = this.allocate(spec.keySize);
    this.id = this.attached ? this.field('ID') : context.nextMapId();
    if (!this.attached) writeDescriptor(this.memory, this.handle, spec, this.id, copies);
    this.#lock = this.memory.shared ? new MapLock(this.memory, this.handle, spec.name) : undefined;
    if (this.#lock !== undefined) guard(this, this.#lock);
  }

  /** Does something that no other thread may do, or see half done, at the same time. */
  protected locked<T>(change: () => T): T {
    return this.#lock === undefined ? change() : this.#lock.run(change);
  }

  /** Memory of the map: new, or what the thread that made the map has put in this field of the descriptor. */
  protected storage(name: DescriptorField, size: number): Address {
    if (this.attached) return this.field(name);
    const address = this.allocate(size);
    this.setField(name, address);
    return address;
  }

  get userValueSize(): number {
    return this.spec.valueSize;
  }

  /** Linear memory that destroy() gives back. */
  protected allocate(size: number): Address {
    const address = this.building(() => this.memory.alloc(size));
    this.#blocks.push(address);
    this.onDestroy(() => this.memory.free(address));
    return address;
  }

  get bytes(): number {
    let sum = 0;
    for (const block of this.blocks()) sum += this.memory.sizeOf(block);
    return sum;
  }

  /** All blocks of linear memory that it has now; of another thread's map those that this thread has added. */
  protected *blocks(): Iterable<Address> {
    yield* this.#blocks;
  }

  /** Runs a part of a constructor: if it fails, what was built before is given back. */
  protected building<T>(part: () => T): T {
    try {
      return part();
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  protected onDestroy(undo: () => void): void {
    this.#undo.push(undo);
  }

  destroy(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#undo = [];
  }

  protected field(name: DescriptorField): number {
    return this.memory.u32[(this.handle + DESCRIPTOR[name]) >>> 2];
  }

  protected setField(name: DescriptorField, value: number): void {
    this.memory.u32[(this.handle + DESCRIPTOR[name]) >>> 2] = value;
  }

  /** Programs may store to values. */
  protected get writableByPrograms(): boolean {
    return (this.spec.flags & MAP_FLAGS.RDONLY_PROG) === 0;
  }

  protected get hasSpinLock(): boolean {
    return this.spec.special?.some((field) => field.kind === 'spin_lock') ?? false;
  }

  /** Does something while no program holds the spin lock of a value, where it has one and threads share it. */
  protected underSpinLock<T>(value: Address, act: () => T): T {
    const lock = this.spec.special?.find(({ kind }) => kind === 'spin_lock');
    if (lock === undefined || !this.memory.shared) return act();
    const at = (value + lock.offset) >>> 2;
    if (!acquire(this.memory.u32, at)) fail(lockStuck({ map: this.spec.name }, PATIENCE_MS));
    try {
      return act();
    } finally {
      release(this.memory.u32, at);
    }
  }

  // Values: `special` fields are the kernel's, neither overwritten by updates nor shown to applications.

  /** Copies a program's value over a value of this map. */
  protected copyValue(to: Address, from: Address): void {
    const { special, valueSize } = this.spec;
    if (special === undefined) copyMemory(this.memory, to, from, valueSize);
    else this.#ranges((start, end) => copyMemory(this.memory, to + start, from + start, end - start));
  }

  /** Stores an application's bytes as a value of this map. */
  protected storeValue(to: Address, bytes: Uint8Array): void {
    if (this.spec.special === undefined) this.memory.u8.set(bytes, to);
    else this.#ranges((start, end) => this.memory.u8.set(bytes.subarray(start, end), to + start));
  }

  /** A value as applications see it. */
  protected loadValue(from: Address): Uint8Array {
    const bytes = this.underSpinLock(from, () => this.memory.u8.slice(from, from + this.spec.valueSize));
    for (const { offset, size } of this.spec.special ?? []) bytes.fill(0, offset, offset + size);
    return bytes;
  }

  /** The ranges between the special fields. */
  #ranges(visit: (start: number, end: number) => void): void {
    let start = 0;
    for (const { offset, size } of this.spec.special ?? []) {
      if (offset > start) visit(start, offset);
      start = offset + size;
    }
    if (start < this.spec.valueSize) visit(start, this.spec.valueSize);
  }

  // Program side. Linux's verifier keeps programs from operations that a type does not offer; these are their answers.
  lookupElem(_key: Address): Address {
    return 0;
  }
  updateElem(_key: Address, _value: Address, _flags: bigint): Status {
    return EOPNOTSUPP;
  }
  deleteElem(_key: Address): Status {
    return EOPNOTSUPP;
  }

  // Application side, after the checks. `key` is 0 where the type has no keys; `input` are its bytes as given.
  protected abstract read(key: Address, input: Uint8Array): Uint8Array | Status;
  protected abstract write(key: Address, value: Uint8Array, flags: number): Status;
  protected remove(key: Address): Status {
    return this.deleteElem(key);
  }
  protected take(_key: Address, _flags: number): Uint8Array | Status {
    return ENOTSUPP;
  }
  protected next(_key: Address | undefined): Uint8Array | Status {
    return EOPNOTSUPP;
  }

  lookup(key: Uint8Array, flags = 0): Uint8Array | Status {
    if (flags !== UPDATE_FLAGS.ANY && flags !== UPDATE_FLAGS.LOCK) return EINVAL;
    if (!this.#readable) return EPERM;
    if ((flags & UPDATE_FLAGS.LOCK) !== 0 && !this.hasSpinLock) return EINVAL;
    if (this.type !== 'bloom_filter' && key.length !== this.spec.keySize) return EINVAL;
    return this.read(this.#putKey(key), key);
  }

  update(key: Uint8Array, value: Uint8Array, flags = 0): Status {
    if (!this.#writable) return EPERM;
    if ((flags & UPDATE_FLAGS.LOCK) !== 0 && !this.hasSpinLock) return EINVAL;
    if (key.length !== this.spec.keySize || value.length !== this.userValueSize) return EINVAL;
    // Bytes of the linear memory itself (view()) would be lost if the update makes memory grow.
    const bytes = value.buffer === this.memory.u8.buffer ? value.slice() : value;
    return this.write(this.#putKey(key), bytes, flags);
  }

  delete(key: Uint8Array): Status {
    if (!this.#writable) return EPERM;
    if (key.length !== this.spec.keySize) return EINVAL;
    return this.remove(this.#putKey(key));
  }

  lookupAndDelete(key: Uint8Array, flags = 0): Uint8Array | Status {
    if (flags !== UPDATE_FLAGS.ANY && flags !== UPDATE_FLAGS.LOCK) return EINVAL;
    if (!this.#readable || !this.#writable) return EPERM;
    if (flags !== 0 && (this.type === 'queue' || this.type === 'stack')) return EINVAL;
    if ((flags & UPDATE_FLAGS.LOCK) !== 0 && !this.hasSpinLock) return EINVAL;
    if (key.length !== this.spec.keySize) return EINVAL;
    return this.take(this.#putKey(key), flags);
  }

  nextKey(key: Uint8Array | undefined): Uint8Array | Status {
    if (!this.#readable) return EPERM;
    if (key !== undefined && key.length !== this.spec.keySize) return EINVAL;
    return this.next(key === undefined ? undefined : this.#putKey(key));
  }

  freeze(): Status {
    if ((this.spec.special?.length ?? 0) > 0) return ENOTSUPP;
    if (!this.#writable) return EPERM;
    this.frozen = true;
    return 0;
  }

  get #readable(): boolean {
    return (this.spec.flags & MAP_FLAGS.WRONLY) === 0;
  }

  get #writable(): boolean {
    return (this.spec.flags & MAP_FLAGS.RDONLY) === 0 && !this.frozen;
  }

  #putKey(key: Uint8Array): Address {
    if (this.spec.keySize === 0) return 0;
    this.memory.u8.set(key, this.#key);
    return this.#key;
  }

  /** A copy of the key at an address. */
  protected loadKey(key: Address): Uint8Array {
    return this.memory.u8.slice(key, key + this.spec.keySize);
  }
}

/** What is done under the lock of a shared map as a whole. Where the application or a program is called back, types lock parts. */
const GUARDED = [
  'lookupElem',
  'updateElem',
  'deleteElem',
  'lookupPerCpuElem',
  'pushElem',
  'popElem',
  'peekElem',
  'reserve',
  'query',
  'keyFrom',
  'copyFrom',
  'handleAt',
  'programAt',
  'preallocate',
  'lookup',
  'update',
  'delete',
  'lookupAndDelete',
  'nextKey',
] as const;

function guard(map: BpfMap, lock: MapLock): void {
  const methods = map as unknown as Record<string, unknown>;
  for (const name of GUARDED) {
    const method = methods[name];
    if (typeof method !== 'function') continue;
    methods[name] = (...args: readonly unknown[]) => lock.run(() => method.apply(map, args));
  }
}

/** A program's update flags as a number; those above 32 bits, which no type takes, as a number that none takes either. */
export function flagsNumber(flags: bigint): number {
  if (flags === 0n) return UPDATE_FLAGS.ANY;
  return flags >= 0n && flags < 0x8000_0000n ? Number(flags) : 0x7fff_ffff;
}

/** BPF_ANY, BPF_NOEXIST or BPF_EXIST out of update flags, or undefined where others are set (`lock`: BPF_F_LOCK may be). */
export function existence(flags: number, lock: boolean): number | undefined {
  const rest = lock && flags >= UPDATE_FLAGS.LOCK ? flags - UPDATE_FLAGS.LOCK : flags;
  return rest >= 0 && rest <= UPDATE_FLAGS.EXIST ? rest : undefined;
}

/** A missing or present element against the flags: 0, -EEXIST or -ENOENT. */
export function checkExistence(present: boolean, wish: number): Status {
  if (present && wish === UPDATE_FLAGS.NOEXIST) return -ERRNO.EEXIST;
  if (!present && wish === UPDATE_FLAGS.EXIST) return -ERRNO.ENOENT;
  return 0;
}
