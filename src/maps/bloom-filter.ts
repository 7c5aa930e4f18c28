// BPF_MAP_TYPE_BLOOM_FILTER (kernel/bpf/bloom_filter.c): MASK + 1 bits from DATA on; hash function i of EXTRA is
// hashBytes(value, VALUE_SIZE, SEED + i) & MASK. A value is perhaps in the filter if all its bits are set.
import { fail } from '../base/diagnostic.ts';
import { mapTooLarge } from '../base/messages/map.ts';
import type { MapContext, MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { ACCESS, checkCommon, E2BIG, EINVAL, ENOENT, EOPNOTSUPP, flagsWithin, LARGEST_ELEMENT } from './attributes.ts';
import { BaseMap, flagsNumber } from './base-map.ts';
import { hashBytes } from './words.ts';

const DEFAULT_HASHES = 5;
const MEMORY_LIMIT = 2 ** 32;

function checkBloom(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  if (spec.valueSize > LARGEST_ELEMENT) return E2BIG;
  if (spec.keySize !== 0 || spec.valueSize === 0 || spec.maxEntries === 0) return EINVAL;
  if (!flagsWithin(spec, MAP_FLAGS.NUMA_NODE | MAP_FLAGS.ZERO_SEED | ACCESS)) return EINVAL;
  return (BigInt(spec.extra ?? 0) & ~0xfn) !== 0n ? EINVAL : 0;
}

/** Number of bits for so many values: 7/5 a value and hash function, rounded up to a power of two, at most 2^32. */
function bitCount(maxEntries: number, hashes: number): number {
  const wanted = Math.floor((maxEntries * hashes) / 5) * 7;
  let bits = 64;
  while (bits < wanted && bits < 2 ** 32) bits *= 2;
  return bits;
}

class BloomFilterMap extends BaseMap {
  readonly #data: Address;
  readonly #mask: number;
  readonly #hashes: number;
  readonly #seed: number;
  /** Where values from the application side are put. */
  readonly #value: Address;

  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context);
    this.#hashes = Number(spec.extra ?? 0) || DEFAULT_HASHES;
    const random = (): number => ((spec.flags & MAP_FLAGS.ZERO_SEED) !== 0 ? 0 : context.random32() >>> 0);
    this.#seed = this.attached ? this.field('SEED') : random();
    const bits = bitCount(spec.maxEntries, this.#hashes);
    this.building(() => {
      if (bits / 8 >= MEMORY_LIMIT) fail(mapTooLarge({ map: spec.name }, spec.type, bits / 8, MEMORY_LIMIT));
    });
    this.#mask = bits - 1;
    this.#data = this.storage('DATA', bits / 8);
    this.#value = this.allocate(spec.valueSize);
    this.setField('MASK', this.#mask);
    this.setField('SEED', this.#seed);
    this.setField('EXTRA', this.#hashes);
  }

  pushElem(value: Address, flags: bigint): Status {
    return this.#add(value, flagsNumber(flags));
  }

  /** 0 where the value may have been added, -ENOENT where it certainly was not. */
  peekElem(value: Address): Status {
    for (let i = 0; i < this.#hashes; i++) {
      const bit = this.#bit(value, i);
      if ((this.memory.u8[this.#data + (bit >>> 3)] & (1 << (bit & 7))) === 0) return ENOENT;
    }
    return 0;
  }

  popElem(): Status {
    return EOPNOTSUPP;
  }

  override updateElem(): Status {
    return EINVAL;
  }

  protected read(_key: Address, input: Uint8Array): Uint8Array | Status {
    if (input.length !== this.spec.valueSize) return EINVAL;
    this.memory.u8.set(input, this.#value);
    const status = this.peekElem(this.#value);
    return status === 0 ? input.slice() : status;
  }

  protected write(_key: Address, value: Uint8Array, flags: number): Status {
    this.memory.u8.set(value, this.#value);
    return this.#add(this.#value, flags);
  }

  #add(value: Address, flags: number): Status {
    if (flags !== 0) return EINVAL;
    for (let i = 0; i < this.#hashes; i++) {
      const bit = this.#bit(value, i);
      this.memory.u8[this.#data + (bit >>> 3)] |= 1 << (bit & 7);
    }
    return 0;
  }

  #bit(value: Address, index: number): number {
    const hash = hashBytes(this.memory, value, this.spec.valueSize, (this.#seed + index) >>> 0);
    return (hash & this.#mask) >>> 0;
  }
}

export const bloomFilter: MapTypeRow = {
  type: 'bloom_filter',
  check: checkBloom,
  create: (spec, context) => new BloomFilterMap(spec, context),
  shared: true,
  doc: 'complete; an application looks up by passing the value where other types take the key',
};
