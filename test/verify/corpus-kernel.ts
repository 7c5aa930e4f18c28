// Verdicts of the running kernel for programs of the corpus, beside ours.
import type { Verdict } from '../../src/verify/verify.ts';
import { NO_KERNEL_VERDICT, UNLIKE_LINUX } from '../known/corpus-verdicts.ts';
import { KernelObject, type KernelProgram } from '../support/kernel-object.ts';
import type { CorpusProgram } from './corpus.ts';

export interface Agreement {
  programs: number;
  acceptedByLinux: number;
  acceptedByBoth: number;
  refusedByBoth: number;
}

/** Loads each program into the kernel. The programs of an object lie side by side. */
export function kernelVerdicts(
  programs: readonly CorpusProgram[],
  visit: (program: CorpusProgram, loaded: KernelProgram, kernel: KernelObject) => void,
): void {
  let kernel: KernelObject | undefined;
  try {
    for (const program of programs) {
      if (kernel?.spec !== program.object) {
        kernel?.dispose();
        kernel = new KernelObject(program.object);
      }
      // Names are not unique in all objects.
      kernel.programs.delete(program.program.name);
      visit(program, kernel.load(program.program), kernel);
    }
  } finally {
    kernel?.dispose();
  }
}

/** How often both agree, and each difference that test/known does not explain. */
export function compareWithKernel(
  programs: readonly CorpusProgram[],
  verdictOf: (program: CorpusProgram) => Verdict,
): { readonly agreement: Agreement; readonly unlike: readonly string[] } {
  const agreement: Agreement = { programs: 0, acceptedByLinux: 0, acceptedByBoth: 0, refusedByBoth: 0 };
  const unlike: string[] = [];
  kernelVerdicts(programs, (program, { fd, reason }, kernel) => {
    const { id } = program;
    const ours = verdictOf(program);
    const accepted = ours.verdict === 'accepted';
    if (reason !== undefined) {
      if (NO_KERNEL_VERDICT[id] === undefined) unlike.push(`${id}: not offered to Linux: ${reason}`);
      return;
    }
    const linux = fd >= 0;
    agreement.programs++;
    if (linux) agreement.acceptedByLinux++;
    if (linux && accepted) agreement.acceptedByBoth++;
    if (!linux && !accepted) agreement.refusedByBoth++;
    if ((linux === accepted) === (UNLIKE_LINUX[id] === undefined)) return;
    unlike.push(
      linux === accepted
        ? `${id}: listed as unlike Linux, but both say ${linux ? 'accepted' : 'refused'}`
        : `${id}: ours ${ours.diagnostic?.message ?? 'accepted'}, Linux ${linux ? 'accepts' : kernel.explain(program.program.name)}`,
    );
  });
  return { agreement, unlike };
}
