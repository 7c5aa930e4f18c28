// Certificates in compiled modules and in loaders: checked where a program comes from, instead of another analysis.
import { describe, expect, it } from 'vitest';
import { compileAhead } from '../../src/aot/compile.ts';
import { openModule } from '../../src/aot/open.ts';
import { sealed } from '../../src/aot/record.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { verify } from '../../src/verify/verify.ts';
import type { Certificate } from '../../src/verify/check/format.ts';
import { programOf } from '../verify/support.ts';

const { object, program } = programOf(
  `
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)
  r4 = r2
  r4 += 14
  if r4 > r3 goto out
  r0 = *(u8 *)(r2 + 0)
  r6 = 0
loop:
  r6 += 1
  if r6 < 100000 goto loop
  r0 = 2
  exit
out:
  r0 = 1
  exit`,
  { type: 'xdp' },
);
const host = memoryHost();
const certificateOf = (): Certificate => {
  const found = verify(object, program, host.platform('linux'), { visits: 100_000, time: 5_000, certificate: true });
  if (found.certificate === undefined) throw new Error('no certificate');
  return found.certificate;
};

/** The limits allow for no analysis. */
const NOTHING = { visits: 1, time: 5_000 };

const load = (certificates?: Record<string, unknown>) =>
  loadObject(object, { host, verify: 'require', verifyLimits: NOTHING, ...(certificates && { certificates }) });

describe('certificates', () => {
  it('spare the loader the analysis', () => {
    using without = load();
    expect(without.program('test').verdict?.verdict).toBe('budget');
    const certificate = certificateOf();
    using shown = load({ test: JSON.parse(JSON.stringify(certificate)) });
    expect(shown.program('test').verdict).toMatchObject({ verdict: 'accepted', visits: certificate.visits });
    expect(shown.program('test').run({ data: new Uint8Array(64) }).retval).toBe(2);
    using wrong = load({ test: { ...certificate, points: [] } });
    expect(wrong.program('test').verdict?.verdict).toBe('budget');
    using ofAnother = load({ other: certificate });
    expect(ofAnother.program('test').verdict?.verdict).toBe('budget');
  });

  it('are in a module that is asked for them, and are checked when it is opened', async () => {
    const { wasm, record } = await compileAhead(object, { host, certificates: true });
    const [{ certificate }] = record.programs;
    expect(certificate).toMatchObject({ format: 1 });
    using opened = await openModule(wasm, { host: memoryHost() });
    expect(opened.program('test').verdict).toMatchObject({
      verdict: 'accepted',
      visits: (certificate as Certificate).visits,
    });
    expect(opened.program('test').run({ data: new Uint8Array(64) }).retval).toBe(2);
    const plain = await compileAhead(object, { host });
    expect(plain.record.programs[0].certificate).toBeUndefined();
  });

  it('do not let a module through whose instructions are not those that were verified', async () => {
    const { wasm, record } = await compileAhead(object, { host, certificates: true });
    const { digest: _digest, digests: _digests, ...body } = record;
    // Without the check of the packet's end, sealed again as who can replace files would do.
    const code = program.code.slice();
    code.set([0x05, 0, 0, 0, 0, 0, 0, 0], 4 * 8);
    const programs = [{ ...record.programs[0], code: btoa(String.fromCharCode(...code)) }];
    const { bytes } = await sealed(moduleOf(wasm), { ...body, programs });
    await expect(openModule(bytes, { host: memoryHost() })).rejects.toMatchObject({ code: 'aot/certificate' });
  });
});

/** The bytes before the record: the last custom section. */
function moduleOf(wasm: Uint8Array): Uint8Array {
  let at = 8;
  for (;;) {
    const start = at;
    const id = wasm[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++];
      size += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at += size;
    if (id === 0 && at >= wasm.length) return wasm.subarray(0, start);
  }
}
