// Loading: what of an object loads and what does not, options, shared runtimes, disposal.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import { type LoadOptions, loadObject } from '../../src/run/loader.ts';
import { RecordReader } from '../../src/run/records.ts';
import { Runtime } from '../../src/run/runtime.ts';
import { helper } from '../../src/spec/helper.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { ipv4Frame, mapSpec, objectSpec } from './support.ts';

const FRAME = ipv4Frame();
const RETURN_2 = 'r0 = 2\nexit';
const load = (spec: ObjectSpec | Uint8Array, options: Partial<LoadOptions> = {}) =>
  loadObject(spec, { host: memoryHost(), ...options });
const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.code;
    throw error;
  }
  return 'nothing raised';
};

describe('what cannot be loaded stops only itself', () => {
  const spec = objectSpec(
    [
      { name: 'good', text: RETURN_2 },
      {
        name: 'jumps_out',
        text: RETURN_2,
        code: Uint8Array.from([5, 0, 99, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]),
      } as never,
      { name: 'needs_bad_map', text: 'r1 = map[bad] ll\nr0 = 0\nexit' },
      { name: 'needs_good_map', text: 'r1 = map[good_map] ll\nr0 = 1\nexit' },
      { name: 'asked_for', text: RETURN_2, section: '?xdp', autoload: false },
    ],
    [mapSpec('bad', 'array', { maxEntries: 0 }), mapSpec('good_map', 'hash')],
  );

  test('programs and maps carry their reasons', () => {
    using object = load(spec);
    const codes = Object.fromEntries(object.programs.map(({ name, diagnostic }) => [name, diagnostic?.code]));
    expect(codes).toEqual({
      good: undefined,
      jumps_out: 'run/jump-outside',
      needs_bad_map: 'map/refused',
      needs_good_map: undefined,
      asked_for: 'run/program-not-loaded',
    });
    expect(object.maps.map(({ name }) => name)).toEqual(['good_map']);
    expect(object.diagnostics.map(({ code, place }) => [code, place.program ?? place.map])).toEqual([
      ['map/refused', 'bad'],
      ['run/jump-outside', 'jumps_out'],
      ['map/refused', 'needs_bad_map'],
    ]);
    expect(object.program('good').run({ data: FRAME }).retval).toBe(2);
    expect(codeOf(() => object.program('needs_bad_map').run({ data: FRAME }))).toBe('map/refused');
    expect(codeOf(() => object.program('asked_for').run({ data: FRAME }))).toBe('run/program-not-loaded');
  });

  test('`programs` chooses, `maps` changes sizes', () => {
    using object = load(spec, { programs: ['asked_for', 'needs_bad_map'], maps: { bad: { maxEntries: 7 } } });
    expect(object.program('asked_for').run({ data: FRAME }).retval).toBe(2);
    expect(object.program('needs_bad_map').run({ data: FRAME }).retval).toBe(0);
    expect(object.map('bad').spec.maxEntries).toBe(7);
    expect(codeOf(() => object.program('good').run({ data: FRAME }))).toBe('run/program-not-loaded');
  });

  test.each([
    [{ programs: ['nothing'] }, 'run/no-program'],
    [{ maps: { nothing: { maxEntries: 1 } } }, 'run/no-map'],
    [{ globals: { nothing: 1 } }, 'link/no-global'],
    [{ budget: 0 }, 'run/option'],
    [{ engine: 'toString' as never }, 'run/option'],
    [{ memoryLimit: -1 }, 'run/option'],
  ] as const)('%j is refused', (options, code) => {
    expect(codeOf(() => load(spec, options as never))).toBe(code);
  });

  test('programs are found by function and section', () => {
    using object = load(
      objectSpec([
        { name: 'a', section: 'xdp/x', text: RETURN_2 },
        { name: 'b', text: RETURN_2 },
      ]),
    );
    expect(object.program('xdp/x').name).toBe('a');
    expect(codeOf(() => object.program())).toBe('run/which-program');
    expect(codeOf(() => object.program('c'))).toBe('run/no-program');
    expect(codeOf(() => object.map('c'))).toBe('run/no-map');
  });

  test('types without a test-run say so', () => {
    using object = load(
      objectSpec([
        { type: 'netfilter', text: RETURN_2 },
        { name: 'windows', type: 'bind', text: RETURN_2 },
      ]),
    );
    expect(codeOf(() => object.program('main').run())).toBe('run/no-test-run');
    expect(object.program('windows').diagnostic?.code).toBe('run/program-type');
  });
});

