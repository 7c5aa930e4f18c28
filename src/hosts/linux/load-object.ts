// object.load: a whole object into the kernel, or nothing of it.
import { fail, within } from '../../base/diagnostic.ts';
import { notOfLinux } from '../../base/messages/linux-host.ts';
import { decodeBtf } from '../../btf/decode.ts';
import { relocateObject } from '../../link/core.ts';
import { linkObject } from '../../link/link.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Fd, LoadedObjectInfo, ObjectLoad } from '../../spec/session.ts';
import { btfLoad, close } from './bpf.ts';
import { changedObject } from './change-object.ts';
import { checked } from './errors.ts';
import { idOf } from './info.ts';
import { kernelCode } from './kernel-code.ts';
import { kernelTypes } from './kernel-types.ts';
import { fillMaps, fillProgramArrays, type MadeMap, makeMaps } from './load-maps.ts';
import { attachBtfId, loadProgram } from './load-program.ts';
import { type ObjectBtf, objectBtf } from './object-btf.ts';
import type { LinuxSession } from './session.ts';
import { linuxObject } from './windows.ts';

const OPERATION = 'object.load';
/** BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS. */
const FLAGS = { sleepable: 1 << 4, fragments: 1 << 5 } as const;

/** As a program of a pinned program or map is named: what has no meaning in the kernel is refused before anything is made. */
export const loadWholeObject = (session: LinuxSession, load: ObjectLoad): LoadedObjectInfo =>
  within({ file: load.name }, () => loadWhole(session, load));

function loadWhole(session: LinuxSession, load: ObjectLoad): LoadedObjectInfo {
  if (load.execution === 'native') fail(notOfLinux({}, 'execution type native', 'the kernel compiles by itself'));
  const object = prepared(load);
  const wanted = object.programs.filter(({ name, autoload }) => load.programs?.includes(name) ?? autoload);
  for (const { unsupported } of wanted) if (unsupported !== undefined) fail(unsupported);
  const made = new Made(session);
  try {
    return made.finish(create(session, object, wanted, load, made));
  } catch (error) {
    made.undo();
    throw error;
  }
}

/** The object as it will be loaded: with the request's changes, in the kernel's dialect, for the kernel's types. */
function prepared(load: ObjectLoad): ObjectSpec {
  const types = Object.entries(load.types ?? {}).flatMap(([name, { type }]) =>
    type === undefined ? [] : [[name, type] as const],
  );
  const linked = linkObject(load.object, { name: load.name, programType: Object.fromEntries(types) });
  const object = linuxObject(changedObject(linked, load), load.programs);
  const relocated = object.programs.some(
    ({ name, autoload, core }) => core.length > 0 && (load.programs?.includes(name) ?? autoload),
  );
  if (!relocated) return object;
  return relocateObject(object, [load.btf === undefined ? kernelTypes(OPERATION) : decodeBtf(load.btf)]);
}

/** Descriptors and pins that were made, until all is well. */
class Made {
  readonly #session: LinuxSession;
  readonly #fds: Fd[] = [];
  readonly #pins: string[] = [];

  constructor(session: LinuxSession) {
    this.#session = session;
  }

  fd(fd: Fd): Fd {
    this.#fds.push(fd);
    return fd;
  }

  pin(path: string): void {
    this.#pins.push(path);
  }

  undo(): void {
    for (const path of this.#pins) this.#session.pins.unpin(path, OPERATION);
    for (const fd of this.#fds) close(fd);
  }

  /** Makes handles of the descriptors. */
  finish(loaded: LoadedObjectInfo): LoadedObjectInfo {
    for (const { fd } of loaded.maps) this.#session.open(fd, 'map');
    for (const { fd } of loaded.programs) this.#session.open(fd, 'prog');
    if (loaded.btfFd !== undefined) this.#session.open(loaded.btfFd, 'btf');
    return loaded;
  }
}

function create(
  session: LinuxSession,
  object: ObjectSpec,
  wanted: readonly ProgramSpec[],
  load: ObjectLoad,
  made: Made,
): LoadedObjectInfo {
  const btf = object.btf === undefined ? undefined : objectBtf(object.btf, { programs: wanted });
  const btfFd = btf === undefined ? 0 : made.fd(loadBtf(btf));
  const maps = makeMaps(session, object, load, btfFd, made);
  fillMaps(object, maps);
  const fds = new Map<string, Fd>();
  for (const program of wanted) fds.set(program.name, made.fd(loadOne(program, object, maps, { fd: btfFd, btf })));
  fillProgramArrays(maps, fds);
  return {
    programs: wanted.map(({ name, section, attachType }) => {
      const fd = fds.get(name) as Fd;
      const id = idOf(fd, 'prog');
      session.remember(id, { source: load.name, section, name, ...(attachType === undefined ? {} : { attachType }) });
      return { name, section, fd, id };
    }),
    maps: maps.map(({ spec, fd }) => ({
      name: spec.name,
      ...(spec.section === undefined ? {} : { section: spec.section }),
      fd,
      id: idOf(fd, 'map'),
    })),
    ...(btf === undefined ? {} : { btfFd }),
    diagnostics: object.diagnostics,
  };
}

function loadBtf({ bytes }: ObjectBtf): Fd {
  const { fd, log } = btfLoad(bytes);
  return checked(OPERATION, fd, { section: '.BTF' }, log.trim().split('\n').at(-1));
}

function loadOne(
  program: ProgramSpec,
  object: ObjectSpec,
  maps: readonly MadeMap[],
  { fd: btfFd, btf }: { readonly fd: Fd; readonly btf: ObjectBtf | undefined },
): Fd {
  const { name, type, attachType, attachTarget, license, section } = program;
  const place = { section, program: name };
  const code = kernelCode(
    program,
    maps.map(({ fd }) => fd),
    object.externs,
    OPERATION,
  );
  const target = attachBtfId({ type, attachType, target: attachTarget }, OPERATION, place);
  const funcInfo = btf?.functions(program);
  const lineInfo = btf?.lines(program);
  return loadProgram(
    {
      type,
      name,
      code,
      license,
      flags: (program.sleepable ? FLAGS.sleepable : 0) | (program.fragments ? FLAGS.fragments : 0),
      ...(object.version === undefined ? {} : { kernelVersion: object.version }),
      ...(attachType === undefined ? {} : { attachType }),
      ...(target === undefined ? {} : { attachBtfId: target }),
      ...(funcInfo === undefined ? {} : { btfFd, funcInfo, ...(lineInfo === undefined ? {} : { lineInfo }) }),
    },
    OPERATION,
    place,
  );
}
