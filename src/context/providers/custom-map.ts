// Map types of providers that keep their elements in a built-in type (eBPF for Windows' custom maps over a base map).
import { fail } from '../../base/diagnostic.ts';
import { unknownMapType } from '../../base/messages/run.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { BpfMap, MapContext, MapTypeRow, Status } from '../../spec/map.ts';
import { DESCRIPTOR } from '../../spec/map-layout.ts';
import type { MapTypeName } from '../../spec/map-types.ts';
import type { Address } from '../../spec/memory.ts';
import type { MapSpec } from '../../spec/object.ts';
import type { MapCallbacks, MapProvider } from './records.ts';

/** The callbacks as they are now: none while the provider is away. */
export type Callbacks = () => MapCallbacks | undefined;

/** The kernel's BPF_MAP_TYPE_UNSPEC. */
const NO_TYPE = 0;

class CustomMap implements BpfMap {
  readonly spec: MapSpec;
  readonly type: MapTypeName;
  readonly #base: BpfMap;
  readonly #context: MapContext;
  readonly #callbacks: Callbacks;

  constructor(spec: MapSpec, base: BpfMap, context: MapContext, callbacks: Callbacks) {
    this.spec = spec;
    this.type = spec.type;
    this.#base = base;
    this.#context = context;
    this.#callbacks = callbacks;
    // Compiled code that looks at the descriptor must not take it for its base, which it works on without asking anybody.
    context.memory.u32[(base.handle + DESCRIPTOR.TYPE) >>> 2] = NO_TYPE;
  }

  get id(): number {
    return this.#base.id;
  }

  get handle(): Address {
    return this.#base.handle;
  }

  get frozen(): boolean {
    return this.#base.frozen;
  }

  get bytes(): number {
    return this.#base.bytes;
  }

  get userValueSize(): number {
    return this.#base.userValueSize;
  }

  // The program's side.

  lookupElem(key: Address): Address {
    const at = this.#base.lookupElem(key);
    const { find } = this.#callbacks() ?? {};
    if (at === 0 || find === undefined) return at;
    const value = find(this.#bytes(key, this.spec.keySize), this.#bytes(at, this.spec.valueSize));
    if (typeof value === 'number' && value < 0) return 0;
    if (value instanceof Uint8Array) this.#put(at, value);
    return at;
  }

  updateElem(key: Address, value: Address, flags: bigint): Status {
    const { add } = this.#callbacks() ?? {};
    if (add === undefined) return this.#base.updateElem(key, value, flags);
    const given = add(this.#bytes(key, this.spec.keySize), this.#bytes(value, this.spec.valueSize));
    if (typeof given === 'number' && given < 0) return given;
    if (!(given instanceof Uint8Array)) return this.#base.updateElem(key, value, flags);
    // The program's own value stays as it is.
    const { memory } = this.#context;
    const copy = memory.alloc(this.spec.valueSize);
    this.#put(copy, given);
    const status = this.#base.updateElem(key, copy, flags);
    memory.free(copy);
    return status;
  }

  deleteElem(key: Address): Status {
    const refused = this.#callbacks()?.remove?.(this.#bytes(key, this.spec.keySize));
    return refused !== undefined && refused < 0 ? refused : this.#base.deleteElem(key);
  }

  // The application's.

  lookup(key: Uint8Array, flags?: number): Uint8Array | Status {
    return this.#found(key, this.#base.lookup(key, flags));
  }

  update(key: Uint8Array, value: Uint8Array, flags?: number): Status {
    // Sizes are the base's to check, before a callback sees them.
    const fits = key.length === this.spec.keySize && value.length === this.userValueSize;
    const given = fits ? this.#callbacks()?.add?.(key.slice(), value.slice()) : undefined;
    if (typeof given === 'number' && given < 0) return given;
    return this.#base.update(key, given instanceof Uint8Array ? this.#sized(given) : value, flags);
  }

  delete(key: Uint8Array): Status {
    const refused = this.#callbacks()?.remove?.(key.slice());
    return refused !== undefined && refused < 0 ? refused : this.#base.delete(key);
  }

  lookupAndDelete(key: Uint8Array, flags?: number): Uint8Array | Status {
    const refused = this.#callbacks()?.remove?.(key.slice());
    if (refused !== undefined && refused < 0) return refused;
    return this.#found(key, this.#base.lookupAndDelete(key, flags));
  }

  nextKey(key: Uint8Array | undefined): Uint8Array | Status {
    return this.#base.nextKey(key);
  }

  freeze(): Status {
    return this.#base.freeze();
  }

  destroy(): void {
    this.#base.destroy();
  }

  #found(key: Uint8Array, value: Uint8Array | Status): Uint8Array | Status {
    if (typeof value === 'number') return value;
    const given = this.#callbacks()?.find?.(key.slice(), value.slice());
    if (typeof given === 'number' && given < 0) return given;
    return given instanceof Uint8Array ? this.#sized(given) : value;
  }

  #bytes(at: Address, size: number): Uint8Array {
    return this.#context.memory.u8.slice(at, at + size);
  }

  #put(at: Address, value: Uint8Array): void {
    this.#context.memory.u8.set(this.#sized(value), at);
  }

  /** A callback's value is cut, or filled with zeros, to the map's size. */
  #sized(value: Uint8Array): Uint8Array {
    const sized = new Uint8Array(this.spec.valueSize);
    sized.set(value.subarray(0, sized.length));
    return sized;
  }
}

/**
 * The row of a provider's map type.
 *
 * @param base the row of the type that keeps the elements: one with a value for each key (not per CPU), none of objects
 */
export function customMapRow(provider: MapProvider, base: MapTypeRow | undefined, callbacks: Callbacks): MapTypeRow {
  const { type, check, doc } = provider;
  if (provider.row !== undefined) return { ...provider.row, type, doc };
  const under = base ?? fail(unknownMapType({}, provider.base ?? 'of no base', 'this'));
  const asBase = (spec: MapSpec): MapSpec => ({ ...spec, type: under.type });
  return {
    type,
    check: (spec) => {
      const refused = under.check(asBase(spec));
      if (refused !== 0) return refused;
      if (spec.inner !== undefined) return -ERRNO.EINVAL;
      return check?.(spec) ?? 0;
    },
    create: (spec, context) => new CustomMap(spec, under.create(asBase(spec), context), context, callbacks),
    doc,
  };
}
