// Helpers that change maps and are compiled, against the maps' own code: any sequence of a program's and an application's operations
// leads to the same results, elements and order, whichever engine runs the program.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import type { BpfMap } from '../../src/spec/map.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { Dialect, MapSpec } from '../../src/spec/object.ts';
import { mapSpec, objectSpec } from '../run/support.ts';

/** The operation, flags, key and value are in the packet, where `peek` and `pop` also leave what they get. */
const OPS = ['update', 'delete', 'lookup', 'push', 'pop', 'peek'] as const;
type Op = (typeof OPS)[number];
const KEY_AT = 16;
const CPUS = 2;

const KEYED: readonly Op[] = ['update', 'delete', 'lookup'];
const QUEUE: readonly Op[] = ['push', 'pop', 'peek'];
const opsOf = (type: MapTypeName): readonly Op[] => (type === 'queue' || type === 'stack' ? QUEUE : KEYED);

/** r6: the packet; for each operation its arguments. */
const ARGUMENTS = (keySize: number): { readonly [O in Op]: string } => ({
  update: `r2 += ${KEY_AT}\n r3 = r6\n r3 += ${KEY_AT + keySize}\n r4 = *(u64 *)(r6 + 8)`,
  delete: `r2 += ${KEY_AT}`,
  lookup: `r2 += ${KEY_AT}`,
  push: `r2 += ${KEY_AT}\n r3 = *(u64 *)(r6 + 8)`,
  pop: `r2 += ${KEY_AT}`,
  peek: `r2 += ${KEY_AT}`,
});

function text(spec: MapSpec): string {
  const ops = opsOf(spec.type);
  const calls = ops.map(
    (op) => `${op}: r2 = r6
 ${ARGUMENTS(spec.keySize)[op]}
 r1 = map[m] ll
 call bpf_map_${op}_elem
 ${op === 'lookup' ? 'if r0 == 0 goto out\n r0 = *(u8 *)(r0 + 0)\n r0 += 1' : ''}
 goto out`,
  );
  const jumps = ops.map((op) => `if r7 == ${OPS.indexOf(op)} goto ${op}`);
  return `r6 = *(u32 *)(r1 + 0)\n r7 = *(u32 *)(r6 + 0)\n ${jumps.join('\n ')}\n r0 = 99\n exit\n${calls.join('\n')}\nout: exit`;
}

interface Side extends Disposable {
  readonly object: LoadedObject;
  readonly map: BpfMap;
  /** r0's lower half, and the packet afterwards. */
  run(op: Op, key: Uint8Array, value: Uint8Array, flags: bigint, cpu: number): [number, Uint8Array];
}

interface SideOptions {
  readonly engine: EngineName;
  readonly trusted?: boolean;
  /** In memory that other threads may reach, though none does. */
  readonly shared?: boolean;
  readonly dialect?: Dialect;
}

function side(spec: MapSpec, { engine, trusted = false, shared = false, dialect = 'linux' }: SideOptions): Side {
  const host = memoryHost({ cpus: CPUS });
  const object = loadObject(objectSpec([{ type: 'xdp', text: text(spec), dialect }], [spec], { dialect }), {
    host,
    engine,
    trusted,
    ...(shared ? { shared, memoryLimit: 2 ** 24 } : {}),
  });
  const program = object.program();
  const data = new Uint8Array(KEY_AT + spec.keySize + spec.valueSize + 64);
  const view = new DataView(data.buffer);
  return {
    object,
    map: object.map('m').raw,
    run(op, key, value, flags, cpu) {
      host.setCpu(cpu);
      view.setUint32(0, OPS.indexOf(op), true);
      view.setBigUint64(8, flags, true);
      data.set(key, KEY_AT);
      data.set(value, KEY_AT + spec.keySize);
      const { retval, data: after = data } = program.run({ data });
      return [retval | 0, after];
    },
    [Symbol.dispose]: () => object[Symbol.dispose](),
  };
}

