// Overrides global variables before the object is loaded: constants of .rodata configure programs (and let the verifier
// see which branches are dead).
import { fail } from '../base/diagnostic.ts';
import { globalValue, noGlobal } from '../base/messages/link.ts';
import type { Btf } from '../btf/btf.ts';
import type { MapSpec, ObjectSpec } from '../spec/object.ts';

/** A number for integers, enums, booleans and pointers; bytes, in the object's byte order, for everything else. */
export type GlobalValue = number | bigint | boolean | Uint8Array;

interface Variable {
  /** Index of its map in ObjectSpec.maps. */
  readonly map: number;
  readonly offset: number;
  readonly size: number;
  readonly typeId: number;
}

/** Cilium declares what its agent sets with this prefix (DECLARE_CONFIG). */
const CONFIG_PREFIX = '__config_';

function variablesOf(spec: ObjectSpec, btf: Btf): Map<string, Variable> {
  const found = new Map<string, Variable>();
  for (const [map, { kind, valueTypeId, valueSize }] of spec.maps.entries()) {
    if (kind === 'map' || kind === 'kconfig' || valueTypeId === undefined) continue;
    const section = btf.type(valueTypeId);
    if (section.kind !== 'datasec') continue;
    for (const { type: typeId, offset, size } of section.vars) {
      const variable = btf.type(typeId);
      if (variable.kind !== 'var' || offset + size > valueSize) continue;
      found.set(variable.name, { map, offset, size, typeId: variable.type });
    }
  }
  return found;
}

function toBytes(name: string, value: GlobalValue, variable: Variable, btf: Btf, little: boolean): Uint8Array {
  const refuse = (why: string): never => fail(globalValue({ typeId: variable.typeId }, name, why));
  const { size } = variable;
  if (value instanceof Uint8Array) {
    return value.length === size ? value : refuse(`${value.length} bytes for a variable of ${size}`);
  }
  const type = btf.resolved(variable.typeId);
  if (!['int', 'enum', 'enum64', 'ptr'].includes(type.kind)) return refuse(`a ${type.kind} takes its bytes`);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return refuse(`${value} is no exact integer`);
  const number = BigInt(value);
  const bits = 8 * size;
  if (size > 16 || number >= 1n << BigInt(bits) || number < -(1n << BigInt(bits - 1))) {
    return refuse(`${number} is no number of ${bits} bits`);
  }
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(bits, number);
  for (let i = 0; i < size; i++, rest >>= 8n) bytes[little ? i : size - 1 - i] = Number(rest & 0xffn);
  return bytes;
}

/**
 * The object with other initial values of global variables in .data*, .rodata* and .bss*, found by name through BTF
 * (`name` also finds `__config_name`). The object given is not changed. Errors: link/no-global, link/global-value.
 */
export function withGlobals(spec: ObjectSpec, values: Readonly<Record<string, GlobalValue>>): ObjectSpec {
  const { btf } = spec;
  const variables = btf === undefined ? new Map<string, Variable>() : variablesOf(spec, btf);
  const data = new Map<number, Uint8Array>();
  for (const [name, value] of Object.entries(values)) {
    const variable = variables.get(name) ?? variables.get(`${CONFIG_PREFIX}${name}`);
    if (btf === undefined || variable === undefined) return fail(noGlobal({ file: spec.name }, name));
    const map = spec.maps[variable.map];
    const bytes = data.get(variable.map) ?? map.data?.slice() ?? new Uint8Array(map.valueSize);
    bytes.set(toBytes(name, value, variable, btf, spec.endian === 'little'), variable.offset);
    data.set(variable.map, bytes);
  }
  const maps = spec.maps.map((map, i): MapSpec => (data.has(i) ? { ...map, data: data.get(i) } : map));
  return { ...spec, maps };
}
