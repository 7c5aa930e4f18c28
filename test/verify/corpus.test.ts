// Every program of the corpus objects: verdicts, held to test/known/corpus-verdicts.ts and to the running kernel's.
import { describe, expect, it } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { type Verdict, verify } from '../../src/verify/verify.ts';
import { HARMLESS, REFUSED } from '../known/corpus-verdicts.ts';
import { kernelCapability } from '../support/bpf.ts';
import { type CorpusProgram, corpusPrograms } from './corpus.ts';
import { compareWithKernel } from './corpus-kernel.ts';

const platform = builtInPlatform('linux');
const corpus = corpusPrograms();

/** Objects whose programs the kernel takes long for: test:long compares them. */
const LARGE: ReadonlySet<string> = new Set(['cilium', 'cilium-core', 'falco']);

/** Names of objects that say what is wrong with them. */
const FAULTY_NAME =
  /^build\/(\w*bad\w*|\w*(over|under)flow|[\w-]*overrun|exposeptr\d?|null\w+|infinite_loop|divzero|ptr_arith|ctxoffset|\w*reallocate|\w*uninit)\.o /;

describe.skipIf('reason' in corpus)('corpus objects', () => {
  const programs = 'reason' in corpus ? [] : corpus;
  const verdicts = new Map<CorpusProgram, Verdict>();
  const verdictOf = (p: CorpusProgram): Verdict => {
    let verdict = verdicts.get(p);
    if (verdict === undefined) {
      verdict = verify(p.object, p.program, platform);
      verdicts.set(p, verdict);
    }
    return verdict;
  };

  it('accepts all but those that are known to be wrong', () => {
    expect(programs.length).toBeGreaterThan(450);
    const refused = programs.flatMap((p) => {
      const { verdict, diagnostic } = verdictOf(p);
      return verdict === 'accepted' ? [] : [[p.id, diagnostic?.code]];
    });
    expect(Object.fromEntries(refused)).toEqual(REFUSED);
  }, 180_000);

  it.each(['cilium', 'cilium-core', 'ovs', 'suricata'])('accepts all of %s', (folder) => {
    const own = programs.filter((p) => p.folder === folder);
    expect(own.length).toBeGreaterThan(3);
    expect(own.filter((p) => verdictOf(p).verdict !== 'accepted').map((p) => p.id)).toEqual([]);
  });

  it('refuses each program that is named after a fault, unless reading shows that it has none', () => {
    const named = programs.filter((p) => FAULTY_NAME.test(p.id)).map((p) => p.id);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((id) => REFUSED[id] === undefined).sort()).toEqual(Object.keys(HARMLESS).sort());
  });

  it('accepts a program of which Linux sees no end', () => {
    const found = programs.filter((p) => p.program.name === 'bpf_proc_startupdate_2');
    expect(found.map((p) => verdictOf(p).verdict)).toEqual(['accepted']);
  });

  it('refuses a packet that is used after it moved, in a program that may read it', () => {
    const found = programs.filter((p) => p.program.name === 'reallocate_invalidates');
    expect(found.map((p) => verify(p.object, { ...p.program, type: 'sched_cls' }, platform).diagnostic?.code)).toEqual([
      'verify/not-a-pointer',
    ]);
  });

  it.skipIf(!kernelCapability().ok)('gives the small ones the verdict that Linux does', () => {
    const small = programs.filter((p) => !LARGE.has(p.folder));
    const { agreement, unlike } = compareWithKernel(small, verdictOf);
    expect(unlike).toEqual([]);
    expect(agreement.acceptedByLinux).toBeGreaterThan(200);
    expect(agreement.acceptedByBoth / agreement.acceptedByLinux).toBeGreaterThanOrEqual(0.98);
  });
});

if ('reason' in corpus) it.skip(corpus.reason);
