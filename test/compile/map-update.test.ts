// Updates and deletions that are compiled, against the maps' own code: any sequence of the program's and the application's
// operations leads to the same results, elements, order and room, whichever engine runs the program.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { BpfMap } from '../../src/spec/map.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { mapSpec, objectSpec } from '../run/support.ts';

/** Operation, flags, key and value are in the packet. */
const OP = { update: 0, delete: 1, lookup: 2 } as const;
type OpName = keyof typeof OP;
const KEY_AT = 16;

const text = (keySize: number): string => `r6 = *(u32 *)(r1 + 0)
r7 = *(u32 *)(r6 + 0)
r1 = map[m] ll
r2 = r6
r2 += ${KEY_AT}
if r7 == ${OP.delete} goto remove
if r7 == ${OP.lookup} goto look
r3 = r6
r3 += ${KEY_AT + keySize}
r4 = *(u64 *)(r6 + 8)
call bpf_map_update_elem
exit
remove: r1 = map[m] ll
call bpf_map_delete_elem
exit
look: r1 = map[m] ll
call bpf_map_lookup_elem
if r0 == 0 goto none
r0 = *(u8 *)(r0 + 0)
exit
none: r0 = -1
exit`;

interface Side {
  readonly object: LoadedObject;
  readonly map: BpfMap;
  run(op: OpName, key: Uint8Array, value: Uint8Array, flags: bigint, cpu: number): number;
}

const CPUS = 2;

function side(spec: MapSpec, options: { engine: 'reference' | 'compile'; trusted: boolean }): Side {
  const host = memoryHost({ cpus: CPUS });
  const object = loadObject(objectSpec([{ type: 'xdp', text: text(spec.keySize) }], [spec], {}), { host, ...options });
  const program = object.program();
  const data = new Uint8Array(KEY_AT + spec.keySize + spec.valueSize + 64);
  const view = new DataView(data.buffer);
  return {
    object,
    map: object.map('m').raw,
    run(op, key, value, flags, cpu) {
      host.setCpu(cpu);
      view.setUint32(0, OP[op], true);
      view.setBigUint64(8, flags, true);
      data.set(key, KEY_AT);
      data.set(value, KEY_AT + spec.keySize);
      return program.run({ data }).retval | 0;
    },
  };
}

interface Step {
  readonly op: OpName;
  readonly byProgram: boolean;
  readonly key: number;
  readonly value: number;
  readonly flags: bigint;
  readonly cpu: number;
}

const steps = (keys: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      op: fc.constantFrom<OpName[]>('update', 'update', 'update', 'delete', 'lookup'),
      byProgram: fc.constantFrom(true, true, true, false),
      key: fc.nat({ max: keys }),
      value: fc.nat({ max: 255 }),
      flags: fc.constantFrom(0n, 0n, 0n, 0n, 1n, 2n, 3n, 4n, 5n, 1n << 32n, 0xffff_ffff_ffff_fffen),
      cpu: fc.nat({ max: CPUS - 1 }),
    }),
    { minLength: 20, maxLength: 250 },
  );

/** Bytes that all say the number, but the first say it too where there is room. */
function bytes(size: number, number: number): Uint8Array {
  const out = Uint8Array.from({ length: size }, (_, i) => number + i * 7);
  if (size >= 2) out[1] = number >> 8;
  return out;
}

/** All elements in the order of iteration, as the application sees them. */
function contents(map: BpfMap): unknown[] {
  const out: unknown[] = [];
  for (let key = map.nextKey(undefined); typeof key !== 'number'; key = map.nextKey(key)) {
    out.push([...key], map.lookup(key));
  }
  return out;
}

const SHAPES: readonly [MapTypeName, number, number, number, number?][] = [
  ['hash', 4, 8, 200],
  ['hash', 4, 4, 8],
  ['hash', 1, 1, 100],
  ['hash', 16, 64, 40, 1],
  ['hash', 7, 13, 40],
  ['hash', 64, 200, 20],
  ['hash', 65, 4, 20],
  ['lru_hash', 4, 8, 40],
  ['lru_hash', 4, 8, 1],
  ['lru_hash', 13, 65, 17],
  ['lru_hash', 4, 8, 10, 2],
  ['percpu_hash', 4, 8, 30],
  ['percpu_hash', 12, 100, 30],
  ['lru_percpu_hash', 4, 12, 16],
  ['lru_percpu_hash', 4, 12, 16, 2],
  ['array', 4, 8, 20],
  ['array', 4, 3, 20],
  ['array', 4, 300, 4],
  ['percpu_array', 4, 12, 20],
];

const title = ([type, key, value, entries, flags = 0]: (typeof SHAPES)[number]): string =>
  `${type} of ${entries}, keys of ${key} and values of ${value} bytes, flags ${flags}`;

describe.each([true, false])('trusted: %s', (trusted) => {
  test.each(SHAPES.map((shape) => [title(shape), shape] as const))(
    '%s',
    (_, [type, keySize, valueSize, maxEntries, flags = 0]) => {
      const spec = mapSpec('m', type, { keySize, valueSize, maxEntries, flags });
      fc.assert(
        fc.property(steps(Math.ceil(maxEntries * 1.7) + 3), (list) => {
          const host = side(spec, { engine: 'reference', trusted: false });
          const compiled = side(spec, { engine: 'compile', trusted });
          using _host = host.object;
          using _compiled = compiled.object;
          for (const { op, byProgram, key, value, flags: wish, cpu } of list) {
            const k = type.endsWith('array') ? bytesOf(key) : bytes(keySize, key);
            const v = bytes(valueSize, value);
            const results = [host, compiled].map(({ map, run }) => {
              if (byProgram) return run(op, k, v, wish, cpu);
              if (op === 'lookup') return map.lookup(k);
              if (op === 'delete') return map.delete(k);
              return map.update(k, bytes(map.userValueSize ?? valueSize, value), Number(wish));
            });
            expect(results[1], JSON.stringify({ op, byProgram, key, wish: String(wish) })).toEqual(results[0]);
          }
          expect(contents(compiled.map)).toEqual(contents(host.map));
        }),
        { numRuns: 12 },
      );
    },
  );
});

function bytesOf(index: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, index, true);
  return out;
}