interface Step {
  readonly op: number;
  readonly byProgram: boolean;
  readonly key: number;
  readonly value: number;
  readonly flags: bigint;
  readonly cpu: number;
}

const FLAGS = [0n, 0n, 0n, 0n, 0n, 1n, 2n, 2n, 3n, 4n, 5n, 1n << 32n, 0xffff_ffff_ffff_fffen];

/** @param cpus a thread on shared memory stays on its CPU */
const steps = (keys: number, cpus = CPUS): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      // Twice as many updates and pushes as all else.
      op: fc.constantFrom(0, 0, 0, 1, 2),
      byProgram: fc.constantFrom(true, true, true, false),
      key: fc.nat({ max: keys }),
      value: fc.nat({ max: 255 }),
      flags: fc.constantFrom(...FLAGS),
      cpu: fc.nat({ max: cpus - 1 }),
    }),
    { minLength: 20, maxLength: 160 },
  );

/** Bytes that all depend on the number; two tell it where there are two. */
function bytes(size: number, number: number): Uint8Array {
  const out = Uint8Array.from({ length: size }, (_, i) => number + i * 7);
  if (size >= 2) out[1] = number >> 8;
  return out;
}

function index(number: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, number, true);
  return out;
}

function byApplication(map: BpfMap, op: Op, key: Uint8Array, value: Uint8Array, flags: number): unknown {
  switch (op) {
    case 'update':
    case 'push':
      return map.update(key, value, flags);
    case 'delete':
      return map.delete(key);
    case 'lookup':
    case 'peek':
      return map.lookup(key);
    case 'pop':
      return map.lookupAndDelete(key);
  }
}

/** All elements in the order of iteration, as the application sees them; a queue's as they come out. */
function contents(map: BpfMap): unknown[] {
  const out: unknown[] = [];
  if (map.spec.keySize === 0) {
    for (let value = map.lookupAndDelete(new Uint8Array(0)); typeof value !== 'number'; ) {
      out.push(value);
      value = map.lookupAndDelete(new Uint8Array(0));
    }
    return out;
  }
  for (let key = map.nextKey(undefined); typeof key !== 'number'; key = map.nextKey(key)) {
    out.push([...key], map.lookup(key));
  }
  return out;
}

function agree(spec: MapSpec, list: readonly Step[], host: Side, compiled: Side): void {
  const { type, keySize, valueSize } = spec;
  for (const { op: which, byProgram, key: number, value: content, flags, cpu } of list) {
    const op = opsOf(type)[which];
    const key = type.endsWith('array') ? index(number) : bytes(keySize, number);
    const [expected, found] = [host, compiled].map(({ object, map, run }) =>
      byProgram
        ? run(op, key, bytes(valueSize, content), flags, cpu)
        : byApplication(map, op, key, bytes(object.map('m').valueSize, content), Number(flags)),
    );
    expect(found, `${op} of ${number} by the ${byProgram ? 'program' : 'application'}, flags ${flags}`).toEqual(
      expected,
    );
  }
  expect(contents(compiled.map)).toEqual(contents(host.map));
}

/** Type, sizes of key and value, most elements, flags. */
const SHAPES: readonly (readonly [MapTypeName, number, number, number, number?])[] = [
  ['hash', 4, 8, 200],
  ['hash', 4, 4, 8],
  ['hash', 1, 1, 100],
  ['hash', 16, 64, 40, 1],
  ['hash', 7, 13, 40],
  ['hash', 64, 200, 20],
  ['hash', 65, 4, 20],
  ['lru_hash', 4, 8, 40],
  ['lru_hash', 4, 8, 1],
  ['lru_hash', 4, 8, 5],
  ['lru_hash', 13, 65, 17],
  ['lru_hash', 4, 8, 10, 2],
  ['percpu_hash', 4, 8, 30],
  ['percpu_hash', 12, 100, 30],
  ['lru_percpu_hash', 4, 12, 4],
  ['lru_percpu_hash', 4, 12, 16, 2],
  ['array', 4, 8, 20],
  ['array', 4, 3, 20],
  ['array', 4, 300, 4],
  ['percpu_array', 4, 12, 20],
  ['queue', 0, 4, 5],
  ['queue', 0, 13, 1],
  ['stack', 0, 8, 7],
  ['stack', 0, 99, 3],
];

