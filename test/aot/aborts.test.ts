// A run that is stopped says why, and where, with the codes and words of AnyBPF's engines.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { AotError } from '../../src/aot/loader/errors.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { RING } from '../../src/spec/map-layout.ts';
import { mapSpec, objectSpec, type ProgramText } from '../run/support.ts';
import { compiled, example, loaded } from './support.ts';

const LINES: ProgramText['lines'] = [{ slot: 0, file: 'x.c', line: 7, column: 3, text: 'first' }];
const MAPS = [mapSpec('table', 'array')];
const BUDGET = 1000;

const CASES: Readonly<Record<string, string>> = {
  'a loop without end': 'again:\ngoto again\nexit',
  'a NULL pointer': 'r1 = 0\nr0 = *(u8 *)(r1 + 0)\nexit',
  'an address that is nobody’s': 'r1 = 4096\nr0 = *(u32 *)(r1 + 0)\nexit',
  'an address above memory': 'r1 = 1 ll\nr1 <<= 40\n*(u64 *)(r1 + 0) = 1\nexit',
  'past the packet': 'r1 = *(u32 *)(r1 + 4)\nr0 = *(u8 *)(r1 + 0)\nexit',
  'a store to the context': '*(u32 *)(r1 + 12) = 5\nr0 = 0\nexit',
  'an atomic operation between words': 'r2 = r10\nr2 += -15\nr1 = 1\nlock *(u64 *)(r2 + 0) += r1\nexit',
  'a helper that the type does not have': 'call 0x7fff\nexit',
  recursion: 'call again\nexit\nagain:\ncall again\nexit',
};

const finding = (error: unknown) => {
  if (error instanceof AnyBpfError) {
    const { program, insn, source } = error.diagnostic.place;
    return { code: error.code, program, insn, line: source?.line };
  }
  const { code, program, insn, source } = error as AotError;
  return { code, program, insn, line: source?.line };
};

const thrown = (body: () => unknown): unknown => {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe.each(Object.entries(CASES))('%s', (_, text) => {
  test('is told as by the compile engine', async () => {
    const spec = objectSpec([{ text, lines: LINES }], MAPS);
    using object = loadObject(spec, { host: memoryHost(), engine: 'compile', budget: BUDGET });
    const module = await loaded(await compiled(spec, { budget: BUDGET }));
    const packet = new Uint8Array(64);
    const expected = thrown(() => object.program().run({ data: packet }));
    const found = thrown(() => module.programs.main.run(packet));
    expect(finding(found)).toEqual(finding(expected));
    expect(finding(found).code).toMatch(/^run\//);
    // And again: what was stopped leaves nothing that stops the next.
    expect(finding(thrown(() => module.programs.main.run(packet)))).toEqual(finding(expected));
  });
});

test('the words of the stops that code makes itself', async () => {
  for (const name of ['a loop without end', 'recursion', 'a helper that the type does not have']) {
    const spec = objectSpec([{ text: CASES[name] }]);
    using object = loadObject(spec, { host: memoryHost(), engine: 'compile', budget: BUDGET });
    const module = await loaded(await compiled(spec, { budget: BUDGET }));
    const expected = thrown(() => object.program().run({ data: new Uint8Array(64) })) as AnyBpfError;
    const found = thrown(() => module.programs.main.run(new Uint8Array(64))) as AotError;
    expect(found.message).toContain(expected.diagnostic.message);
  }
});

test('trusted code that leaves the memory is stopped by WebAssembly, with its place', async () => {
  const spec = objectSpec([{ text: 'r1 = 0xfffffff0 ll\nr0 = *(u64 *)(r1 + 8)\nexit', lines: LINES }]);
  const module = await loaded(await compiled(spec, { trusted: true }));
  const found = thrown(() => module.programs.main.run(new Uint8Array(64)));
  expect(finding(found)).toEqual({ code: 'run/trap', program: 'main', insn: 2, line: 7 });
});

test('packets and contexts of sizes that make no sense', async () => {
  const module = await loaded(await compiled(example('drop-port/drop_port.bpf.o')));
  const program = module.programs.drop_port;
  const codes = [
    thrown(() => program.run(new Uint8Array(13))),
    thrown(() => program.run(new Uint8Array(70_000))),
    thrown(() => program.run()),
    thrown(() => program.run(new Uint8Array(64), new Uint8Array(25))),
    thrown(() => program.runBatch([new Uint8Array(5)])),
  ].map((error) => (error as AotError).code);
  expect(codes).toEqual(['aot/packet', 'aot/packet', 'aot/packet', 'aot/packet', 'aot/packet']);
  expect(program.runBatch([])).toHaveLength(0);
});

test('the exports themselves: a record of a run that was stopped is discarded by the next', async () => {
  const text = `
    r6 = *(u32 *)(r1 + 0)
    r1 = map[ring] ll
    r2 = 8
    r3 = 0
    call bpf_ringbuf_reserve
    r7 = r0
    if r6 == 0 goto fine
    r1 = 0xfffffff0 ll
    r0 = *(u64 *)(r1 + 8)
    fine:
    r1 = r7
    r2 = 0
    call bpf_ringbuf_submit
    r0 = r7
    exit`;
  const maps = [mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 })];
  const { wasm, record } = await compiled(objectSpec([{ text }], maps), { trusted: true });
  const { pages, maximum, openRecord } = record.memory;
  const memory = new WebAssembly.Memory({ initial: pages + 1, maximum });
  const host = new Proxy({}, { get: () => () => 0 });
  const { instance } = await WebAssembly.instantiate(wasm, {
    anybpf: { memory },
    main: host as WebAssembly.ModuleImports,
  });
  const run = instance.exports.run_main as (ctx: number) => number;
  const view = new DataView(memory.buffer);
  const ctx = pages * 65_536;
  view.setUint32(ctx, 1, true);
  expect(() => run(ctx)).toThrow(WebAssembly.RuntimeError);
  const left = view.getUint32(openRecord, true);
  expect(view.getUint32(left - RING.DATA, true)).toBe((RING.BUSY | 8) >>> 0);
  view.setUint32(ctx, 0, true);
  const next = run(ctx);
  expect(next).toBe(left + 16);
  expect(view.getUint32(left - RING.DATA, true)).toBe(RING.DISCARD | 8);
  expect(view.getUint32(next - RING.DATA, true)).toBe(8);
  expect(view.getUint32(openRecord, true)).toBe(0);
});
