// prog.load, prog.testRun, prog.bindMap, prog.code, and BTF. Attaching: hook-methods.ts.
import { SLOT_SIZE } from '../../isa/insn.ts';
import { WIDE_OPCODE } from '../../isa/opcodes.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../../spec/program-types.ts';
import type { Fd, ProgramLoad } from '../../spec/session.ts';
import { bpf, btfLoad } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import { btfOf, idOf } from './info.ts';
import { loadProgram } from './load-program.ts';
import { checkName } from './map-methods.ts';
import type { LinuxHandlers } from './methods.ts';
import { codeOf } from './program-code.ts';
import type { LinuxSession } from './session.ts';
import { testRun } from './test-run.ts';
import { linuxProgramType } from './windows.ts';

type Names = 'prog.load' | 'prog.testRun' | 'prog.bindMap' | 'prog.code' | 'btf.load' | 'btf.data';

export const programMethods: Pick<LinuxHandlers, Names> = {
  'prog.load': (session, params) => ({ fd: session.open(load(session, params), 'prog') }),
  'prog.testRun': (session, { fd, ...input }) => testRun(session.check(fd, 'prog', 'prog.testRun'), input),
  'prog.bindMap': (session, { fd, mapFd }) => {
    const operation = 'prog.bindMap';
    session.check(fd, 'prog', operation);
    session.check(mapFd, 'map', operation);
    const status = bpf('PROG_BIND_MAP', 12, (attr) => {
      attr.setUint32(0, fd, true);
      attr.setUint32(4, mapFd, true);
    });
    checked(operation, status);
    return {};
  },
  'prog.code': (session, { fd }) => codeOf(session.check(fd, 'prog', 'prog.code')),
  'btf.load': (session, { btf }) => {
    const { fd, log } = btfLoad(new Uint8Array(btf));
    return { fd: session.open(checked('btf.load', fd, {}, log.trim().split('\n').at(-1)), 'btf') };
  },
  'btf.data': (session, { fd }) => {
    const found = btfOf(session.check(fd, 'btf', 'btf.data'), true);
    return typeof found === 'number' ? (checked('btf.data', found) as never) : { btf: found.bytes };
  },
};

/** BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE. */
const MAP_SOURCES: ReadonlySet<number> = new Set([1, 2]);
/** BPF_COMPLEXITY_LIMIT_INSNS. */
const MOST_SLOTS = 1_000_000;

function load(session: LinuxSession, params: ProgramLoad): Fd {
  const operation = 'prog.load';
  const { name, type, attachType, code, license, flags = 0, dialect = 'linux', btfFd, functions, lines } = params;
  const place = { program: name };
  checkName(operation, name);
  if (!Object.hasOwn(PROGRAM_TYPES, type)) refuse(operation, 'EINVAL', `there is no program type '${type}'`, place);
  if (attachType !== undefined && !Object.hasOwn(ATTACH_TYPES, attachType))
    refuse(operation, 'EINVAL', `there is no attach type '${attachType}'`, place);
  if (code.length === 0 || code.length % SLOT_SIZE !== 0)
    refuse(operation, 'EINVAL', `${code.length} bytes are no instructions`, place);
  if (code.length > MOST_SLOTS * SLOT_SIZE) refuse(operation, 'E2BIG', `more than ${MOST_SLOTS} instructions`, place);
  if (dialect === 'windows') linuxProgramType(type, place);
  checkMaps(session, code, operation);
  if (btfFd !== undefined) session.check(btfFd, 'btf', operation);
  const fd = loadProgram(
    {
      name,
      type,
      code,
      license,
      flags,
      ...(attachType === undefined ? {} : { attachType }),
      ...(btfFd === undefined ? {} : { btfFd }),
      ...(functions === undefined ? {} : { funcInfo: functions }),
      ...(lines === undefined ? {} : { lineInfo: lines }),
    },
    operation,
    place,
  );
  session.remember(idOf(fd, 'prog'), { name, ...(attachType === undefined ? {} : { attachType }) });
  return fd;
}

/** Descriptors in the code must be handles of the session, not others that the process happens to have. */
function checkMaps(session: LinuxSession, code: Uint8Array, operation: string): void {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  for (let at = 0; at < code.length; at += SLOT_SIZE) {
    if (code[at] !== WIDE_OPCODE) continue;
    if (MAP_SOURCES.has(code[at + 1] >> 4)) session.check(view.getInt32(at + 4, true), 'map', operation);
    at += SLOT_SIZE;
  }
}
