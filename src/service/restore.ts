// Durability of an execution context: its objects as records, and records as its objects again.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { notRestored } from '../base/messages/state.ts';
import { decodeBtf } from '../btf/decode.ts';
import { ContextBtf } from '../context/btf-object.ts';
import type { ExecutionContext } from '../context/context.ts';
import { executionOf } from '../context/execution.ts';
import { ContextLink } from '../context/hooks/link-object.ts';
import { reloadModule } from '../context/load-module.ts';
import { ContextMap } from '../context/map-object.ts';
import type { ContextObject } from '../context/objects.ts';
import { ContextProgram } from '../context/program-object.ts';
import type { ContextSession } from '../context/session.ts';
import { createMap } from '../maps/create.ts';
import { DEFAULT_ENGINE } from '../run/engines.ts';
import { loadObject } from '../run/loader.ts';
import type { ObjectSpec } from '../spec/object.ts';
import type { Id, ObjectKind } from '../spec/session.ts';
import { elementsOf, emptied, keepsElements, putBits } from './contents.ts';
import {
  type BtfMade,
  describeObject,
  type LinkMade,
  type MapMade,
  type ModuleMade,
  type ProgramMade,
} from './describe.ts';
import type { Contents, DurableContext } from './durable.ts';
import { evidenceDigest, verdictOf } from './evidence.ts';
import type { ObjectRecord } from './journal-entries.ts';

/**
 * @param producer name and version of this AnyBPF: verdicts of another one are found again
 */
export function durableContext(context: ExecutionContext, producer: string): DurableContext {
  const mapOf = (id: Id): ContextMap | undefined => context.maps.get(id);
  return {
    observe: (observer) => {
      context.observers.add(observer);
      return () => context.observers.delete(observer);
    },
    describe: (kind, id) => describeObject(context, kind, id, producer),
    elements: (id) => {
      const map = mapOf(id);
      return map === undefined ? [] : elementsOf(map, map.runtime !== context.runtime);
    },
    keepsElements: (id) => {
      const map = mapOf(id);
      return map !== undefined && keepsElements(map);
    },
    frozen: (id) => mapOf(id)?.raw.frozen === true,
    pins: () => context.pins.below('').map(([path, { kind, id }]) => ({ path, kind, id })),
    ownLinks: () =>
      [...context.links.values()].filter((link) => link instanceof ContextLink && link.legacy).map(({ id }) => id),
    // A target that is a map has no handle here.
    attached: () =>
      [...context.hooks.attached()]
        .filter(({ target }) => target.mapFd === undefined)
        .map(({ program, attachType, target, flags }) => ({ progId: program.id, attachType, target, flags })),
    named: (id, value) => {
      const map = mapOf(id);
      if (map?.holds === undefined) return undefined;
      const held = new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(map.holdsAt, true);
      return held === 0 ? undefined : { kind: map.holds, id: held };
    },
    restore: (contents) => new Restoring(context, contents, producer).run(),
  };
}

/** Kinds in the order in which they are made; within a kind, by id: what an object needs is older. */
const ORDER: readonly ObjectKind[] = ['btf', 'map', 'prog', 'link'];

class Restoring {
  readonly #context: ExecutionContext;
  readonly #contents: Contents;
  readonly #producer: string;
  readonly #session: ContextSession;
  readonly #diagnostics: Diagnostic[] = [];
  /** Said of a map once. */
  readonly #said = new Set<Id>();

  constructor(context: ExecutionContext, contents: Contents, producer: string) {
    this.#context = context;
    this.#contents = contents;
    this.#producer = producer;
    this.#session = context.session({ mostHandles: Number.POSITIVE_INFINITY });
  }

