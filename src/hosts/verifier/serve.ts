// The verifier's side: reads the object, verifies its programs one by one, and says so before and after each.
import { AnyBpfError, type Diagnostic, fail } from '../../base/diagnostic.ts';
import { noSuchProgram } from '../../base/messages/cli.ts';
import { notRelocated } from '../../base/messages/verify.ts';
import type { Btf } from '../../btf/btf.ts';
import type { CoreCache } from '../../btf/core.ts';
import { relocateProgram } from '../../link/core.ts';
import { linkObject } from '../../link/link.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Limits, Observe } from '../../verify/engine.ts';
import { verifyAndExplain } from '../../verify/explain/explain.ts';
import { recordOf, type VerifyRecord } from '../../verify/report/record.ts';
import { DEFAULT_LIMITS, type Verdict } from '../../verify/verify.ts';
import { kernelBtf } from '../kernel-btf.ts';
import { builtInPlatform } from '../platform.ts';
import type { VerifierMessage, VerifyRequest } from './protocol.ts';

/** Answers a request; never raises. What is sent must be on its way before this goes on: it may take all the time that it has. */
export function serve(request: VerifyRequest, send: (message: VerifierMessage) => void): void {
  try {
    const { chosen, ...against } = open(request);
    send({ kind: 'programs', programs: chosen.map(({ name, section, type }) => ({ name, section, type })) });
    const cache: CoreCache = new Map();
    const limits = request.limits === undefined ? {} : { limits: request.limits };
    for (let program = request.from ?? 0; program < chosen.length; program++) {
      send({ kind: 'begin', program });
      send({ kind: 'verdict', program, record: verifiedRecord(against, chosen[program], { ...limits, cache }) });
    }
    send({ kind: 'done' });
  } catch (error) {
    if (error instanceof AnyBpfError) send({ kind: 'failed', diagnostic: error.diagnostic });
    else send({ kind: 'bug', stack: String((error as Error).stack ?? error) });
  }
}

function open({
  object: bytes,
  name = 'object',
  programs,
  programType,
  kernelTypes,
}: VerifyRequest): Opened & { readonly chosen: readonly ProgramSpec[] } {
  let object = linkObject(bytes, { name });
  const without = object.programs.filter(({ type }) => type === 'unspec');
  if (programType !== undefined && without.length > 0) {
    const types = Object.fromEntries(without.map((program) => [program.name, programType]));
    object = linkObject(bytes, { name, programType: types });
  }
  const known = object.programs;
  const chosen = programs?.map(
    (wanted) =>
      known.find((program) => program.name === wanted) ??
      known.find((program) => program.section === wanted) ??
      fail(
        noSuchProgram(
          { file: name },
          wanted,
          known.map((program) => program.name),
        ),
      ),
  );
  const target = kernelTypes === undefined ? undefined : kernelBtf(kernelTypes, { file: name });
  return { name, object, chosen: chosen ?? known, target };
}

/** What the programs of an object are verified against. */
export interface Opened {
  /** Name of the object file, for records. */
  readonly name: string;
  readonly object: ObjectSpec;
  /** Types of the kernel that CO-RE relocations are resolved against. */
  readonly target: Btf | undefined;
}

/** CO-RE relocations resolved, where there is something to resolve them against. */
export const relocated = ({ object: { btf }, target }: Opened, spec: ProgramSpec, cache?: CoreCache): ProgramSpec =>
  btf === undefined || target === undefined ? spec : relocateProgram(spec, btf, [target], cache);

/** Verifies one program. @param now a clock in milliseconds */
export function verifiedRecord(
  opened: Opened,
  original: ProgramSpec,
  { limits = DEFAULT_LIMITS, observe, cache, now = () => performance.now() }: RecordOptions = {},
): VerifyRecord {
  const { name, object, target } = opened;
  const spec = relocated(opened, original, cache);
  const start = now();
  const verdict: Verdict =
    spec.unsupported === undefined
      ? verifyAndExplain(object, spec, builtInPlatform(object.dialect), limits, observe)
      : { verdict: 'refused', diagnostic: spec.unsupported, visits: 0, states: 0 };
  const unresolved = spec.core.length > 0 && target === undefined;
  const warnings: readonly Diagnostic[] = [
    ...(unresolved ? [notRelocated({ program: spec.name }, spec.core.length)] : []),
    ...object.diagnostics.filter((d) => d.severity === 'warning' && d.place.program === spec.name),
  ];
  return recordOf(name, spec, verdict, (now() - start) * 1000, warnings);
}

export interface RecordOptions {
  readonly limits?: Limits;
  readonly observe?: Observe | undefined;
  readonly cache?: CoreCache;
  now?(): number;
}
