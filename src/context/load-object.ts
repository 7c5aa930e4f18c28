// object.load: a whole object, or nothing of it. What can fail is done before anything is in the context's tables.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { sha256 } from '../base/sha256.ts';
import { decodeBtf } from '../btf/decode.ts';
import { linkObject } from '../link/link.ts';
import { DEFAULT_ENGINE } from '../run/engines.ts';
import { loadObject } from '../run/loader.ts';
import type { LoadedObject } from '../run/object.ts';
import type { MapSpec, ObjectSpec } from '../spec/object.ts';
import type { ExecutionType, Id, LoadedObjectInfo, ObjectLoad } from '../spec/session.ts';
import { ContextBtf } from './btf-object.ts';
import { executionOf } from './execution.ts';
import { andThen } from './later.ts';
import { isModule, loadModule } from './load-module.ts';
import { ContextMap } from './map-object.ts';
import { changedObject, type MapPlan, planMaps } from './object-plan.ts';
import type { LoadEvidence } from './pipeline.ts';
import { ContextProgram } from './program-object.ts';
import type { ContextSession } from './session.ts';
import { usedMaps } from './tag.ts';

const OPERATION = 'object.load';

export function loadWholeObject(
  session: ContextSession,
  load: ObjectLoad,
): LoadedObjectInfo | Promise<LoadedObjectInfo> {
  if (isModule(load.object)) return loadModule(session, load);
  if (load.execution === 'native') {
    const made = session.context.providers.module(sha256(load.object));
    if (made !== undefined) return loadModule(session, { ...load, object: made.bytes });
  }
  const { pipeline } = session.context.options;
  executionOf(OPERATION, load.execution ?? 'any', DEFAULT_ENGINE, load.engine);
  return andThen(pipeline?.link?.(load, session) ?? link(load), (linked) => {
    session.checkOpen();
    const object = changedObject(linked, load);
    const plan = planMaps(session, object, load);
    const wanted = object.programs.filter(({ name, autoload }) => load.programs?.includes(name) ?? autoload);
    const request = {
      load,
      object: { ...object, maps: plan.map(({ spec }) => spec) },
      programs: wanted.map((p) => p.name),
    };
    // Who verifies beside the context does not know what providers have added.
    const beside = session.context.providers.extends(object.dialect) ? undefined : pipeline;
    return andThen(beside?.verify?.(request, session) ?? {}, (evidence) => {
      session.checkOpen();
      // What was free before may be taken now; and a verdict is on the maps that it was asked about.
      const now = pipeline === undefined ? plan : planMaps(session, object, load);
      const same = now.every(({ reuse }, i) => reuse === plan[i].reuse);
      return create(session, object, now, load, same ? evidence : {});
    });
  });
}

function link(load: ObjectLoad): ObjectSpec {
  const types = Object.entries(load.types ?? {}).flatMap(([name, { type }]) =>
    type === undefined ? [] : [[name, type] as const],
  );
  return linkObject(load.object, { name: load.name, programType: Object.fromEntries(types) });
}

function create(
  session: ContextSession,
  object: ObjectSpec,
  plan: readonly MapPlan[],
  load: ObjectLoad,
  evidence: LoadEvidence,
): LoadedObjectInfo {
  const { context } = session;
  const { engine: usual = DEFAULT_ENGINE } = context.options;
  const { engine, execution } = executionOf(OPERATION, load.execution ?? 'any', usual, load.engine);
  const btf = objectBtf(object);
  const reused = plan.flatMap(({ spec, reuse }) =>
    reuse === undefined ? [] : [[spec.name, { reuse: reuse.loaded }] as const],
  );
  const loaded = loadObject(object, {
    ...context.loadOptions(object.dialect),
    engine,
    ...evidence,
    maps: Object.fromEntries(reused),
    ...(load.programs === undefined ? {} : { programs: load.programs }),
    ...(load.btf === undefined ? {} : { btf: [decodeBtf(load.btf)] }),
  });
  try {
    const refusal = refusalOf(loaded, load);
    if (refusal !== undefined) throw new AnyBpfError(refusal);
    session.checkRoom(plan.length + loaded.programs.length + 1);
  } catch (error) {
    loaded[Symbol.dispose]();
    throw error;
  }
  return enter(session, { source: load.name, loaded, plan, btf, execution, verified: context.verify === 'require' });
}

