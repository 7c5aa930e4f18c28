/**
 * What the skeletons of `anybpf gen skeleton` run on: an object with its programs, maps and global variables as typed properties, over
 * any Session (this process's own context, the service).
 *
 * ```ts
 * const opened = sampler.open();
 * opened.globals.rodata.set({ every: 5 });
 * await using loaded = await opened.load(session);
 * await loaded.attach({ sample: { ifindex: 2 } });
 * for await (const { value } of loaded.maps.events.records(Event)) console.log(value.number);
 * ```
 *
 * @module
 */
import { fail } from '../base/diagnostic.ts';
import { noObject, otherObject } from '../base/messages/skeleton.ts';
import type { EngineChoice } from '../spec/backend.ts';
import type { AttachTypeName, ProgramTypeName } from '../spec/program-types.ts';
import type { ExecutionType, Fd, LoadedObjectInfo, ObjectLoad, Session } from '../spec/session.ts';
import { LoadedSection, OpenedSection, type SectionRow, unbase64, type Variables } from './globals.ts';
import type { MapRow } from './map-rows.ts';
import type { AnyMap } from './maps.ts';
import { type AttachOptions, type Link, Program, type ProgramRow } from './programs.ts';

type Programs = Readonly<Record<string, ProgramRow>>;
type Maps = Readonly<Record<string, MapRow<AnyMap>>>;
type Sections = Readonly<Record<string, SectionRow>>;

/** The tables that a generated file gives. */
export interface SkeletonRows<P extends Programs, M extends Maps, G extends Sections> {
  /** The object's file name. */
  readonly name: string;
  /** SHA-256 of the object in hexadecimal digits. */
  readonly digest: string;
  /** The object in base64, where the file carries it. */
  readonly object?: string;
  readonly programs: P;
  readonly maps: M;
  /** Data sections: `rodata`, `data`, `bss`, as libbpf names them. */
  readonly globals: G;
}

export interface LoadOptions {
  readonly execution?: ExecutionType;
  readonly engine?: EngineChoice;
  /** Where maps that are pinned by name go; `/sys/fs/bpf` where absent. */
  readonly pinRoot?: string;
  /** Raw BTF to resolve CO-RE relocations against. */
  readonly btf?: Uint8Array;
}

/** A program before loading. */
export interface OpenedProgram {
  readonly row: ProgramRow;
  /** Whether it is loaded. */
  autoload: boolean;
  /** Other than the section says. */
  type?: ProgramTypeName;
  attachType?: AttachTypeName;
}

/** A map before loading. */
export interface OpenedMap {
  /** Other than the object says. */
  maxEntries?: number;
  /** A map to use in its place, by a handle of the session that loads. */
  reuse?: { readonly fd: Fd };
  pinPath?: string;
}

const mapValues = <T extends object, R>(rows: T, make: (name: string, row: T[keyof T]) => R): { [K in keyof T]: R } =>
  Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, make(name, row as T[keyof T])])) as {
    [K in keyof T]: R;
  };

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes.slice());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** An object that is not loaded yet: here globals, maps and programs are set. */
export class OpenedSkeleton<P extends Programs, M extends Maps, G extends Sections> {
  readonly #rows: SkeletonRows<P, M, G>;
  readonly #object: Uint8Array;
  readonly programs: { readonly [K in keyof P]: OpenedProgram };
  readonly maps: { readonly [K in keyof M]: OpenedMap };
  readonly globals: { readonly [K in keyof G]: OpenedSection<G[K]['variables']> };

  constructor(rows: SkeletonRows<P, M, G>, object: Uint8Array) {
    this.#rows = rows;
    this.#object = object;
    this.programs = mapValues(rows.programs, (_, row): OpenedProgram => ({ row, autoload: row.autoload ?? true }));
    this.maps = mapValues(rows.maps, (): OpenedMap => ({}));
    this.globals = mapValues(rows.globals, (_, row) => new OpenedSection(row)) as {
      [K in keyof G]: OpenedSection<G[K]['variables']>;
    };
  }

