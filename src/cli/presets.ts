// --map and --set: contents of maps and globals that the user gives.
import { fromHex } from '../base/bytes.ts';
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { badJson, badOption, badPreset, noSuchMap } from '../base/messages/cli.ts';
import type { Btf } from '../btf/btf.ts';
import { type BtfInput, encodeValue } from '../btf/value.ts';
import { withGlobals } from '../link/with-globals.ts';
import type { MapSpec, ObjectSpec } from '../spec/object.ts';
import { readWhole } from './files.ts';

/** NAME=VALUE. Raises cli/option. */
export function splitAssignment(option: string, argument: string): readonly [name: string, value: string] {
  const at = argument.indexOf('=');
  if (at <= 0) fail(badOption({}, option, argument, 'expected NAME=VALUE'));
  return [argument.slice(0, at), argument.slice(at + 1)];
}

function parseJson(text: string, what: string): BtfInput {
  try {
    return JSON.parse(text, withoutNull) as BtfInput;
  } catch (error) {
    return fail(badJson({}, what, (error as Error).message), error);
  }
}

/** C has no value for it. */
function withoutNull(_key: string, value: unknown): unknown {
  if (value === null) throw new TypeError('null is no value here');
  return value;
}

/** The object with other values of globals: numbers, names of enumerators, text, or JSON for arrays and structs. */
export function withSettings(spec: ObjectSpec, settings: readonly string[]): ObjectSpec {
  const values = settings.map((setting): readonly [string, Uint8Array | bigint] => {
    const [name, value] = splitAssignment('--set', setting);
    const { btf } = spec;
    const variable = btf?.findByName(name, 'var') ?? btf?.findByName(`__config_${name}`, 'var');
    // An unknown name is reported by withGlobals.
    if (btf === undefined || variable === undefined) return [name, 0n];
    const input = /^[[{"]|^(true|false)$/.test(value) ? parseJson(value, `--set ${name}`) : value;
    return [name, encodeValue(btf, variable, input)];
  });
  return withGlobals(spec, Object.fromEntries(values));
}

/** Raises cli/map. */
export function mapNamed(spec: ObjectSpec, name: string): MapSpec {
  const names = spec.maps.map((m) => m.name);
  return spec.maps.find((m) => m.name === name) ?? fail(noSuchMap({}, name, names));
}

/** An entry to be put into a map before the run. */
export interface Preset {
  /** As the user wrote it, for messages. */
  readonly text: string;
  /** Undefined for maps without keys. */
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array;
}

export interface MapPresets {
  readonly map: MapSpec;
  readonly entries: readonly Preset[];
}

/**
 * `NAME={"key": value, ...}`, `NAME=[{"key": ..., "value": ...}, ...]` or `NAME=@file.json` with either. Keys and values go
 * through BTF, so that missing members are zero; where a map has no types they are hexadecimal digits of the whole.
 */
export async function readPresets(spec: ObjectSpec, argument: string): Promise<MapPresets> {
  const [name, source] = splitAssignment('--map', argument);
  const map = mapNamed(spec, name);
  const inFile = source.startsWith('@');
  const text = inFile ? new TextDecoder().decode(await readWhole(source.slice(1))) : source;
  const entries = entriesOf(parseJson(text, inFile ? source.slice(1) : `--map ${name}`), name);
  return {
    map,
    entries: entries.map(({ key, value }) => {
      const shown = JSON.stringify(key ?? value);
      return {
        text: shown,
        key: map.keySize === 0 ? undefined : toBytes(spec.btf, map.keyTypeId, map.keySize, key, map, shown),
        value: toBytes(spec.btf, map.valueTypeId, map.valueSize, value, map, shown),
      };
    }),
  };
}

interface Entry {
  readonly key: BtfInput | undefined;
  readonly value: BtfInput | undefined;
}

function entriesOf(json: BtfInput, map: string): Entry[] {
  if (Array.isArray(json)) {
    return json.map((entry: BtfInput): Entry => {
      if (!isObject(entry))
        return fail(badPreset({ map }, JSON.stringify(entry), 'expected {"key": ..., "value": ...}'));
      return { key: entry.key, value: entry.value };
    });
  }
  if (!isObject(json))
    return fail(badPreset({ map }, JSON.stringify(json), 'expected an object or an array of entries'));
  // The name of a member can only be text: structured keys stand in it as JSON.
  return Object.entries(json).map(([key, value]) => ({
    key: /^[[{]/.test(key) ? parseJson(key, `the key ${key}`) : key,
    value,
  }));
}

const isObject = (value: BtfInput): value is { readonly [name: string]: BtfInput } =>
  typeof value === 'object' && !Array.isArray(value);

function toBytes(
  btf: Btf | undefined,
  type: number | undefined,
  size: number,
  input: BtfInput | undefined,
  map: MapSpec,
  shown: string,
): Uint8Array {
  const refuse = (why: string): never => fail(badPreset({ map: map.name }, shown, why));
  if (input === undefined) return refuse('it lacks a key or a value');
  if (btf !== undefined && type !== undefined) {
    try {
      return encodeValue(btf, type, input);
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      return refuse(error.diagnostic.message);
    }
  }
  if (typeof input === 'number') return integerBytes(input, size) ?? refuse(`${input} is no integer of ${size} bytes`);
  const digits = typeof input === 'string' ? fromHex(input.replace(/^0x/, '')) : undefined;
  if (digits?.length !== size)
    return refuse(`the map has no type information: expected ${size} bytes as hexadecimal digits`);
  return digits;
}

/** Little-endian, as objects are on most machines. */
function integerBytes(value: number, size: number): Uint8Array | undefined {
  if (!Number.isSafeInteger(value) || value < 0 || size > 8 || (size < 7 && value >= 2 ** (8 * size))) return undefined;
  const bytes = new Uint8Array(size);
  let rest = BigInt(value);
  for (let i = 0; i < size; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}
