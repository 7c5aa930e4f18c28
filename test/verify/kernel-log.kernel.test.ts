// The running kernel's own logs of refusals/*.bpf.o: read, and explained with the same code as our own refusal.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { kernelOpinions } from '../../src/hosts/linux/second-opinion.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { linkObject } from '../../src/link/link.ts';
import { explainKernelLog } from '../../src/verify/kernel-log/explain.ts';
import { parseKernelLog } from '../../src/verify/kernel-log/parse.ts';
import { verify } from '../../src/verify/verify.ts';
import { requireCapability } from '../support/capability.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

const FOLDER = path.join(PROJECT_ROOT, 'test/verify/refusals');
const NAMES = readdirSync(FOLDER).filter((file) => file.endsWith('.bpf.o'));

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('logs of the running kernel', () => {
  test.each(NAMES)('%s', (name) => {
    const object = linkObject(readFileSync(path.join(FOLDER, name)), { name });
    const [program] = object.programs;
    const own = verify(object, program, builtInPlatform('linux'));
    const [opinion] = kernelOpinions(object, [program]);
    expect(opinion.verdict).toBe(own.verdict);
    if (own.verdict === 'accepted') return;
    const logs = parseKernelLog(opinion.log ?? '');
    expect(logs).toHaveLength(1);
    const record = explainKernelLog(logs[0], name, () => false);
    expect(record).toMatchObject({ verdict: 'refused', code: own.diagnostic?.code });
    expect(record.visited).toBeGreaterThan(0);
    // Whole chains of calls are refused at their beginning by us, and at the end of the walk by the kernel.
    if (record.code !== 'verify/stack-limit') expect(record.instruction?.slot).toBe(own.diagnostic?.place.insn);
  });
});