  /** Loads the object; all of it or nothing. Raises what the session refuses, and skeleton/object for another object's bytes. */
  async load(session: Session, options: LoadOptions = {}): Promise<LoadedSkeleton<P, M, G>> {
    const rows = this.#rows;
    if ((await sha256(this.#object)) !== rows.digest) fail(otherObject({ file: rows.name }, rows.name));
    const loaded = await session.call('object.load', {
      object: this.#object,
      name: rows.name,
      ...options,
      ...this.#changes(),
    });
    return new LoadedSkeleton(session, rows, loaded);
  }

  #changes(): Pick<ObjectLoad, 'programs' | 'types' | 'maps'> {
    const rows = this.#rows;
    const programs = Object.entries<OpenedProgram>(this.programs);
    const all = programs.every(([, { row, autoload }]) => autoload === (row.autoload ?? true));
    const types = programs.flatMap(([name, { type, attachType }]) =>
      type === undefined && attachType === undefined
        ? []
        : [
            [
              name,
              { ...(type === undefined ? {} : { type }), ...(attachType === undefined ? {} : { attachType }) },
            ] as const,
          ],
    );
    const maps = Object.entries<OpenedMap>(this.maps).flatMap(([name, { maxEntries, reuse, pinPath }]) => {
      const change = {
        ...(maxEntries === undefined ? {} : { maxEntries }),
        ...(reuse === undefined ? {} : { reuseFd: reuse.fd }),
        ...(pinPath === undefined ? {} : { pinPath }),
      };
      return Object.keys(change).length === 0 ? [] : [[rows.maps[name].map ?? name, change] as const];
    });
    const data = Object.entries<OpenedSection<Variables>>(this.globals).flatMap(([key, { image }]) =>
      image === undefined ? [] : [[rows.globals[key].map, { data: image }] as const],
    );
    return {
      ...(all ? {} : { programs: programs.filter(([, { autoload }]) => autoload).map(([name]) => name) }),
      ...(types.length === 0 ? {} : { types: Object.fromEntries(types) }),
      ...(maps.length + data.length === 0 ? {} : { maps: Object.fromEntries([...maps, ...data]) }),
    };
  }
}

/** A loaded object. Its handles go with it: `await using`, or `using` to not wait for their end. */
export class LoadedSkeleton<P extends Programs, M extends Maps, G extends Sections> {
  readonly session: Session;
  #btfFd: Fd | undefined;
  readonly programs: { readonly [K in keyof P]: Program };
  readonly maps: { readonly [K in keyof M]: M[K] extends MapRow<infer Map> ? Map : never };
  readonly globals: { readonly [K in keyof G]: LoadedSection<G[K]['variables']> };
  /** What `attach` has attached, by program. */
  readonly links: { [K in keyof P]?: Link } = {};
  readonly diagnostics: LoadedObjectInfo['diagnostics'];

  constructor(session: Session, rows: SkeletonRows<P, M, G>, loaded: LoadedObjectInfo) {
    this.session = session;
    this.#btfFd = loaded.btfFd;
    this.diagnostics = loaded.diagnostics;
    const programs = new Map(loaded.programs.map(({ name, fd }) => [name, fd]));
    const named = new Map(loaded.maps.map(({ name, fd }) => [name, fd]));
    this.programs = mapValues(rows.programs, (name, row) => new Program(session, name, programs.get(name), row));
    this.maps = mapValues(rows.maps, (name, row) =>
      row.open(session, name, named.get(row.map ?? name)),
    ) as LoadedSkeleton<P, M, G>['maps'];
    this.globals = mapValues(
      rows.globals,
      (_, row) => new LoadedSection(session, row, named.get(row.map)),
    ) as LoadedSkeleton<P, M, G>['globals'];
  }

  /**
   * Attaches programs: those that a target is given for, and those whose section says it all (`tracepoint/sched/sched_switch`), unless
   * they are set to false. Where one is refused, those attached by this call are taken off again.
   */
  async attach(targets: { readonly [K in keyof P]?: AttachOptions | false } = {}): Promise<this> {
    const made: (keyof P)[] = [];
    try {
      for (const name of Object.keys(this.programs) as (keyof P)[]) {
        const program = this.programs[name];
        const target = targets[name] ?? (program.loaded && program.row.target !== undefined ? {} : false);
        if (target === false || this.links[name] !== undefined) continue;
        this.links[name] = await program.attach(target);
        made.push(name);
      }
      return this;
    } catch (error) {
      for (const name of made) {
        const link = this.links[name];
        delete this.links[name];
        await link?.close();
      }
      throw error;
    }
  }

  /** Takes off what `attach` attached. Links that were pinned stay attached. */
  async detach(): Promise<void> {
    for (const name of Object.keys(this.links) as (keyof P)[]) {
      const link = this.links[name];
      delete this.links[name];
      await link?.close();
    }
  }

  /** The object's BTF in the context, where it has one and the skeleton is not closed. */
  get btfFd(): Fd | undefined {
    return this.#btfFd;
  }

  #handles(): AsyncDisposable[] {
    const parts = [this.links, this.programs, this.maps, this.globals];
    return parts.flatMap((part) => Object.values<AsyncDisposable>(part as Record<string, AsyncDisposable>));
  }

  /** Gives all handles back: what is not attached, pinned or used elsewhere goes. Raises the first failure, after all were tried. */
  async close(): Promise<void> {
    const fd = this.#btfFd;
    this.#btfFd = undefined;
    const ends = this.#handles().map((handle) => handle[Symbol.asyncDispose]());
    if (fd !== undefined) ends.push(this.session.call('object.close', { fd }).then(() => undefined));
    for (const end of await Promise.allSettled(ends)) if (end.status === 'rejected') throw end.reason;
  }

  /** As close, without waiting for its end; a session that is gone has taken the handles with it. */
  [Symbol.dispose](): void {
    this.close().catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What a generated file exports: the way to open its object. */
export interface Skeleton<P extends Programs, M extends Maps, G extends Sections> {
  readonly rows: SkeletonRows<P, M, G>;
  /**
   * @param object the object's bytes; those that the file carries where absent. Raises skeleton/object where it carries none.
   */
  open(object?: Uint8Array): OpenedSkeleton<P, M, G>;
}

/** The skeleton of these tables. */
export function skeleton<const P extends Programs, const M extends Maps, const G extends Sections>(
  rows: SkeletonRows<P, M, G>,
): Skeleton<P, M, G> {
  return {
    rows,
    open(object) {
      const carried = rows.object === undefined ? undefined : unbase64(rows.object);
      return new OpenedSkeleton(rows, object ?? carried ?? fail(noObject({ file: rows.name }, rows.name)));
    },
  };
}