  async run(): Promise<readonly Diagnostic[]> {
    const { objects, pins, attached, last } = this.#contents;
    const of = (kind: ObjectKind): readonly ObjectRecord[] =>
      objects.filter((one) => one.kind === kind).sort((a, b) => a.id - b.id);
    // Handles keep what no pin keeps yet.
    for (const kind of ORDER) {
      for (const record of of(kind)) await this.#make(record);
      if (kind === 'map') this.#fill(false);
      if (kind === 'prog') this.#fill(true);
    }
    for (const { progId, attachType, target, flags } of attached) {
      await this.#attempt(`program ${progId} at ${attachType}`, () => {
        const fd = this.#session.open(this.#object('prog', progId));
        return this.#session.call('prog.attach', { fd, attachType, target, flags });
      });
    }
    for (const { path, kind, id } of pins) {
      await this.#attempt(`the pin ${this.#context.printPin(path)}`, () =>
        this.#context.pin(this.#object(kind, id), path),
      );
    }
    this.#context.idsFrom(last);
    await this.#session.close();
    return this.#diagnostics;
  }

  async #make(record: ObjectRecord): Promise<void> {
    const { kind, id, of } = record;
    const make: { readonly [K in ObjectKind]: () => unknown } = {
      btf: () => this.#btf(id, of as unknown as BtfMade),
      map: () => this.#native(record) ?? this.#map(id, of as unknown as MapMade),
      prog: () => this.#native(record) ?? this.#program(id, of as unknown as ProgramMade),
      link: () => this.#link(of as unknown as LinkMade, record.root === true),
    };
    this.#context.idsFrom({ [kind]: id - 1 });
    await this.#attempt(`${kind} ${id}`, make[kind]);
  }

  #btf(id: Id, { name, digest }: BtfMade): void {
    const bytes = this.#contents.blobs.get(digest);
    if (bytes === undefined) throw new TypeError('its bytes are missing');
    this.#keep(this.#context.btfs.add(new ContextBtf(id, name, decodeBtf(bytes), bytes)));
  }

  /** Of a module: all of its objects are made with the first, and those that nothing holds go again. */
  #native({ kind, id, of }: ObjectRecord): Promise<void> | undefined {
    if (!('module' in (of as object))) return undefined;
    return this.#module(kind, id, (of as unknown as ModuleMade).module);
  }

  async #module(kind: ObjectKind, id: Id, { digest, ...ids }: ModuleMade['module']): Promise<void> {
    if (this.#context.table(kind).get(id) !== undefined) return;
    const bytes = this.#contents.blobs.get(digest);
    if (bytes === undefined) throw new TypeError('its module is missing');
    await reloadModule(this.#session, { bytes, ...ids });
    for (const one of ids.maps) emptied(this.#object('map', one) as unknown as ContextMap);
  }

  #map(id: Id, { spec, dialect, btfId, innerMapId, bits }: MapMade): void {
    const { runtime } = this.#context;
    const row = this.#context.platform(dialect).mapType(spec.type);
    if (row === undefined) throw new TypeError(`there are no maps of type ${spec.type} any more`);
    const seeded = bits === undefined ? {} : { random32: () => bits.seed };
    const raw = createMap(row, spec, { ...runtime.mapContext, ...seeded });
    runtime.addMap(raw);
    const btf = btfId === 0 ? undefined : (this.#object('btf', btfId) as unknown as ContextBtf);
    const map = new ContextMap(id, this.#context, { raw, runtime, dialect, btf, innerMapId });
    this.#keep(this.#context.maps.add(map));
    if (bits !== undefined) putBits(map, bits.bits);
  }

  /** Elements of maps that hold programs, when those are there; before that, all others, and what is frozen. */
  #fill(ofPrograms: boolean): void {
    const { elements, frozen, objects } = this.#contents;
    for (const element of elements) {
      const map = this.#context.maps.get(element.map);
      if (map === undefined || (map.holds === 'prog') !== ofPrograms) continue;
      // Of a module, which has made it as it is.
      if (map.raw.frozen) continue;
      if (element.op === 'delete') {
        if (element.key.length === 0 && map.raw.spec.keySize === 0) map.lookupAndDelete(element.key);
        else map.delete(element.key);
        continue;
      }
      const value = this.#fitting(map, element.value);
      const status = map.update(element.key, value, 0, (id) => this.#context.table(map.holds ?? 'map').get(id));
      if (status < 0) this.#sayOnce(map, `an element is refused with ${status}`);
    }
    for (const { kind, id } of objects) {
      const map = kind === 'map' && frozen.has(id) ? this.#context.maps.get(id) : undefined;
      if (map !== undefined && (map.holds === 'prog') === ofPrograms) map.freeze();
    }
  }

  /** Values of per-CPU maps, where the machine has another number of CPUs now. */
  #fitting(map: ContextMap, value: Uint8Array): Uint8Array {
    const size = map.raw.userValueSize;
    if (value.length === size) return value;
    this.#sayOnce(map, `its values are of ${value.length} bytes, and now of ${size}: there are other CPUs`);
    const fitting = new Uint8Array(size);
    fitting.set(value.subarray(0, size));
    return fitting;
  }

  #program(id: Id, made: ProgramMade): void {
    const { spec, btfId, execution, maps: ids, evidence } = made;
    const context = this.#context;
    const maps = ids.map((map) => this.#object('map', map) as unknown as ContextMap);
    const btf = btfId === 0 ? undefined : (this.#object('btf', btfId) as unknown as ContextBtf);
    const object: ObjectSpec = {
      name: made.object.name,
      dialect: spec.dialect,
      endian: 'little',
      license: made.object.license,
      programs: [spec],
      maps: maps.map(({ raw }, i) => ({ ...raw.spec, name: made.object.names[i] })),
      externs: made.object.externs,
      ...(btf === undefined ? {} : { btf: btf.types }),
      diagnostics: [],
    };
    const { engine: usual = DEFAULT_ENGINE } = context.options;
    const platform = context.platform(spec.dialect);
    const digest = evidenceDigest(object, spec, maps, platform, this.#producer);
    const verdicts = evidence?.digest === digest ? { verdicts: { [spec.name]: verdictOf(evidence.verdict) } } : {};
    const loaded = loadObject(object, {
      ...context.loadOptions(spec.dialect),
      engine: executionOf('restore', execution, usual).engine,
      ...verdicts,
      programs: [spec.name],
      maps: Object.fromEntries(maps.map((map, i) => [made.object.names[i], { reuse: map.loaded }])),
    });
    const [program] = loaded.programs;
    if (program.diagnostic !== undefined) {
      loaded[Symbol.dispose]();
      throw new AnyBpfError(program.diagnostic);
    }
    const now = context.host.services.clock.boot();
    const restored = new ContextProgram(id, context, {
      loaded: program,
      runtime: context.runtime,
      object,
      maps,
      btf,
      execution,
      source: made.source,
      uid: made.uid,
      pid: made.pid,
      // The machine may have begun anew.
      loadedAt: made.loadedAt < now ? made.loadedAt : now,
      verifiedInsns: made.verifiedInsns,
      informationHash: made.informationHash,
    });
    for (const map of made.bound) restored.bindMap(this.#object('map', map) as unknown as ContextMap);
    this.#keep(context.programs.add(restored));
  }

  async #link({ progId, attachType, target, flags, cookie }: LinkMade, legacy: boolean): Promise<void> {
    const fd = this.#session.open(this.#object('prog', progId));
    const params = { fd, attachType, target, flags };
    if (legacy) await this.#session.call('prog.attach', params);
    else await this.#session.call('link.create', { ...params, ...(cookie === undefined ? {} : { cookie }) });
  }

  #keep(object: ContextObject): void {
    this.#session.open(object);
  }

  #object(kind: ObjectKind, id: Id): ContextObject {
    const object = this.#context.table(kind).get(id);
    if (object === undefined) throw new TypeError(`${kind} ${id} is missing`);
    return object;
  }

  async #attempt(what: string, act: () => unknown): Promise<void> {
    try {
      await act();
    } catch (error) {
      const why = error instanceof AnyBpfError ? error.diagnostic.message : (error as Error).message;
      this.#diagnostics.push(notRestored({}, what, why));
    }
  }

  #sayOnce(map: ContextMap, why: string): void {
    if (this.#said.has(map.id)) return;
    this.#said.add(map.id);
    this.#diagnostics.push(notRestored({ map: map.name }, `all of map ${map.id}`, why));
  }
}