const externs = (weak: boolean): ObjectSpec['externs'] => [
  { name: 'CONFIG_HZ', kind: 'kconfig', weak, typeId: 0, kconfig: { offset: 0, size: 4 } },
  { name: 'symbol', kind: 'ksym', weak, typeId: 0 },
  { name: 'double', kind: 'kfunc', weak, typeId: 0 },
];

describe('externs', () => {
  const config = mapSpec('.kconfig', 'array', { kind: 'kconfig', valueSize: 8, maxEntries: 1, frozen: true });
  const READ = 'r1 = map[.kconfig][0] ll\nr0 = *(u32 *)(r1 + 0)\nexit';
  // r0 = (address of the symbol); double(r1 = r0)
  const CALLS = {
    code: Uint8Array.from([
      0x18, 0x31, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x85, 0x20, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0,
    ]),
  };
  const spec = (weak: boolean) => {
    const object = objectSpec(
      [
        { name: 'read', text: READ },
        { name: 'calls', text: RETURN_2 },
      ],
      [config],
      { externs: externs(weak) },
    );
    return { ...object, programs: [object.programs[0], { ...object.programs[1], ...CALLS }] };
  };
  const double = helper({
    name: 'double',
    numbers: {},
    args: ['scalar'],
    returns: 'integer',
    doc: 'Twice.',
    body: (_env, x) => 2n * x,
  });

  test('values that the caller gives', () => {
    using object = load(spec(false), { kconfig: { CONFIG_HZ: 250 }, ksyms: { symbol: 21n }, kfuncs: { double } });
    expect(object.diagnostics).toEqual([]);
    expect(object.program('read').run({ data: FRAME }).retval).toBe(250);
    expect(object.program('calls').run({ data: FRAME }).retval).toBe(42);
  });

  test('the kernel’s version is known without being given', () => {
    const version: ObjectSpec['externs'] = [
      { name: 'LINUX_KERNEL_VERSION', kind: 'kconfig', weak: false, typeId: 0, kconfig: { offset: 0, size: 4 } },
    ];
    using object = load(objectSpec([{ text: READ }], [config], { externs: version }));
    expect(object.program().run({ data: FRAME }).retval).toBe(0x0006_1200);
  });

  test('weak ones may be missing, strong ones not', () => {
    using weak = load(spec(true), { kfuncs: { double } });
    expect(weak.program('read').run({ data: FRAME }).retval).toBe(0);
    expect(weak.program('calls').run({ data: FRAME }).retval).toBe(0);
    using strong = load(spec(false));
    expect(strong.programs.map(({ diagnostic }) => diagnostic?.code)).toEqual(['run/extern', 'run/extern']);
  });
});

