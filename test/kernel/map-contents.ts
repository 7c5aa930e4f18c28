// Keys and values for maps before a comparison: such that programs which look up what packets carry find something.
import type { Btf } from '../../src/btf/btf.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { ADDRESSES4, ADDRESSES6, PORTS } from '../support/packets.ts';
import type { Random } from '../support/random.ts';

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const PROTOCOLS = [1, 6, 17, 58];

function port(random: Random): Uint8Array {
  const value = random.pick(PORTS);
  return random.chance(0.8) ? Uint8Array.of(value >> 8, value & 255) : Uint8Array.of(value & 255, value >> 8);
}

/** What a field of this name and size may hold: names as network programs use them. */
function fieldValue(name: string, size: number, random: Random): Uint8Array {
  const out = new Uint8Array(size);
  const fit = (bytes: Uint8Array): Uint8Array => {
    out.set(bytes.subarray(0, size));
    return out;
  };
  if (random.chance(0.1)) return random.bytes(size);
  if (/port|^dp$|^sp$/i.test(name) && size <= 4) return fit(port(random));
  if (/proto|nexthdr/i.test(name) && size === 1) return fit(Uint8Array.of(random.pick(PROTOCOLS)));
  if (/ip|addr|src|dst|vip|host|^p[1-4]$/i.test(name) && size === 4) return fit(random.pick(ADDRESSES4));
  if (size === 16) return fit(random.pick(random.chance(0.6) ? ADDRESSES6 : ADDRESSES4));
  return fit(u32(random.chance(0.6) ? random.below(3) : random.below(256)));
}

/** Fills `bytes` at the fields of a type, arrays and structs within structs included. */
function fillType(btf: Btf, id: number, name: string, bytes: Uint8Array, random: Random, depth: number): void {
  const type = btf.resolved(id);
  if (type.kind === 'struct' && depth < 6) {
    for (const member of type.members) {
      if (member.bitSize > 0 || member.bitOffset % 8 !== 0) continue;
      const at = member.bitOffset / 8;
      const inner = bytes.subarray(at, at + btf.sizeOf(member.type));
      fillType(btf, member.type, member.name === '' ? name : member.name, inner, random, depth + 1);
    }
  } else if (type.kind === 'union' && type.members.length > 0 && depth < 6) {
    const member = random.pick(type.members);
    const inner = bytes.subarray(0, btf.sizeOf(member.type));
    fillType(btf, member.type, member.name === '' ? name : member.name, inner, random, depth + 1);
  } else bytes.set(fieldValue(name, bytes.length, random));
}

/** Guesses from the size alone: addresses, ports and protocol in the order that keys of flows usually have. */
function sizedKey(size: number, random: Random): Uint8Array {
  const key = new Uint8Array(size);
  const put = (at: number, bytes: Uint8Array): number => {
    key.set(bytes.subarray(0, Math.max(0, size - at)), Math.min(at, size));
    return at + bytes.length;
  };
  const pool = random.chance(size >= 16 ? 0.5 : 0) ? ADDRESSES6 : ADDRESSES4;
  const protocol = (): Uint8Array => Uint8Array.of(random.pick(PROTOCOLS));
  switch (random.below(5)) {
    case 0:
      put(0, u32(random.below(16)));
      break;
    case 1:
      put(0, random.bytes(size));
      break;
    case 2:
      put(0, size < 4 ? port(random) : random.pick(pool));
      break;
    case 3:
      put(put(put(0, random.pick(pool)), port(random)), protocol());
      break;
    default: {
      const addresses = put(put(0, random.pick(pool)), random.pick(pool));
      put(put(put(addresses, port(random)), port(random)), protocol());
    }
  }
  return key;
}

/** Whole numbers of 32 bits, addresses, or anything. */
function sizedValue(size: number, random: Random): Uint8Array {
  const kind = random.below(4);
  const value = kind === 0 ? random.bytes(size) : new Uint8Array(size);
  if (kind === 1) for (let at = 0; at + 4 <= size; at += 4) value.set(u32(random.below(4)), at);
  if (kind === 2) value.set(random.pick(size >= 16 ? ADDRESSES6 : ADDRESSES4).subarray(0, size));
  return value;
}

function typed(btf: Btf | undefined, id: number | undefined, size: number, random: Random): Uint8Array | undefined {
  if (btf === undefined || id === undefined || id === 0 || btf.sizeOf(id) !== size) return undefined;
  const bytes = new Uint8Array(size);
  fillType(btf, id, '', bytes, random, 0);
  return bytes;
}

/** A key by the map's key type, or by its size. Tries have a prefix length in front. */
export function someKey(spec: MapSpec, btf: Btf | undefined, random: Random): Uint8Array {
  const { keySize } = spec;
  const byType = random.chance(0.8) ? typed(btf, spec.keyTypeId, keySize, random) : undefined;
  if (spec.type !== 'lpm_trie') return byType ?? sizedKey(keySize, random);
  const key = byType ?? new Uint8Array(keySize);
  if (byType === undefined) key.set(sizedKey(keySize - 4, random), 4);
  const bits = (keySize - 4) * 8;
  key.set(u32(random.pick([bits, bits, bits >> 1, 8, 0, random.below(bits + 1)])));
  return key;
}

/** A value by the map's value type, or by its size; for per-CPU maps `size` is that of all copies. */
export function someValue(spec: MapSpec, size: number, btf: Btf | undefined, random: Random): Uint8Array {
  if (random.chance(0.3)) return sizedValue(size, random);
  return typed(btf, spec.valueTypeId, size, random) ?? sizedValue(size, random);
}
