// The engine `auto`: what it chooses, that nobody sees when it changes, and hosts that forbid WebAssembly.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { LoadedProgram } from '../../src/run/program.ts';
import type { EngineChoice } from '../../src/spec/backend.ts';
import { loadText, mapSpec, objectSpec } from '../run/support.ts';
import { samplePackets } from '../support/packets.ts';
import { filesBelow, PROJECT_ROOT } from '../support/shared.ts';

const EXAMPLES = path.join(PROJECT_ROOT, 'examples');
const PACKETS = samplePackets(64, 5).filter((data) => data.length >= 60 && data.length <= 1600);

const load = (file: string, engine: EngineChoice): LoadedObject =>
  loadObject(readFileSync(path.join(EXAMPLES, file)), { host: memoryHost({ cpus: 2 }), engine });

const runnable = (object: LoadedObject): LoadedProgram => {
  const program = object.programs.find(({ diagnostic }) => diagnostic === undefined);
  if (program === undefined) throw new Error('no program');
  return program;
};

const mapsOf = (object: LoadedObject): unknown =>
  object.maps
    .filter(({ spec }) => spec.type !== 'prog_array' && spec.type !== 'ringbuf')
    .map((map) => [map.name, [...map.entries()].map(([key, value]) => `${toHex(key)}=${toHex(value)}`).sort()]);

/** Everything that can be seen of each run; after two thirds of them, many more are announced. */
function history(object: LoadedObject, runs: number): { readonly seen: unknown[]; readonly engines: string[] } {
  const program = runnable(object);
  const seen: unknown[] = [];
  const engines: string[] = [];
  for (let i = 0; i < runs; i++) {
    if (3 * i === 2 * runs) program.prepare({ data: PACKETS[0] });
    const { retval, data } = program.run({ data: PACKETS[i % PACKETS.length] });
    seen.push(`${retval} ${toHex(data ?? new Uint8Array())}`);
    const { engine = 'none' } = program;
    if (engines.at(-1) !== engine) engines.push(engine);
  }
  return { seen, engines };
}

describe('changes of the engine', () => {
  // Programs of an extension are not loaded without it (test/hooks/sample-extension.test.ts has them on all engines).
  const examples = filesBelow(EXAMPLES, '.o').filter((file) => !file.startsWith('sample-extension'));
  test.each(examples)('change nothing else: %s', (file) => {
    using expected = load(file, 'reference');
    using object = load(file, 'auto');
    const first = history(expected, 900);
    const { seen, engines } = history(object, 900);
    expect(seen).toEqual(first.seen);
    expect(mapsOf(object)).toEqual(mapsOf(expected));
    expect(engines.length).toBeGreaterThan(1);
    expect(engines.at(-1)).toBe('compile');
    expect(first.engines).toEqual(['reference']);
  });

  test('follow from the work: what runs once is not compiled, and a loop of many turns soon is', () => {
    using once = loadText('xdp', 'r0 = 1\nexit');
    once.program().run({ data: PACKETS[0] });
    expect(once.program().engine).not.toBe('compile');
    using loop = loadText('xdp', 'r0 = 0\nr1 = 400000\nl: r1 -= 1\nif r1 != 0 goto l\nexit');
    for (let i = 0; i < 6; i++) loop.program().run({ data: PACKETS[0] });
    expect(loop.program().engine).toBe('compile');
  });

  test('come at once where a repeat or a batch announces the work', () => {
    using repeated = loadText('xdp', 'r0 = 1\nexit');
    repeated.program().run({ data: PACKETS[0], repeat: 1_000_000 });
    expect(repeated.program().engine).toBe('compile');
    using object = load('counters/counters.bpf.o', 'auto');
    const program = runnable(object);
    program.runBatch(Array.from({ length: 1024 }, (_, i) => PACKETS[i % PACKETS.length]));
    const after = program.engine;
    program.runBatch(Array.from({ length: 1024 }, (_, i) => PACKETS[i % PACKETS.length]));
    expect([after, program.engine]).not.toContain('reference');
    expect(program.engine).toBe('compile');
  });

  test('reach the programs of tail calls, and what they left in maps', () => {
    const main = 'r2 = map[next] ll\nr3 = 0\ncall bpf_tail_call\nr0 = 7\nexit';
    const target = `
      r1 = 0
      *(u32 *)(r10 - 4) = r1
      r2 = r10
      r2 += -4
      r1 = map[count] ll
      call bpf_map_lookup_elem
      if r0 == 0 goto out
      r1 = *(u64 *)(r0 + 0)
      r1 += 1
      *(u64 *)(r0 + 0) = r1
      r0 = r1
      exit
      out: r0 = 0
      exit`;
    const maps = [
      mapSpec('next', 'prog_array', { slots: [{ index: 0, kind: 'program', target: 'target' }] }),
      mapSpec('count', 'array', { valueSize: 8, maxEntries: 1 }),
    ];
    const programs = [
      { name: 'main', text: main },
      { name: 'target', text: target },
    ] as const;
    using object = loadObject(objectSpec(programs, maps), { host: memoryHost() });
    const program = object.program('main');
    const results = Array.from({ length: 900 }, (_, i) => {
      if (i === 600) program.prepare({ data: PACKETS[0] });
      return program.run({ data: PACKETS[0] }).retval;
    });
    expect(results).toEqual(Array.from({ length: 900 }, (_, i) => i + 1));
    expect(program.engine).toBe('compile');
  });
});

