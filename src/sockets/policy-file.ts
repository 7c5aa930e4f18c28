// A policy as files: an object, or JSON that names one and says what its maps hold at first:
//   { "object": "bind_ports.bpf.o", "maps": { "refused_ports": [{ "key": 8097, "value": 1 }] } }
// Keys and values go through the object's BTF (btf/value.ts); the object's path is relative to the JSON's.
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { AnyBpfError, fail, within } from '../base/diagnostic.ts';
import { badPolicy } from '../base/messages/sockets.ts';
import { type BtfInput, encodeValue } from '../btf/value.ts';
import { linkObject } from '../link/link.ts';
import type { MapSpec, ObjectSpec } from '../spec/object.ts';
import type { PolicyEntry } from './policy.ts';

export interface PolicyFile {
  readonly name: string;
  readonly object: Uint8Array;
  readonly entries: readonly PolicyEntry[];
}

const SCHEMA = v.strictObject({
  object: v.string(),
  maps: v.optional(v.record(v.string(), v.array(v.strictObject({ key: v.optional(v.unknown()), value: v.unknown() })))),
});

const ELF = 0x7f;
const NO_KEY = new Uint8Array(0);

/** @throws AnyBpfError sockets/policy where a file cannot be read, or does not say what it should */
export function readPolicyFile(file: string): PolicyFile {
  const bytes = read(file);
  if (bytes[0] === ELF) return { name: basename(file), object: bytes, entries: [] };
  const { object: path, maps = {} } = parsed(file, bytes);
  const object = read(resolve(dirname(file), path));
  const spec = within({ file: path }, () => linkObject(object, { name: basename(path) }));
  const entries = Object.entries(maps).flatMap(([name, elements]) => {
    const map = spec.maps.find((one) => one.name === name);
    if (map === undefined) return fail(badPolicy({ file }, `the object has no map '${name}'`));
    return elements.map(({ key, value }) => ({
      map: name,
      key: map.keySize === 0 ? NO_KEY : encoded(file, spec, map, 'key', key),
      value: encoded(file, spec, map, 'value', value),
    }));
  });
  return { name: basename(path), object, entries };
}

function read(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file));
  } catch (error) {
    return fail(badPolicy({ file }, `cannot be read: ${(error as NodeJS.ErrnoException).code}`), error);
  }
}

function parsed(file: string, bytes: Uint8Array): v.InferOutput<typeof SCHEMA> {
  try {
    return v.parse(SCHEMA, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    return fail(badPolicy({ file }, (error as Error).message), error);
  }
}

function encoded(file: string, { btf }: ObjectSpec, map: MapSpec, what: 'key' | 'value', input: unknown): Uint8Array {
  const type = what === 'key' ? map.keyTypeId : map.valueTypeId;
  if (btf === undefined || type === undefined || type === 0)
    return fail(badPolicy({ file, map: map.name }, `the object does not say what its ${what}s are`));
  try {
    return encodeValue(btf, type, input as BtfInput);
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return fail(
      badPolicy({ file, map: map.name }, `${what} ${JSON.stringify(input)}: ${error.diagnostic.message}`),
      error,
    );
  }
}
