// BPF_PROG_LOAD, and what its refusal means: the verifier's log in the words of our own explanations.
import { type Diagnostic, fail, type Place } from '../../base/diagnostic.ts';
import { kernelRefused, noTarget } from '../../base/messages/linux-host.ts';
import { refused } from '../../base/messages/session.ts';
import { ERRNO, errnoName } from '../../spec/errno.ts';
import type { AttachTypeName, ProgramTypeName } from '../../spec/program-types.ts';
import type { Fd } from '../../spec/session.ts';
import { explainKernelLog } from '../../verify/kernel-log/explain.ts';
import { parseKernelLog } from '../../verify/kernel-log/parse.ts';
import { builtInPlatform } from '../platform.ts';
import { type ProgramAttributes, progLoad } from './bpf.ts';
import { kernelTypes } from './kernel-types.ts';

/** What a program is loaded for, in the kernel's types: the name of a type, with a part before it. */
const ATTACH_BTF: { readonly [A in AttachTypeName]?: readonly [kind: 'typedef' | 'func', before: string] } = {
  trace_raw_tp: ['typedef', 'btf_trace_'],
  trace_iter: ['func', 'bpf_iter_'],
  lsm_mac: ['func', 'bpf_lsm_'],
  lsm_cgroup: ['func', 'bpf_lsm_'],
  trace_fentry: ['func', ''],
  trace_fexit: ['func', ''],
  modify_return: ['func', ''],
  trace_fsession: ['func', ''],
};
const WITH_TARGET: ReadonlySet<ProgramTypeName> = new Set(['tracing', 'lsm']);

/** Id of the type that a program of these types is loaded for; undefined for others. */
export function attachBtfId(
  {
    type,
    attachType,
    target,
  }: { type: ProgramTypeName; attachType?: AttachTypeName | undefined; target?: string | undefined },
  operation: string,
  place: Place,
): number | undefined {
  const row = attachType === undefined ? undefined : ATTACH_BTF[attachType];
  if (!WITH_TARGET.has(type) || row === undefined) return undefined;
  if (target === undefined || target === '')
    return fail(
      noTarget(place, `a program of type ${type} is loaded for something in the kernel: its section must name it`),
    );
  const [kind, before] = row;
  const id = kernelTypes(operation).findByName(before + target, kind);
  return id ?? fail({ ...noTarget(place, `the kernel has no ${kind} ${before}${target}`), errno: ERRNO.ESRCH });
}

/**
 * Loads a program. Where it is refused it is offered again with a log.
 *
 * @throws AnyBpfError with the kernel's errno: the finding of its verifier, where that has spoken
 */
export function loadProgram(attributes: ProgramAttributes, operation: string, place: Place): Fd {
  const { fd } = progLoad(attributes);
  if (fd >= 0) return fd;
  // BTF that the kernel will not take with this program is no reason to have no program (libbpf does the same with old kernels).
  const { btfFd: _btf, funcInfo: _functions, lineInfo: _lines, ...plain } = attributes;
  if (fd === -ERRNO.EINVAL && attributes.funcInfo !== undefined) {
    const again = progLoad(plain);
    if (again.fd >= 0) return again.fd;
  }
  const { fd: status, log } = progLoad({ ...attributes, logLevel: 1 });
  // It may have been a matter of memory, or of time.
  if (status >= 0) return status;
  return fail(refusal(status, log, operation, place));
}

/** Of Linux's helpers. */
const movesPacket = (helper: string): boolean =>
  builtInPlatform('linux').families.some(({ helpers }) =>
    helpers.some((row) => `bpf_${row.name}` === helper && row.changesPacket === true),
  );

/** Lines of a log that are told where nobody can read it. */
const LAST_LINES = 3;

function refusal(status: number, log: string, operation: string, place: Place): Diagnostic {
  const errno = -status;
  if (log.trim() === '') return refused(place, operation, errno, errnoName(status), whyWithoutLog(status));
  const [parsed] = parseKernelLog(log);
  if (parsed === undefined || parsed.messages.length === 0) {
    const told = log.trim().split('\n').slice(-LAST_LINES).join('; ');
    return { ...kernelRefused(place, `the kernel refuses the program: ${told}`), errno };
  }
  const {
    code,
    message = '',
    kernel = [],
    instruction,
    source,
    explanation,
  } = explainKernelLog(parsed, '', movesPacket);
  const said = kernel[0] === undefined || message.includes(kernel[0]) ? '' : `; the kernel says: ${kernel[0]}`;
  return {
    code: code ?? kernelRefused.of.code,
    severity: 'error',
    message: message + said,
    place: {
      ...place,
      ...(instruction === undefined ? {} : { insn: instruction.slot }),
      ...(source === undefined ? {} : { source }),
    },
    ...(explanation?.fix === undefined ? {} : { hint: explanation.fix.text }),
    errno,
  };
}

/** What the kernel refuses before its verifier. */
function whyWithoutLog(status: number): string | undefined {
  if (status === -ERRNO.EPERM) return 'the kernel lets this process load no such program';
  if (status === -ERRNO.EINVAL)
    return 'the kernel has no programs of this type and attach type, or not with these attributes';
  return undefined;
}