describe('sharing and disposing', () => {
  const shared = objectSpec(
    [
      {
        text: 'r1 = map[m] ll\n*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr0 = *(u32 *)(r0 + 0)\nout: exit',
      },
    ],
    [mapSpec('m', 'array')],
  );

  test('an object may use another’s map in one runtime', () => {
    const host = memoryHost();
    using runtime = new Runtime({ host });
    const first = load(shared, { host, runtime });
    using second = load(shared, { host, runtime, maps: { m: { reuse: first.map('m') } } });
    first.map('m').set(0, 77);
    expect(second.program().run({ data: FRAME }).retval).toBe(77);
    expect(second.map('m').id).toBe(first.map('m').id);
    const other = objectSpec([], [mapSpec('m', 'array', { valueSize: 8 })]);
    expect(codeOf(() => load(other, { host, runtime, maps: { m: { reuse: first.map('m') } } }))).toBe(
      'run/map-mismatch',
    );
    expect(codeOf(() => load(shared, { maps: { m: { reuse: first.map('m') } } }))).toBe('run/map-mismatch');
    // A refused load leaves nothing behind in the runtime that it was for.
    const { used } = runtime.memory;
    const two = objectSpec([], [mapSpec('fresh', 'hash'), mapSpec('m', 'hash')]);
    expect(codeOf(() => load(two, { host, runtime, maps: { m: { reuse: first.map('m') } } }))).toBe('run/map-mismatch');
    expect(runtime.memory.used).toBe(used);
    second[Symbol.dispose]();
    expect(first.program().run({ data: FRAME }).retval).toBe(77);
    first[Symbol.dispose]();
  });

  test('disposing gives all memory back and stops everything', () => {
    const host = memoryHost();
    using runtime = new Runtime({ host });
    const before = runtime.memory.used;
    const object = load(shared, { host, runtime });
    const [program, map] = [object.program(), object.map('m')];
    program.run({ data: FRAME });
    expect(runtime.memory.used).toBeGreaterThan(before);
    object[Symbol.dispose]();
    object[Symbol.dispose]();
    expect(runtime.memory.used).toBe(before);
    expect(codeOf(() => program.run({ data: FRAME }))).toBe('run/disposed');
    expect(codeOf(() => map.get(0))).toBe('run/disposed');
  });

  test('every program type gives back what its runs took', () => {
    const host = memoryHost();
    using runtime = new Runtime({ host });
    const rows = PROGRAM_TYPE_ROWS.filter((row) => row.harness !== undefined && row.contexts.linux !== undefined);
    expect(rows.length).toBeGreaterThan(25);
    for (const { type } of rows) {
      const object = load(objectSpec([{ type, text: 'r0 = 0\nexit' }]), { host, runtime });
      const input = type === 'sk_lookup' ? { ctx: { family: 2 } } : type.startsWith('raw_') ? {} : { data: FRAME };
      expect(object.program().run(input).retval, type).toBe(0);
      object[Symbol.dispose]();
      expect(runtime.memory.used, type).toBe(0);
    }
  });

  test('large arrays cost what is used of them', () => {
    using object = load(objectSpec([], [mapSpec('big', 'array', { valueSize: 1024, maxEntries: 131_072 })]));
    object.map('big').set(131_071, new Uint8Array(1024).fill(7));
    expect(object.map('big').get(131_071)?.[1023]).toBe(7);
  });

  test('a memory limit is held', () => {
    const spec = objectSpec([], [mapSpec('big', 'array', { valueSize: 1024, maxEntries: 131_072 })]);
    using object = load(spec, { memoryLimit: 1 << 20 });
    expect(object.diagnostics.map(({ code }) => code)).toEqual([
      expect.stringMatching(/^(run\/out-of-memory|map\/too-large)$/),
    ]);
  });
});

const example = (name: string) => readFileSync(path.join(PROJECT_ROOT, 'examples', name));

describe('objects of the examples', () => {
  test('globals are set before loading, map values are decoded through BTF', () => {
    using object = load(example('counters/counters.bpf.o'));
    object.program().run({ data: FRAME });
    expect(object.map('protocols').hasTypes).toBe(true);
    const rows = [...object.map('protocols').values()];
    expect(rows.length).toBeGreaterThan(1);
    expect(JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? Number(value) : value))).toContain(
      '"packets":1',
    );
  });

  test('records of a ring buffer reach their reader', () => {
    using object = load(example('sampler/sampler.bpf.o'), { globals: {} });
    const records: Uint8Array[] = [];
    using reader = new RecordReader(object.map('events'), { record: (bytes) => records.push(bytes) });
    object.program().run({ data: FRAME, repeat: 2000 });
    expect(reader.poll()).toBe(records.length);
    expect(records.length).toBeGreaterThan(0);
    expect(codeOf(() => new RecordReader(object.map('.bss'), { record: () => undefined }))).toBe('run/no-records');
  });

  test('broken bytes raise typed errors', () => {
    const bytes = example('counters/counters.bpf.o');
    expect(codeOf(() => load(bytes.subarray(0, 100)))).toMatch(/^(elf|input)\//);
    expect(codeOf(() => load(new Uint8Array(0)))).toMatch(/^(elf|input)\//);
  });
});
