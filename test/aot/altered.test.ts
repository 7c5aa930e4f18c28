// A module or loader that is not what the compiler wrote is refused, whatever of it was altered.
import { expect, test } from 'vitest';
import { openModule } from '../../src/aot/open.ts';
import { checkedRecord, recordSection } from '../../src/aot/loader/check.ts';
import { sealed, toBase64, withRecord } from '../../src/aot/record.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { Random } from '../support/random.ts';
import { bareFolder, compiled, example, inFolder, loaded } from './support.ts';

const OBJECT = example('drop-port/drop_port.bpf.o');
const original = await compiled(OBJECT);

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'accepted',
    (error: { readonly code?: string }) => error.code ?? String(error),
  );

const REFUSALS = ['aot/altered', 'aot/not-a-module'];

test('any byte', async () => {
  const random = new Random(7);
  const { wasm } = original;
  const positions = [0, 7, 8, wasm.length - 1, ...Array.from({ length: 300 }, () => random.below(wasm.length))];
  for (const at of positions) {
    const bytes = wasm.slice();
    bytes[at] ^= 1 << random.below(8);
    expect(REFUSALS, `byte ${at}`).toContain(await codeOf(loaded({ ...original, wasm: bytes })));
  }
});

test('bytes that are missing or too many', async () => {
  const { wasm } = original;
  for (const length of [0, 4, 8, 9, 100, wasm.length >> 1, wasm.length - 1]) {
    expect(REFUSALS, `${length} bytes`).toContain(await codeOf(loaded({ ...original, wasm: wasm.slice(0, length) })));
  }
  const longer = new Uint8Array(wasm.length + 1);
  longer.set(wasm);
  expect(REFUSALS).toContain(await codeOf(loaded({ ...original, wasm: longer })));
});

/** The module with another record, sealed as the compiler does. */
async function resealed(change: (record: Record<string, unknown>) => Record<string, unknown>) {
  const { start, text } = recordSection(original.wasm);
  const { digest: _digest, digests: _digests, ...body } = JSON.parse(text) as Record<string, unknown>;
  return sealed(original.wasm.subarray(0, start), change(body) as unknown as Parameters<typeof sealed>[1]);
}

test('a record of other instructions, with digests that agree, belongs to another loader', async () => {
  const other = await resealed((body) => ({
    ...body,
    programs: (body.programs as object[]).map((program) => ({ ...program, code: toBase64(new Uint8Array(16)) })),
  }));
  await expect(checkedRecord(other.bytes)).resolves.toBeDefined();
  expect(await codeOf(loaded({ ...original, wasm: other.bytes }))).toBe('aot/other-module');
});

test('other options and another platform change the digest', async () => {
  const budget = await compiled(OBJECT, { budget: 5 });
  const trusted = await compiled(OBJECT, { trusted: true });
  const digests = [original, budget, trusted].map(({ record }) => record.digest);
  expect(new Set(digests).size).toBe(3);
  expect(await codeOf(loaded({ ...original, wasm: budget.wasm }))).toBe('aot/other-module');
  expect(budget.record.digests.instructions).toBe(original.record.digests.instructions);
  expect(budget.record.digests.options).not.toBe(original.record.digests.options);
});

test('a record whose parts have other digests', async () => {
  for (const part of ['instructions', 'platform', 'options', 'module']) {
    const { bytes } = await resealed((body) => body);
    const { start, text } = recordSection(bytes);
    const record = JSON.parse(text) as { digests: Record<string, string>; digest?: string };
    record.digests[part] = '0'.repeat(64);
    const { digest: _digest, ...rest } = record;
    const { bytes: other } = await withRecord(bytes.subarray(0, start), rest);
    expect(await codeOf(checkedRecord(other)), part).toBe('aot/altered');
    expect(await codeOf(openModule(other, { host: memoryHost() })), part).toBe('aot/altered');
  }
});

test('a format of a later time', async () => {
  const { bytes } = await resealed((body) => ({ ...body, format: 2 }));
  expect(await codeOf(checkedRecord(bytes))).toBe('aot/format');
});

test('a loader beside the module of another object, or altered itself', async () => {
  const other = await compiled(example('lpm-block/lpm_block.bpf.o'));
  const script = `
    import { load } from './out.mjs';
    console.log(JSON.stringify(await load().then(() => 'accepted', (error) => [error.name, error.code])));
  `;
  using mixed = bareFolder({ ...other, wasm: original.wasm });
  expect(inFolder(mixed.path, script)).toEqual(['AotError', 'aot/other-module']);
  using altered = bareFolder({ ...original, record: { ...original.record, digest: '0'.repeat(64) } });
  expect(inFolder(altered.path, script)).toEqual(['AotError', 'aot/other-module']);
});

test('the same object and options give the same bytes', async () => {
  expect((await compiled(OBJECT)).wasm).toEqual(original.wasm);
  const hashed = example('tail-parser/tail_parser.bpf.o');
  expect((await compiled(hashed)).wasm).toEqual((await compiled(hashed)).wasm);
});
