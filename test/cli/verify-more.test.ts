// anybpf verify --target and --against kernel: text, and JSON against its schema.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { requireCapability } from '../support/capability.ts';
import { violations } from '../support/json-schema.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { anybpf, example, FOLDERS } from './support.ts';

const SCHEMA = JSON.parse(readFileSync(path.join(PROJECT_ROOT, 'docs/schema/verify.schema.json'), 'utf8'));
const WIDE = 'test/verify/refusals/wide-index.bpf.o';
const still = { times: [0] };

describe('--target', () => {
  test.each(['linux-5.15', 'linux-6.12', 'anybpf'])('%s has all that the examples need', async (target) => {
    for (const folder of FOLDERS) {
      const { code, out } = await anybpf(['verify', example(folder), '--target', target], still);
      expect(code).toBe(0);
      expect(out).toContain(`  prediction for ${target}: nothing is lacking\n`);
    }
  });

  test('what is lacking, as text and as JSON', async () => {
    const file = example('sampler');
    const { out } = await anybpf(['verify', file, '--target', 'windows'], still);
    expect(out).toContain('  prediction for windows: it lacks\n    helper bpf_ringbuf_reserve (instruction ');
    const json = await anybpf(['verify', file, '--target', 'windows', '--json'], still);
    const data = JSON.parse(json.out);
    expect(violations(data, SCHEMA)).toEqual([]);
    expect(data.programs[0].target).toMatchObject({ name: 'windows', prediction: true });
    expect(data.programs[0].target.lacks.length).toBeGreaterThan(0);
  });

  test('does not change the verdict or the exit code', async () => {
    expect((await anybpf(['verify', example('sampler'), '--target', 'windows'], still)).code).toBe(0);
    expect((await anybpf(['verify', WIDE, '--target', 'anybpf'], still)).code).toBe(1);
  });

  test('a system that is none', async () => {
    const { code, err } = await anybpf(['verify', WIDE, '--target', 'linux-4.4']);
    expect([code, err]).toEqual([2, expect.stringContaining('linux-5.15')]);
  });
});

const missing = requireCapability('kernel-bpf');

describe.skipIf(missing !== undefined)('--against kernel', () => {
  test('both verdicts, side by side', async () => {
    const { code, out } = await anybpf(['verify', WIDE, '--against', 'kernel'], still);
    expect(code).toBe(1);
    expect(out).toContain('wide_index (xdp): refused');
    expect(out).toMatch(/ {2}Linux \d\S+: refused: .*\[verify\/bounds\] at\s+instruction 18/);
    expect(out.replace(/\s+/g, ' ')).toContain('it says: invalid access to map value');
  });

  test.each(FOLDERS)('accepts the example %s', async (folder) => {
    const { out } = await anybpf(['verify', example(folder), '--against', 'kernel', '--json'], still);
    const data = JSON.parse(out);
    expect(violations(data, SCHEMA)).toEqual([]);
    for (const { against } of data.programs) expect(against).toMatchObject({ verdict: 'accepted' });
  });

  test('JSON of a refusal is what the schema says', async () => {
    const { out } = await anybpf(['verify', WIDE, '--against', 'kernel', '--target', 'windows', '--json'], still);
    const data = JSON.parse(out);
    expect(violations(data, SCHEMA)).toEqual([]);
    expect(data.programs[0].against).toMatchObject({
      verdict: 'refused',
      code: 'verify/bounds',
      instruction: { slot: 18 },
      kernel: expect.any(Array),
    });
  });
});

test.skipIf(missing === undefined)('--against kernel where it cannot be asked', async () => {
  const { code, err } = await anybpf(['verify', WIDE, '--against', 'kernel'], still);
  expect([code, err]).toEqual([1, expect.stringContaining('[verify/no-kernel]')]);
});
