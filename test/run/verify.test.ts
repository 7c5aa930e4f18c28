// The verifier in the loader: what is verified when, what back ends then leave out, and what they must not.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { type LoadOptions, loadObject } from '../../src/run/loader.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import { ipv4Frame, loadText, mapSpec, objectSpec, type ProgramText } from './support.ts';

const PASS = 'r0 = 2\n exit';
/** Reads the first packet byte without asking how long the packet is. */
const REFUSED = 'r1 = *(u32 *)(r1 + 0)\n r0 = *(u8 *)(r1 + 0)\n exit';
/** The same, verified. */
const ACCEPTED = `r2 = *(u32 *)(r1 + 4)
  r1 = *(u32 *)(r1 + 0)
  r0 = 0
  r3 = r1
  r3 += 1
  if r3 > r2 goto end
  r0 = *(u8 *)(r1 + 0)
  end: exit`;
const ENDLESS = 'loop: r0 += 1\n goto loop';

const data = ipv4Frame();
const compiled = (options: Partial<LoadOptions> = {}): Partial<LoadOptions> => ({ engine: 'compile', ...options });

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof AnyBpfError) return error.diagnostic.code;
    throw error;
  }
};

/** Whether runs come in without the host: only code without any checks has such an entry. */
const entersAlone = (object: ReturnType<typeof loadText>, name?: string): boolean =>
  object.program(name).prepare({ data }).enter.name !== 'enter' &&
  /^\d+$/.test(object.program(name).prepare({ data }).enter.name);

describe('verify', () => {
  test.each([
    ['off', ACCEPTED, undefined, false],
    ['prefer', ACCEPTED, 'accepted', true],
    ['require', ACCEPTED, 'accepted', true],
    ['off', REFUSED, undefined, false],
    ['prefer', REFUSED, 'refused', false],
    ['prefer', ENDLESS, 'refused', false],
  ] as const)('%s: %s', (verify, text, verdict, alone) => {
    using object = loadText('xdp', text, { options: compiled({ verify }) });
    const program = object.program();
    expect(program.diagnostic).toBeUndefined();
    expect(program.verdict?.verdict).toBe(verdict);
    expect(entersAlone(object)).toBe(alone);
    if (text !== ENDLESS) expect(program.run({ data }).retval).toBe(data[0]);
    else expect(codeOf(() => program.run({ data }))).toBe('run/budget');
  });

  test('require: what is refused is not loaded, and says why', () => {
    using object = loadText('xdp', REFUSED, { options: { verify: 'require' } });
    const program = object.program();
    expect(program.diagnostic).toMatchObject({ code: 'verify/packet-bounds', place: { program: 'main', insn: 1 } });
    expect(object.diagnostics.map(({ code }) => code)).toEqual(['verify/packet-bounds']);
    expect(codeOf(() => program.run({ data }))).toBe('verify/packet-bounds');
    expect(program.verdict?.verdict).toBe('refused');
  });

  test('require: what is refused does not get into a prog_array', () => {
    const maps = [mapSpec('jumps', 'prog_array', { slots: [{ index: 0, kind: 'program', target: 'bad' }] })];
    const programs = [
      { name: 'good', text: PASS },
      { name: 'bad', text: REFUSED },
    ];
    using object = loadObject(objectSpec(programs, maps), { host: memoryHost(), verify: 'require' });
    expect(object.map('jumps').get(0)).toBeUndefined();
    expect(object.diagnostics.map(({ code }) => code)).toEqual(['verify/packet-bounds', 'run/slot']);
  });

  test('prefer: nothing is verified before the compiler is chosen', () => {
    const engines: EngineName[] = ['reference', 'interpret'];
    for (const engine of engines) {
      using object = loadText('xdp', ACCEPTED, { options: { engine, verifyLimits: { visits: 0, time: 0 } } });
      expect(object.program().run({ data }).retval).toBe(data[0]);
      expect(object.program().verdict?.verdict).toBe('budget');
    }
  });

  test('prefer: what is not decided within the limits runs with checks', () => {
    using object = loadText('xdp', ACCEPTED, { options: compiled({ verifyLimits: { visits: 3, time: 1000 } }) });
    expect(object.program().verdict).toMatchObject({ verdict: 'budget', diagnostic: { code: 'verify/budget' } });
    expect(entersAlone(object)).toBe(false);
    expect(object.program().run({ data }).retval).toBe(data[0]);
  });

  test('an option that is none', () => {
    expect(codeOf(() => loadText('xdp', PASS, { options: { verify: 'maybe' as 'off' } }))).toBe('run/option');
  });
});
