import { describe, expect, it } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { KERNEL_FAULTS } from '../known/kernel-faults.ts';
import { close, progLoad, progTestRun } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { assembleObject } from './assembled.ts';

/** Keeps a state at every jump target, so that the verifier's pruning does not depend on the program's length. */
const BPF_F_TEST_STATE_FREQ = 1 << 3;
const noKernel = requireCapability('kernel-bpf') !== undefined;

describe.each(KERNEL_FAULTS)('$title', ({ title, text, right, wrong }) => {
  const spec = assembleObject('xdp', [{ name: 'fault', text }], []);
  const data = new Uint8Array(64);

  it('does not here', () => {
    const loaded = loadObject(spec, { host: memoryHost() });
    expect(loaded.program('fault').run({ data }).retval).toBe(right);
    loaded[Symbol.dispose]();
  });

  it.skipIf(noKernel)('does in the kernels that are known, and nothing else', () => {
    const { fd } = progLoad({ type: 'xdp', code: spec.programs[0].code, license: 'GPL', flags: BPF_F_TEST_STATE_FREQ });
    expect(fd).toBeGreaterThan(0);
    const { retval } = progTestRun(fd, { data });
    close(fd);
    expect([right, wrong]).toContain(retval);
    if (retval === right) console.log(`this kernel has no longer the fault that ${title}`);
  });
});