const told = (program: LoadedProgram, data: Uint8Array): unknown => {
  try {
    return program.run({ data }).retval;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    const { code, message, place } = error.diagnostic;
    return { code, message, place };
  }
};

describe('aborts', () => {
  test('are the same before and after', () => {
    // Looks at the byte behind every packet that is not 60 bytes long.
    const text = `
      r2 = *(u32 *)(r1 + 0)
      r3 = *(u32 *)(r1 + 4)
      r4 = r3
      r4 -= r2
      if r4 == 60 goto ok
      r0 = *(u8 *)(r3 + 0)
      ok: r0 = 2
      exit`;
    using object = loadText('xdp', text);
    const program = object.program();
    const long = new Uint8Array(64);
    const first = told(program, long);
    expect(first).toMatchObject({ code: 'run/bad-access', place: { insn: 5 } });
    for (let i = 0; i < 20_000; i++) expect(program.runRaw({ data: new Uint8Array(60) })).toBe(2);
    expect(program.engine).toBe('compile');
    expect(told(program, long)).toEqual(first);
    expect(told(program, new Uint8Array(60))).toBe(2);
  });

  test('the budget ends what never ends, in each', () => {
    using object = loadText('xdp', 'r0 = 0\nl: r0 += 1\ngoto l\nexit', { options: { budget: 100_000 } });
    const program = object.program();
    const engines = new Set<string | undefined>();
    for (let i = 0; i < 20; i++) {
      expect(told(program, PACKETS[0])).toMatchObject({ code: 'run/budget' });
      engines.add(program.engine);
    }
    expect(engines.size).toBeGreaterThan(1);
  });
});

function forbidden(): never {
  throw new EvalError('Refused to compile WebAssembly');
}

describe('hosts that forbid WebAssembly', () => {
  afterEach(() => vi.unstubAllGlobals());

  test.each([
    ['have none', () => undefined],
    ['refuse to compile it', () => ({ ...webAssembly(), Module: forbidden })],
  ])('that %s run everything on the reference interpreter', async (_what, stub) => {
    using expected = load('counters/counters.bpf.o', 'reference');
    const first = history(expected, 300);
    // Modules of a process that has compiled nothing yet.
    vi.resetModules();
    vi.stubGlobal('WebAssembly', stub());
    const fresh = await import('../../src/run/loader.ts');
    const { memoryHost: freshHost } = await import('../../src/hosts/memory/host.ts');
    const bytes = readFileSync(path.join(EXAMPLES, 'counters/counters.bpf.o'));
    using object = fresh.loadObject(bytes, { host: freshHost({ cpus: 2 }) });
    const { seen, engines } = history(object, 300);
    expect(seen).toEqual(first.seen);
    const program = runnable(object);
    program.run({ data: PACKETS[0], repeat: 1000 });
    expect([...program.runBatch(PACKETS)].length).toBe(PACKETS.length);
    expect([...engines, program.engine]).toEqual(['reference', 'reference']);
  });

  test.each(['interpret', 'compile'] as const)('say so where %s is asked for', (engine) => {
    vi.stubGlobal('WebAssembly', undefined);
    using object = loadText('xdp', 'r0 = 1\nexit', { options: { engine } });
    expect(object.program().diagnostic).toMatchObject({ code: 'run/no-webassembly' });
  });

  test('a memory without WebAssembly grows', () => {
    vi.stubGlobal('WebAssembly', undefined);
    const maps = [mapSpec('large', 'array', { valueSize: 64, maxEntries: 10_000 })];
    using object = loadText('xdp', 'r0 = 1\nexit', { maps });
    const key = Uint8Array.of(0x0f, 0x27, 0, 0);
    object.map('large').set(key, new Uint8Array(64).fill(7));
    expect(object.map('large').get(key)).toEqual(new Uint8Array(64).fill(7));
  });
});

/** The functions of the real one, which are not enumerable. */
const webAssembly = (): object =>
  Object.fromEntries(Object.getOwnPropertyNames(WebAssembly).map((name) => [name, Reflect.get(WebAssembly, name)]));
