// The known bug classes of verifiers as programs of our own: each refused, and its twin without the fault accepted. Linux is asked
// too, where it can be.
import { describe, expect, it } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { verify } from '../../src/verify/verify.ts';
import { kernelCapability } from '../support/bpf.ts';
import { KernelObject } from '../support/kernel-object.ts';
import { CONTROL } from './bug-classes/control.ts';
import type { Variant } from './bug-classes/frame.ts';
import { NUMBERS } from './bug-classes/numbers.ts';
import { POINTERS } from './bug-classes/pointers.ts';
import { programOf } from './support.ts';

const CLASSES = [...NUMBERS, ...POINTERS, ...CONTROL].sort((a, b) => a.number - b.number);
const platform = builtInPlatform('linux');

const verdictOf = ({ text, options }: Variant): string => {
  const { object, program } = programOf(text, options);
  const { verdict, diagnostic } = verify(object, program, platform);
  return verdict === 'accepted' ? 'accepted' : `${diagnostic?.code}`;
};

/** What Linux says: `accepted`, `refused`, or, where it is asked to explain, the end of its log. */
function linuxVerdict({ text, options }: Variant, explain = false): string {
  const { object, program } = programOf(text, options);
  const kernel = new KernelObject(object);
  try {
    const { fd, reason } = kernel.load(program);
    if (reason !== undefined) throw new Error(reason);
    if (fd >= 0) return 'accepted';
    return explain ? kernel.explain(program.name) : 'refused';
  } finally {
    kernel.dispose();
  }
}

describe.each(CLASSES.map((c) => [`${c.number}: ${c.name} (${c.source})`, c] as const))('%s', (_title, bugClass) => {
  const { variants, twins } = bugClass;

  it('has ten variants and more', () => {
    expect(new Set(variants.map(({ text }) => text)).size).toBeGreaterThanOrEqual(10);
  });

  it('refuses all of them', () => {
    const accepted = variants.filter((v) => !/^(verify|flow|isa)\//.test(verdictOf(v)));
    expect(accepted.map(({ name, text }) => `${name}\n${text}`)).toEqual([]);
    // The refusal is about what is wrong, not about how the program is put together.
    expect(variants.map(verdictOf)).not.toContain('verify/budget');
  });

  it.skipIf(twins.length === 0)('accepts them without the fault', () => {
    const refused = twins.map((v) => [v, verdictOf(v)] as const).filter(([, verdict]) => verdict !== 'accepted');
    expect(refused.map(([{ name, text }, verdict]) => `${name}: ${verdict}\n${text}`)).toEqual([]);
  });

  it.skipIf(!kernelCapability().ok)(
    'agrees with Linux',
    () => {
      const unlike = [
        ...variants.flatMap((v) =>
          (linuxVerdict(v) === 'accepted') === (v.linuxAccepts === undefined) ? [`variant ${v.name}\n${v.text}`] : [],
        ),
        ...twins.flatMap((v) => {
          const verdict = linuxVerdict(v, true);
          return verdict === 'accepted' ? [] : [`twin ${v.name}\n${v.text}\n${verdict}`];
        }),
      ];
      expect(unlike).toEqual([]);
      // Linux follows loops without an end for a million instructions.
    },
    120_000,
  );
});
