// The verifier's side: reads the object, verifies its programs one by one, and says so before and after each.
import { AnyBpfError, type Diagnostic, fail } from '../../base/diagnostic.ts';
import { noSuchProgram } from '../../base/messages/cli.ts';
import { notRelocated } from '../../base/messages/verify.ts';
import type { Btf } from '../../btf/btf.ts';
import type { CoreCache } from '../../btf/core.ts';
import { relocateProgram } from '../../link/core.ts';
import { linkObject } from '../../link/link.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import { verifyAndExplain } from '../../verify/explain/explain.ts';
import { recordOf, type VerifyRecord } from '../../verify/report/record.ts';
import { DEFAULT_LIMITS, type Verdict } from '../../verify/verify.ts';
import { kernelBtf } from '../kernel-btf.ts';
import { builtInPlatform } from '../platform.ts';
import type { VerifierMessage, VerifyRequest } from './protocol.ts';

/** Answers a request; never raises. What is sent must be on its way before this goes on: it may take all the time that it has. */
export function serve(request: VerifyRequest, send: (message: VerifierMessage) => void): void {
  try {
    const { object, chosen, target } = opened(request);
    send({ kind: 'programs', programs: chosen.map(({ name, section, type }) => ({ name, section, type })) });
    const cache: CoreCache = new Map();
    for (let program = request.from ?? 0; program < chosen.length; program++) {
      send({ kind: 'begin', program });
      send({ kind: 'verdict', program, record: recordFor(request, object, chosen[program], target, cache) });
    }
    send({ kind: 'done' });
  } catch (error) {
    if (error instanceof AnyBpfError) send({ kind: 'failed', diagnostic: error.diagnostic });
    else send({ kind: 'bug', stack: String((error as Error).stack ?? error) });
  }
}

interface Opened {
  readonly object: ObjectSpec;
  readonly chosen: readonly ProgramSpec[];
  readonly target: Btf | undefined;
}

function opened({ object: bytes, name = 'object', programs, programType, kernelTypes }: VerifyRequest): Opened {
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
  return { object, chosen: chosen ?? known, target };
}

function recordFor(
  { name = 'object', limits = DEFAULT_LIMITS }: VerifyRequest,
  object: ObjectSpec,
  original: ProgramSpec,
  target: Btf | undefined,
  cache: CoreCache,
): VerifyRecord {
  const { btf } = object;
  const spec = btf === undefined || target === undefined ? original : relocateProgram(original, btf, [target], cache);
  const start = performance.now();
  const verdict: Verdict =
    spec.unsupported === undefined
      ? verifyAndExplain(object, spec, builtInPlatform(object.dialect), limits)
      : { verdict: 'refused', diagnostic: spec.unsupported, visits: 0, states: 0 };
  const unresolved = spec.core.length > 0 && target === undefined;
  const warnings: readonly Diagnostic[] = [
    ...(unresolved ? [notRelocated({ program: spec.name }, spec.core.length)] : []),
    ...object.diagnostics.filter((d) => d.severity === 'warning' && d.place.program === spec.name),
  ];
  return recordOf(name, spec, verdict, (performance.now() - start) * 1000, warnings);
}