const shapes = SHAPES.map(([type, keySize, valueSize, maxEntries, flags = 0]) => ({
  name: `${type} of ${maxEntries}, keys of ${keySize} and values of ${valueSize} bytes, flags ${flags}`,
  spec: mapSpec('m', type, { keySize, valueSize, maxEntries, flags }),
}));

describe.each([
  { trusted: true, shared: false, numRuns: 8 },
  { trusted: false, shared: false, numRuns: 8 },
  { trusted: true, shared: true, numRuns: 3 },
])('trusted: $trusted, shared: $shared', ({ numRuns, ...options }) => {
  test.each(shapes)('$name', ({ spec }) => {
    fc.assert(
      fc.property(steps(Math.ceil(spec.maxEntries * 1.7) + 3, options.shared ? 1 : CPUS), (list) => {
        using host = side(spec, { engine: 'reference' });
        using compiled = side(spec, { engine: 'compile', ...options });
        agree(spec, list, host, compiled);
      }),
      { numRuns },
    );
  });
});

test.each(['hash', 'lru_hash', 'array', 'queue'] as const)(
  '%s with the numbers that Windows has for errors',
  (type) => {
    const spec = mapSpec('m', type, { keySize: type === 'queue' ? 0 : 4, maxEntries: 8 });
    fc.assert(
      fc.property(steps(16), (list) => {
        using host = side(spec, { engine: 'reference', dialect: 'windows' });
        using compiled = side(spec, { engine: 'compile', dialect: 'windows' });
        agree(spec, list, host, compiled);
      }),
      { numRuns: 8 },
    );
  },
);

/** Elements above max_entries, or below where it is negative, that are put into each. */
const MORE: { readonly [T in MapTypeName]?: number } = {
  hash: -40,
  percpu_hash: -40,
  lru_hash: 300,
  lru_percpu_hash: 300,
  array: 0,
  percpu_array: 0,
  queue: 0,
  stack: 0,
};

test.each(
  Object.entries(MORE).flatMap(([type, more]) =>
    [false, true].map((shared) => ({ type: type as MapTypeName, more, shared })),
  ),
)('$type, shared: $shared: only growth needs the host', ({ type, more, shared }) => {
  const keySize = opsOf(type) === QUEUE ? 0 : 4;
  const spec = mapSpec('m', type, { keySize, valueSize: 8, maxEntries: 512 });
  using compiled = side(spec, { engine: 'compile', trusted: true, shared });
  const { map, run } = compiled;
  let calls = 0;
  for (const name of ['updateElem', 'deleteElem', 'pushElem', 'popElem', 'peekElem'] as const) {
    const original = map[name]?.bind(map) as ((...args: unknown[]) => number) | undefined;
    if (original === undefined) continue;
    Object.assign(map, { [name]: (...args: unknown[]) => (calls++, original(...args)) });
  }
  const [put, ...others] = opsOf(type);
  for (let round = 0; round < 4; round++) {
    const most = spec.maxEntries + more;
    for (let n = 0; n < most; n++) run(put, index(n), bytes(8, n), round === 3 ? 2n : 0n, n & 1);
    if (type.endsWith('array')) continue;
    for (const op of others) for (let n = 0; n < most; n += 2) run(op, index(n), bytes(8, n), 0n, n & 1);
  }
  // One call for each time that the rows or the heads of chains double: 8 to 512, 16 to 512.
  expect(calls).toBeLessThanOrEqual(keySize > 0 && !type.endsWith('array') ? 12 : 0);
});
