// Runs through LoadedProgram.prepare: the code is entered without the host, which must not be seen in what runs give.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { REDIRECT } from '../../src/helpers/redirect.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { ENGINES } from '../../src/run/engines.ts';
import { loadObject } from '../../src/run/loader.ts';
import { Runtime } from '../../src/run/runtime.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import type { RingBufferMap } from '../../src/spec/map.ts';
import { mapSpec, objectSpec } from './support.ts';

const PACKET = Uint8Array.from({ length: 64 }, (_, i) => i);

/** Redirects where the first byte of the packet is even, and counts that byte up. */
const REDIRECTS = `
  r6 = *(u32 *)(r1 + 0)
  r7 = *(u8 *)(r6 + 0)
  r8 = r7
  r8 += 1
  *(u8 *)(r6 + 0) = r8
  r7 &= 1
  if r7 == 0 goto redirect
  r0 = 2
  exit
redirect:
  r1 = 7
  r2 = 0
  call bpf_redirect
  exit`;

const LOOP = `
again:
  r0 += 1
  goto again`;

/** Reads at an address that nothing has: 4 GiB less 16. */
const WILD = `
  r1 = -16 ll
  r1 <<= 32
  r1 >>= 32
  r0 = *(u64 *)(r1 + 0)
  exit`;

function load(text: string, runtime: Runtime, name = 'main') {
  const spec = objectSpec([{ text, name }]);
  return loadObject(spec, { host: runtime.host, runtime, budget: 10_000 }).program(name);
}

const MODES = (Object.keys(ENGINES) as EngineName[]).flatMap((engine) =>
  [true, false].map((trusted) => ({ engine, trusted })),
);

describe.each(MODES)('$engine, trusted: $trusted', ({ engine, trusted }) => {
  const newRuntime = () => new Runtime({ host: memoryHost(), engine, trusted });

  test('each run goes on with what the one before left, and has its own state of helpers', () => {
    using runtime = newRuntime();
    const program = load(REDIRECTS, runtime);
    const { enter, ctx } = program.prepare({ data: PACKET });
    expect([enter(ctx), enter(ctx), enter(ctx)]).toEqual([4, 2, 4]);
    expect(program.lastState(REDIRECT)?.target).toMatchObject({ ifindex: 7 });
    expect(program.lastPacket?.[0]).toBe(3);
  });

  test('what helpers left is that of the last run only', () => {
    using runtime = newRuntime();
    const program = load(REDIRECTS, runtime);
    const { enter, ctx } = program.prepare({ data: PACKET });
    enter(ctx);
    enter(ctx);
    expect(program.lastState(REDIRECT)).toBeUndefined();
    expect(program.run({ data: PACKET, repeat: 3 }).state(REDIRECT)?.target).toMatchObject({ ifindex: 7 });
    expect(program.run({ data: PACKET, repeat: 4 }).state(REDIRECT)).toBeUndefined();
    program.runRaw({ data: PACKET });
    expect(program.lastState(REDIRECT)?.target).toMatchObject({ ifindex: 7 });
  });

  test('programs of one runtime are entered by turns, between runs of other kinds', () => {
    using runtime = newRuntime();
    const first = load(REDIRECTS, runtime, 'first');
    const second = load(REDIRECTS.replace('r1 = 7', 'r1 = 9'), runtime, 'second');
    const a = first.prepare({ data: PACKET });
    const b = second.prepare({ data: PACKET });
    expect(a.ctx).not.toBe(b.ctx);
    for (let i = 0; i < 4; i++) {
      expect(a.enter(a.ctx)).toBe(i % 2 === 0 ? 4 : 2);
      expect(b.enter(b.ctx)).toBe(i % 2 === 0 ? 4 : 2);
    }
    expect(a.enter(a.ctx)).toBe(4);
    expect(b.enter(b.ctx)).toBe(4);
    expect(first.lastState(REDIRECT)?.target).toMatchObject({ ifindex: 7 });
    expect(second.lastState(REDIRECT)?.target).toMatchObject({ ifindex: 9 });
    expect([...first.runBatch([PACKET, PACKET])]).toEqual([4, 4]);
    expect(first.lastState(REDIRECT)?.target).toMatchObject({ ifindex: 7 });
  });

  test('results are signed', () => {
    using runtime = newRuntime();
    const { enter, ctx } = load('r0 = -5\nexit', runtime).prepare({ data: PACKET });
    expect(enter(ctx)).toBe(-5);
  });

  test('a loop without an end is stopped, and the next run has the whole budget', () => {
    using runtime = newRuntime();
    const program = load(LOOP, runtime);
    const { enter, ctx } = program.prepare({ data: PACKET });
    for (let i = 0; i < 2; i++) expect(() => enter(ctx)).toThrow('[run/budget]');
    expect(() => program.run({ data: PACKET })).toThrow('[run/budget]');
  });

  test('a record that a stopped run leaves open is discarded once that is explained', () => {
    using runtime = newRuntime();
    const maps = [mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 })];
    const text = `
      r6 = *(u32 *)(r1 + 0)
      r6 = *(u8 *)(r6 + 0)
      r1 = map[ring] ll
      r2 = 8
      r3 = 0
      call bpf_ringbuf_reserve
      if r0 == 0 goto out
      r7 = r0
      *(u64 *)(r7 + 0) = 5
      if r6 == 0 goto fine
      r1 = -16 ll
      r1 <<= 32
      r1 >>= 32
      r0 = *(u64 *)(r1 + 0)
      fine:
      r1 = r7
      r2 = 0
      call bpf_ringbuf_submit
      out: r0 = 1
      exit`;
    const object = loadObject(objectSpec([{ text }], maps), { host: runtime.host, runtime });
    const program = object.program();
    const ring = object.map('ring').raw as RingBufferMap;
    const seen: number[] = [];
    for (const first of [0, 1, 0]) {
      const { enter, ctx } = program.prepare({ data: Uint8Array.from({ length: 64 }, () => first) });
      try {
        enter(ctx);
      } catch (error) {
        expect(program.explain(error)).toBeInstanceOf(AnyBpfError);
        expect(first).toBe(1);
      }
      seen.push(ring.consume(() => 0));
    }
    expect(seen).toEqual([1, 0, 1]);
  });

  test('an access that is refused, or a trap, is explained with its instruction', () => {
    using runtime = newRuntime();
    const program = load(WILD, runtime);
    const { enter, ctx } = program.prepare({ data: PACKET });
    let thrown: unknown;
    try {
      enter(ctx);
    } catch (error) {
      thrown = program.explain(error);
    }
    expect(thrown).toBeInstanceOf(AnyBpfError);
    // Interpreted without checks, an instruction is not told from the others.
    const insn = engine === 'interpret' && trusted ? undefined : 4;
    expect((thrown as AnyBpfError).diagnostic.place).toMatchObject({ program: 'main', ...(insn && { insn }) });
    expect(() => program.run({ data: PACKET })).toThrow(insn === undefined ? 'main' : 'main, instruction 4');
  });
});
