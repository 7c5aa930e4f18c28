// anybpf verify, in the verifier's own process.
import { createVerifierProcess } from '../hosts/node/verify-process.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import type { Limits } from '../verify/engine.ts';
import type { VerifyRecord } from '../verify/report/record.ts';
import { DEFAULT_LIMITS } from '../verify/verify.ts';
import { readWhole } from './files.ts';

interface BesideOptions {
  readonly program?: string;
  readonly programType?: ProgramTypeName;
  readonly btf?: string;
  readonly budget: number;
  readonly strict?: boolean;
}

export const limitsOf = ({ budget, strict = false }: Pick<BesideOptions, 'budget' | 'strict'>): Limits => ({
  ...DEFAULT_LIMITS,
  visits: budget,
  ...(strict ? { strict } : {}),
});

/** Reading the object is the other process's work too: nothing of it is looked at here. */
export async function verifiedBeside(
  file: string,
  { program, programType, btf, ...limits }: BesideOptions,
): Promise<readonly VerifyRecord[]> {
  const object = await readWhole(file);
  const kernelTypes = btf === undefined ? undefined : await readWhole(btf);
  using verifier = createVerifierProcess();
  return await verifier.verify({
    object,
    name: file,
    limits: limitsOf(limits),
    ...(program === undefined ? {} : { programs: [program] }),
    ...(programType === undefined ? {} : { programType }),
    ...(kernelTypes === undefined ? {} : { kernelTypes }),
  });
}