/** Why the object as a whole is not loaded: a map or a wanted program that is not there. */
function refusalOf(loaded: LoadedObject, load: ObjectLoad): Diagnostic | undefined {
  const wanted = loaded.programs.filter(({ name, spec }) => load.programs?.includes(name) ?? spec.autoload);
  const ofProgram = wanted.find(({ diagnostic }) => diagnostic !== undefined)?.diagnostic;
  if (loaded.maps.length === loaded.spec.maps.length) return ofProgram;
  const found = loaded.diagnostics.find(
    (one) => one.severity === 'error' && !loaded.spec.diagnostics.includes(one) && one.place.map !== undefined,
  );
  return found ?? ofProgram;
}

interface Made {
  readonly source: string;
  readonly loaded: LoadedObject;
  readonly plan: readonly MapPlan[];
  readonly btf: { readonly types: ContextBtf['types']; readonly bytes: Uint8Array } | undefined;
  readonly execution: ExecutionType;
  readonly verified: boolean;
}

/** Puts what was made into the context's tables and gives the session handles of it. Nothing here fails. */
function enter(session: ContextSession, { source, loaded, plan, btf, execution, verified }: Made): LoadedObjectInfo {
  const { context, uid, pid } = session;
  const { runtime } = context;
  const btfObject =
    btf === undefined
      ? undefined
      : context.btfs.add(new ContextBtf(context.btfs.nextId(), loaded.name, btf.types, btf.bytes));
  const btfFd = btfObject === undefined ? undefined : session.open(btfObject);
  const maps = plan.map(({ reuse, dialect }, i): ContextMap => {
    const { raw } = loaded.maps[i];
    const innerMapId = dialect === 'windows' ? templateId(loaded, raw.spec) : 0;
    const parts = { raw, runtime, dialect, btf: btfObject, innerMapId };
    return reuse ?? context.maps.add(new ContextMap(raw.id, context, parts));
  });
  const mapFds = maps.map((map) => session.open(map));
  const constant = maps.filter(({ raw }) => raw.spec.kind === 'rodata');
  const programs = loaded.programs
    .filter(({ diagnostic }) => diagnostic === undefined)
    .map((program) => {
      const used = usedMaps(program.spec.code).map((index) => maps[index]);
      const made = new ContextProgram(program.id, context, {
        loaded: program,
        runtime,
        object: loaded.spec,
        maps: used,
        btf: btfObject,
        execution,
        source,
        uid,
        pid,
        loadedAt: context.host.services.clock.boot(),
        verifiedInsns: verified ? (program.verdict?.visits ?? 0) : 0,
      });
      // As libbpf does, so that who looks at a program finds the constants of its object.
      for (const map of constant) made.bindMap(map);
      return context.programs.add(made);
    });
  const programFds = programs.map((program) => session.open(program));
  adoptSlots(maps, programs);
  plan.forEach(({ pin }, i) => {
    if (pin !== undefined) context.pin(maps[i], pin, OPERATION);
  });
  return {
    programs: programs.map(({ id, loaded: { name, spec } }, i) => ({
      name,
      section: spec.section,
      fd: programFds[i],
      id,
    })),
    maps: maps.map(({ id, raw: { spec } }, i) => ({
      name: plan[i].spec.name,
      ...(spec.section === undefined ? {} : { section: spec.section }),
      fd: mapFds[i],
      id,
    })),
    ...(btfFd === undefined ? {} : { btfFd }),
    diagnostics: loaded.diagnostics,
  };
}

/** Windows' maps of maps have one of the object's maps for their template: here the first that they have for an element. */
function templateId({ maps }: LoadedObject, { slots }: MapSpec): Id {
  const first = slots.find(({ kind }) => kind === 'map');
  return maps.find(({ raw }) => first !== undefined && raw.spec.name === first.target)?.raw.id ?? 0;
}

/** Initial elements of prog_arrays and maps of maps, which the loader has set: the map holds the object now. */
function adoptSlots(maps: readonly ContextMap[], programs: readonly ContextProgram[]): void {
  for (const map of maps) {
    for (const { index, kind, target } of map.raw.spec.slots) {
      const key = new Uint8Array(4);
      new DataView(key.buffer).setUint32(0, index, true);
      const value = map.raw.lookup(key);
      if (typeof value === 'number') continue;
      const id = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
      const all: readonly (ContextMap | ContextProgram)[] = kind === 'map' ? maps : programs;
      const held = all.find((one) => one.rawId === id && one.name === target);
      if (held !== undefined) map.adopt(key, held);
    }
  }
}

function objectBtf({ btf }: ObjectSpec): Made['btf'] {
  return btf === undefined ? undefined : { types: btf, bytes: btf.bytes.slice() };
}
