// object.load of a module that was made ahead of time: its maps and code come with it, in a memory of its own.
import { AotError } from '../aot/loader/errors.ts';
import { openModule } from '../aot/open.ts';
import { fail, message } from '../base/diagnostic.ts';
import type { Runtime } from '../run/runtime.ts';
import type { Id, LoadedObjectInfo, ObjectLoad } from '../spec/session.ts';
import { refuse } from './errors.ts';
import { ContextMap } from './map-object.ts';
import { ContextProgram } from './program-object.ts';
import type { ContextSession } from './session.ts';
import { usedMaps } from './tag.ts';
import type { LoadedObject } from '../run/object.ts';

const OPERATION = 'object.load';
/** `\0asm`. */
const MAGIC = [0x00, 0x61, 0x73, 0x6d];

export const isModule = (bytes: Uint8Array): boolean => MAGIC.every((byte, i) => bytes[i] === byte);

/** @throws AnyBpfError aot/... for what is no module of `anybpf compile`; EINVAL for wishes that only instructions can fulfil */
export async function loadModule(session: ContextSession, load: ObjectLoad): Promise<LoadedObjectInfo> {
  const { execution = 'any' } = load;
  if (execution !== 'any' && execution !== 'native') {
    refuse(OPERATION, 'EINVAL', `a module made ahead of time runs natively, not as ${execution}`);
  }
  const given = load.maps ?? load.types ?? load.programs ?? load.engine;
  if (given !== undefined) refuse(OPERATION, 'EINVAL', 'a module made ahead of time is loaded as it is');
  session.context.options.pipeline?.admit?.(load.object, load.name);
  const loaded = await opened(session, load);
  try {
    session.checkOpen();
    session.checkRoom(loaded.maps.length + loaded.programs.length);
  } catch (error) {
    loaded[Symbol.dispose]();
    throw error;
  }
  return enter(session, loaded, load);
}

/** A module that is loaded, and the ids of its maps and programs, in its order. */
export interface LoadedModule {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly maps: readonly Id[];
  readonly programs: readonly Id[];
}

const MODULES = new WeakMap<Runtime, LoadedModule>();

/** The module whose memory this is; undefined for that of a context. */
export const moduleOf = (runtime: Runtime): LoadedModule | undefined => MODULES.get(runtime);

/** Loads a module again, with the ids that its objects had. */
export async function reloadModule(session: ContextSession, module: LoadedModule): Promise<void> {
  const load = { object: module.bytes, name: module.name };
  session.context.options.pipeline?.admit?.(load.object, load.name);
  enter(session, await opened(session, load), load, module);
}

async function opened(session: ContextSession, { object, name }: ObjectLoad): Promise<LoadedObject> {
  try {
    return await openModule(object, { host: session.context.host });
  } catch (error) {
    if (!(error instanceof AotError)) throw error;
    // The loader that modules bring along knows nothing of AnyBPF's own findings.
    const text = error.message.replace(` [${error.code}]`, '');
    return fail(message(error.code, () => text)({ file: name }), error);
  }
}

function enter(
  session: ContextSession,
  loaded: LoadedObject,
  { object, name: source }: ObjectLoad,
  ids?: LoadedModule,
): LoadedObjectInfo {
  const { context, uid, pid } = session;
  const { runtime } = loaded;
  const { dialect } = loaded.spec;
  const maps = loaded.maps.map(({ raw }, i) =>
    context.maps.add(new ContextMap(ids?.maps[i] ?? context.maps.nextId(), context, { raw, runtime, dialect })),
  );
  const mapFds = maps.map((map) => session.open(map));
  const programs = loaded.programs.map((program, i) =>
    context.programs.add(
      new ContextProgram(ids?.programs[i] ?? context.programs.nextId(), context, {
        loaded: program,
        runtime,
        maps: usedMaps(program.spec.code).map((index) => maps[index]),
        execution: 'native',
        source,
        uid,
        pid,
        loadedAt: context.host.services.clock.boot(),
        verifiedInsns: 0,
      }),
    ),
  );
  MODULES.set(runtime, {
    bytes: new Uint8Array(object),
    name: source,
    maps: maps.map(({ id }) => id),
    programs: programs.map(({ id }) => id),
  });
  // The module's memory goes with the last of its objects.
  let left = maps.length + programs.length;
  for (const object of [...maps, ...programs]) {
    object.onEnd(() => {
      if (--left === 0) context.reclaimer.defer(() => runtime[Symbol.dispose]());
    });
  }
  const programFds = programs.map((program) => session.open(program));
  return {
    programs: programs.map(({ id, name, loaded: { spec } }, i) => ({
      name,
      section: spec.section,
      fd: programFds[i],
      id,
    })),
    maps: maps.map(({ id, name, raw: { spec } }, i) => ({
      name,
      ...(spec.section === undefined ? {} : { section: spec.section }),
      fd: mapFds[i],
      id,
    })),
    diagnostics: loaded.diagnostics,
  };
}
