// A loaded object: its programs and maps, ready to use.
import { type Diagnostic, fail } from '../base/diagnostic.ts';
import { noSuchMap, noSuchProgram, notShared, severalPrograms } from '../base/messages/run.ts';
import type { MapSpec, ObjectSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import { LoadedMap } from './map.ts';
import { createMap, type MapSlot } from './object-maps.ts';
import type { LoadedProgram } from './program.ts';
import type { Runtime } from './runtime.ts';
import type { SharedObject } from './share.ts';
import { SharedMemory } from './shared-memory.ts';

export class LoadedObject implements Disposable {
  readonly name: string;
  readonly spec: ObjectSpec;
  readonly runtime: Runtime;
  readonly platform: Platform;
  /** All programs, also those that are not loaded (see their `diagnostic`). */
  readonly programs: readonly LoadedProgram[];
  /** The maps that could be created, in the object's order. */
  readonly maps: readonly LoadedMap[];
  readonly #diagnostics: Diagnostic[];
  readonly #owned: LoadedMap[];
  readonly #ownsRuntime: boolean;
  #disposed = false;

  /** Use loadObject. */
  constructor(
    spec: ObjectSpec,
    runtime: Runtime,
    platform: Platform,
    programs: readonly LoadedProgram[],
    slots: readonly MapSlot[],
    ownsRuntime: boolean,
  ) {
    this.name = spec.name;
    this.spec = spec;
    this.runtime = runtime;
    this.platform = platform;
    this.programs = programs;
    this.maps = slots.flatMap((slot) => ('map' in slot ? [slot.map] : []));
    this.#owned = slots.flatMap((slot) => ('map' in slot && slot.owned ? [slot.map] : []));
    this.#ownsRuntime = ownsRuntime;
    this.#diagnostics = [
      ...spec.diagnostics,
      ...slots.flatMap((slot) => ('diagnostic' in slot ? [slot.diagnostic] : [])),
      ...programs.flatMap((p) => (p.diagnostic !== undefined && p.spec.autoload ? [p.diagnostic] : [])),
      ...programs.flatMap((p) => p.spec.poisoned ?? []),
    ];
  }

  /** What was not understood, not supported or not loaded. */
  get diagnostics(): readonly Diagnostic[] {
    return this.#diagnostics;
  }

  /** Adds a finding; the loader's. */
  report(diagnostic: Diagnostic): void {
    this.#diagnostics.push(diagnostic);
  }

  /**
   * A program by function name or by section; without a name the only one.
   * @throws AnyBpfError run/no-program, run/which-program
   */
  program(name?: string): LoadedProgram {
    const place = { file: this.name };
    const names = this.programs.map((p) => p.name);
    if (name === undefined) {
      if (this.programs.length === 1) return this.programs[0];
      return names.length === 0 ? fail(noSuchProgram(place, '', names)) : fail(severalPrograms(place, names));
    }
    const found = this.programs.find((p) => p.name === name) ?? this.programs.find(({ spec }) => spec.section === name);
    return found ?? fail(noSuchProgram(place, name, names));
  }

  /**
   * A map by name, or the map of a data section (`.bss`).
   * @throws AnyBpfError run/no-map
   */
  map(name: string): LoadedMap {
    const found = this.maps.find((map) => map.name === name) ?? this.maps.find(({ spec }) => spec.section === name);
    return (
      found ??
      fail(
        noSuchMap(
          { file: this.name },
          name,
          this.maps.map((m) => m.name),
        ),
      )
    );
  }

  /** Creates a further map in this object's runtime, e.g. an inner map of a map of maps. */
  createMap(spec: MapSpec): LoadedMap {
    const map = new LoadedMap(createMap(this.runtime, this.platform, spec), this.spec.btf);
    this.#owned.push(map);
    return map;
  }

  /**
   * What another thread needs to run the same object over the same maps: pass it there (a structured clone, as postMessage makes
   * it), and load the object there with `attach`. Dispose of this object after those.
   *
   * @throws AnyBpfError run/not-shared where it was not loaded with `shared`
   */
  share(): SharedObject {
    const { memory, host } = this.runtime;
    if (!(memory instanceof SharedMemory)) return fail(notShared({ file: this.name }));
    const maps = this.maps.map(({ raw: { handle, spec } }) => {
      const { name, type, keySize, valueSize, maxEntries, flags } = spec;
      return { name, type, keySize, valueSize, maxEntries, flags, handle };
    });
    return { memory: memory.handle, cpus: host.services.cpus, maps };
  }

  /** Gives back programs and maps; those that other objects brought stay. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const program of this.programs) program[Symbol.dispose]();
    for (const map of this.#owned) {
      map[Symbol.dispose]();
      this.runtime.removeMap(map.raw);
    }
    if (this.#ownsRuntime) this.runtime[Symbol.dispose]();
  }
}
