// Refusals that a run shows: the objects of test/verify/refusals, and examples that nothing can be shown of.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { linkObject } from '../../src/link/link.ts';
import { loadObject } from '../../src/run/loader.ts';
import { witnessOf } from '../../src/run/witness.ts';
import { DEFAULT_LIMITS, verify } from '../../src/verify/verify.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

function refusal(name: string) {
  const bytes = readFileSync(path.join(PROJECT_ROOT, `test/verify/refusals/${name}.bpf.o`));
  const object = linkObject(bytes, { name });
  const [spec] = object.programs;
  const { diagnostic } = verify(object, spec, builtInPlatform(object.dialect), { ...DEFAULT_LIMITS, strict: true });
  if (diagnostic === undefined) throw new Error(`${name} is accepted`);
  const { code, place } = diagnostic;
  return { object, spec, code, slot: place.insn ?? -1 };
}

test.each([
  'missing-null-check',
  'short-check',
  'wrong-pointer',
  'late-check',
  'in-function',
  'wide-index',
  'unchecked-size',
])('%s: a run is aborted at the refused instruction', (name) => {
  const { object, spec, code, slot } = refusal(name);
  const witness = witnessOf(object, spec, code, slot, memoryHost());
  expect(witness?.aborted).toMatchObject({ place: { program: spec.name, insn: slot } });
  // Whoever is shown it can have it again.
  using loaded = loadObject(object, { host: memoryHost(), engine: 'reference', verify: 'off' });
  const data = witness?.data;
  const run = () => loaded.program(spec.name).run(data === undefined ? {} : { data, limits: 'device' });
  expect(run).toThrow(expect.objectContaining({ code: witness?.aborted.code }));
});

test('endless-loop: a run does not end', () => {
  const { object, spec, code, slot } = refusal('endless-loop');
  expect(witnessOf(object, spec, code, slot, memoryHost())?.aborted.code).toBe('run/budget');
});

test('nothing is shown of what no run can show', () => {
  for (const name of ['leaked-record', 'helper-not-allowed', 'large-stack', 'padding', 'wrong-return']) {
    const { object, spec, code, slot } = refusal(name);
    expect(witnessOf(object, spec, code, slot, memoryHost()), name).toBeUndefined();
  }
});

test('nothing is shown of an instruction that does right', () => {
  const { object, spec } = refusal('short-check');
  expect(witnessOf(object, spec, 'verify/packet-bounds', 0, memoryHost())).toBeUndefined();
});
