// prog.load: one program from its instructions, as BPF_PROG_LOAD takes them.
import { AnyBpfError } from '../base/diagnostic.ts';
import { ByteReader } from '../base/bytes.ts';
import type { Btf } from '../btf/btf.ts';
import { lineInfo } from '../btf/ext.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import { WIDE_OPCODE } from '../isa/opcodes.ts';
import { DEFAULT_ENGINE } from '../run/engines.ts';
import { loadObject } from '../run/loader.ts';
import type { FunctionSpec, LineSpec, MapSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../spec/program-types.ts';
import type { Fd, ProgramLoad, Result } from '../spec/session.ts';
import type { ContextBtf } from './btf-object.ts';
import { refuse } from './errors.ts';
import { executionOf } from './execution.ts';
import { andThen } from './later.ts';
import type { ContextMap } from './map-object.ts';
import { mapOf } from './map-methods.ts';
import { checkName } from './names.ts';
import type { LoadEvidence } from './pipeline.ts';
import { ContextProgram } from './program-object.ts';
import type { ContextSession } from './session.ts';

const OPERATION = 'prog.load';
/** BPF_COMPLEXITY_LIMIT_INSNS. */
const MOST_SLOTS = 1_000_000;
const FLAGS = { SLEEPABLE: 1 << 4, XDP_HAS_FRAGS: 1 << 5 } as const;
/** Those that ask for more, or less, of the verifier; here it is as strict without them. */
const KNOWN_FLAGS = 0b1111 | FLAGS.SLEEPABLE | FLAGS.XDP_HAS_FRAGS;
/** BPF_PSEUDO_*: the sources of wide loads and calls. */
const PSEUDO = { MAP_FD: 1, MAP_VALUE: 2, FUNC: 4, CALL: 1 } as const;
/** RFC 9669's forms, which ProgramSpec has in their place. */
const BY_INDEX = { [PSEUDO.MAP_FD]: 5, [PSEUDO.MAP_VALUE]: 6 } as const;
const CALL_OPCODE = 0x85;
/** BTF_FUNC_GLOBAL. */
const GLOBAL = 1;

export function loadInstructions(
  session: ContextSession,
  load: ProgramLoad,
): Result<'prog.load'> | Promise<Result<'prog.load'>> {
  const { pipeline } = session.context.options;
  session.checkRoom(1);
  const { object, maps, btf } = objectOf(session, load);
  const request = { load, object, programs: [load.name] };
  // Who verifies beside the context does not know what providers have added.
  const beside = session.context.providers.extends(object.dialect) ? undefined : pipeline;
  // What the program will hold must not go while it is verified.
  for (const map of maps) map.retain();
  btf?.retain();
  const letGo = (): void => {
    for (const map of maps) map.release();
    btf?.release();
  };
  try {
    const result = andThen(beside?.verify?.(request, session) ?? {}, (evidence) => {
      session.checkOpen();
      return create(session, load, object, maps, btf, evidence);
    });
    if (result instanceof Promise) return result.finally(letGo);
    letGo();
    return result;
  } catch (error) {
    letGo();
    throw error;
  }
}

function create(
  session: ContextSession,
  load: ProgramLoad,
  object: ObjectSpec,
  maps: readonly ContextMap[],
  btf: ContextBtf | undefined,
  evidence: LoadEvidence,
): Result<'prog.load'> {
  const { context, uid, pid } = session;
  const { engine: usual = DEFAULT_ENGINE } = context.options;
  const { engine, execution } = executionOf(OPERATION, load.execution ?? 'any', usual);
  session.checkRoom(1);
  const loaded = loadObject(object, {
    ...context.loadOptions(object.dialect),
    engine,
    ...evidence,
    maps: Object.fromEntries(maps.map((map, i) => [object.maps[i].name, { reuse: map.loaded }])),
  });
  const [program] = loaded.programs;
  if (program.diagnostic !== undefined) {
    loaded[Symbol.dispose]();
    throw new AnyBpfError(program.diagnostic);
  }
  const parts = {
    loaded: program,
    runtime: context.runtime,
    object,
    maps,
    btf,
    execution,
    source: '',
    uid,
    pid,
    loadedAt: context.host.services.clock.boot(),
    verifiedInsns: context.verify === 'require' ? (program.verdict?.visits ?? 0) : 0,
  };
  return { fd: session.open(context.programs.add(new ContextProgram(program.id, context, parts))) };
}

function objectOf(session: ContextSession, load: ProgramLoad) {
  const { name, type, attachType, code, license, dialect = 'linux', flags = 0 } = load;
  const place = { program: name };
  checkName(OPERATION, name, place);
  if (!Object.hasOwn(PROGRAM_TYPES, type)) refuse(OPERATION, 'EINVAL', `there is no program type '${type}'`, place);
  if (attachType !== undefined && !Object.hasOwn(ATTACH_TYPES, attachType)) {
    refuse(OPERATION, 'EINVAL', `there is no attach type '${attachType}'`, place);
  }
  if ((flags & ~KNOWN_FLAGS) !== 0)
    refuse(OPERATION, 'EINVAL', `flags 0x${(flags >>> 0).toString(16)} are not known`, place);
  if (code.length === 0 || code.length % SLOT_SIZE !== 0) {
    refuse(OPERATION, 'EINVAL', `${code.length} bytes are no instructions`, place);
  }
  if (code.length > MOST_SLOTS * SLOT_SIZE) refuse(OPERATION, 'E2BIG', `more than ${MOST_SLOTS} instructions`, place);
  const btf = load.btfFd === undefined ? undefined : session.handleOf<ContextBtf>('btf', load.btfFd, OPERATION);
  const { maps, code: indexed } = withIndices(session, code, place);
  const program: ProgramSpec = {
    name,
    section: '',
    type,
    ...(attachType === undefined ? {} : { attachType }),
    sleepable: (flags & FLAGS.SLEEPABLE) !== 0,
    fragments: (flags & FLAGS.XDP_HAS_FRAGS) !== 0,
    autoload: true,
    license,
    dialect,
    code: indexed,
    functions: functionsOf(load, btf?.types),
    lines: linesOf(load, btf?.types),
    core: [],
    tags: [],
  };
  const object: ObjectSpec = {
    name,
    dialect,
    endian: 'little',
    license,
    programs: [program],
    maps: maps.map(({ raw: { spec } }, i) => declaredAs(spec, i, maps)),
    externs: [],
    ...(btf === undefined ? {} : { btf: btf.types }),
    diagnostics: [],
  };
  return { object, maps, btf };
}

/** Maps of an object have names of their own; those of a program need not. */
function declaredAs(spec: MapSpec, index: number, maps: readonly ContextMap[]): MapSpec {
  const { data: _data, ...rest } = spec;
  const unique = maps.filter(({ name }) => name === spec.name).length === 1 && spec.name !== '';
  return { ...rest, slots: [], name: unique ? spec.name : `${spec.name}#${index}` };
}

/** The code with indices of maps in place of handles, and those maps. */
function withIndices(session: ContextSession, given: Uint8Array, place: { readonly program: string }) {
  // Slices of a Buffer are not copies.
  const code = new Uint8Array(given);
  const view = new DataView(code.buffer);
  const maps: ContextMap[] = [];
  for (let at = 0; at < code.length; at += SLOT_SIZE) {
    if (code[at] !== WIDE_OPCODE) continue;
    const insn = at / SLOT_SIZE;
    const source = code[at + 1] >> 4;
    if (source === PSEUDO.MAP_FD || source === PSEUDO.MAP_VALUE) {
      const fd: Fd = view.getInt32(at + 4, true);
      const map = mapOf(session, fd, OPERATION);
      if (map.runtime !== session.context.runtime) {
        refuse(OPERATION, 'EINVAL', `map ${map.name} lives in a native module`, { ...place, insn });
      }
      let index = maps.indexOf(map);
      if (index < 0) index = maps.push(map) - 1;
      view.setInt32(at + 4, index, true);
      code[at + 1] = (code[at + 1] & 0xf) | (BY_INDEX[source] << 4);
    } else if (source !== 0 && source !== PSEUDO.FUNC) {
      refuse(OPERATION, 'EINVAL', `a wide load with source ${source} names what is not here`, { ...place, insn });
    }
    at += SLOT_SIZE;
  }
  return { code, maps };
}

/** bpf_func_info: pairs of slot and FUNC; without them, functions are where calls go. */
function functionsOf({ name, code, functions }: ProgramLoad, btf: Btf | undefined): FunctionSpec[] {
  const count = code.length / SLOT_SIZE;
  const starts = new Map<number, { name: string; typeId: number; global: boolean }>();
  starts.set(0, { name, typeId: 0, global: false });
  for (const slot of calledSlots(code)) {
    if (slot > 0 && slot < count) starts.set(slot, { name: `subprog_${slot}`, typeId: 0, global: false });
  }
  for (const [slot, typeId] of words(functions, 2, 'func_info', name)) {
    const type = btf !== undefined && typeId > 0 && typeId < btf.count ? btf.type(typeId) : undefined;
    if (slot >= count || type?.kind !== 'func') {
      refuse(OPERATION, 'EINVAL', `func_info: type ${typeId} at instruction ${slot} is no function`, { program: name });
      continue;
    }
    starts.set(slot, { name: slot === 0 ? name : type.name, typeId, global: type.linkage === GLOBAL });
  }
  const slots = [...starts.keys()].sort((a, b) => a - b);
  return slots.map((slot, i) => {
    const found = starts.get(slot) as { name: string; typeId: number; global: boolean };
    return { ...found, slot, length: (slots[i + 1] ?? count) - slot };
  });
}

/** Where bpf-to-bpf calls and callbacks go. */
function* calledSlots(code: Uint8Array): Generator<number> {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  for (let at = 0; at < code.length; at += SLOT_SIZE) {
    const source = code[at + 1] >> 4;
    const target = at / SLOT_SIZE + 1 + view.getInt32(at + 4, true);
    if (code[at] === CALL_OPCODE && source === PSEUDO.CALL) yield target;
    if (code[at] !== WIDE_OPCODE) continue;
    if (source === PSEUDO.FUNC) yield target;
    at += SLOT_SIZE;
  }
}

/** bpf_line_info: slot, file, text, line and column. */
function linesOf({ name, lines }: ProgramLoad, btf: Btf | undefined): LineSpec[] {
  const found = [...words(lines, 4, 'line_info', name)].map((record) =>
    btf === undefined ? refuse(OPERATION, 'EINVAL', 'line_info needs BTF', { program: name }) : lineInfo(btf, record),
  );
  return found.sort((a, b) => a.slot - b.slot);
}

function* words(bytes: Uint8Array | undefined, count: number, what: string, program: string): Generator<number[]> {
  if (bytes === undefined) return;
  if (bytes.length % (4 * count) !== 0) refuse(OPERATION, 'EINVAL', `${what} of ${bytes.length} bytes`, { program });
  const reader = new ByteReader(bytes, 'little', { program });
  for (let at = 0; at < bytes.length; at += 4 * count) {
    yield Array.from({ length: count }, (_, i) => reader.u32(at + 4 * i));
  }
}
