// What the maps and programs of one or several objects share: the linear memory, the ids, the host.
import { fail } from '../base/diagnostic.ts';
import { badOption } from '../base/messages/run.ts';
import type { Backend, Code, CodeOptions, EngineChoice, ProgramImage } from '../spec/backend.ts';
import { ERRNO } from '../spec/errno.ts';
import type { Host } from '../spec/host.ts';
import type { BpfMap, MapContext, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import type { Dialect, ProgramSpec } from '../spec/object.ts';
import { ATTACH_TYPES, type AttachTypeName } from '../spec/program-types.ts';
import { DEFAULT_ENGINE, ENGINE_CHOICES } from './engines.ts';
import { LinearMemory } from './memory.ts';
import { plainMemory } from './plain-memory.ts';
import { checkHandle, type SharedObject } from './share.ts';
import { SharedMemory } from './shared-memory.ts';

export interface RuntimeOptions {
  readonly host: Host;
  /** `auto` where absent: chosen by the work to expect (compile/auto/backend.ts). */
  readonly engine?: EngineChoice;
  /**
   * All programs were verified elsewhere: their accesses are confined to the linear memory, and not checked further. For programs that
   * are to be verified here, see LoadOptions.verify.
   */
  readonly trusted?: boolean;
  /**
   * Most bytes that maps, packets and stacks may take together; at most 4 GiB - 64 KiB, which is the default (of shared memory:
   * 1 GiB).
   */
  readonly memoryLimit?: number;
  /** Other threads may use the maps, too (run/share.ts). */
  readonly shared?: boolean;
  /** Use the memory and the maps of another thread's object: what its `share()` gave. */
  readonly attach?: SharedObject;
}

/** What a prog_array's programs have in common (kernel/bpf/core.c: bpf_prog_map_compatible). */
interface ProgArrayOwner {
  readonly type: string;
  /** Its number, 0 where there is none: as bpf(2) says it. */
  readonly attachType: number;
  readonly fragments: boolean;
  readonly sleepable: boolean;
}

function attachNumber(attachType: AttachTypeName | undefined, dialect: Dialect): number {
  if (attachType === undefined) return 0;
  const numbers: { readonly [D in Dialect]?: number } = ATTACH_TYPES[attachType];
  return numbers[dialect] ?? 0;
}

/**
 * One linear memory with everything in it. Objects loaded into the same runtime can share maps; disposing of it disposes of
 * the memory's contents, so dispose of its objects first.
 */
export class Runtime implements Disposable {
  readonly host: Host;
  readonly memory: LinearMemory;
  readonly backend: Backend;
  /** What maps need of where they live. */
  readonly mapContext: MapContext;
  /** CPU of the run that is under way. */
  cpu = 0;

  readonly #mapsById = new Map<number, BpfMap>();
  readonly #mapsByHandle = new Map<Address, BpfMap>();
  readonly #programs = new Map<number, ProgramImage>();
  readonly #owners = new Map<number, ProgArrayOwner>();
  readonly #trusted: boolean;
  readonly #codeOptions = new Map<EngineChoice, CodeOptions>();
  /** Of programs that another back end runs than the one of a program which goes on with them. */
  readonly #besides = new WeakMap<ProgramImage, Map<EngineChoice, Code>>();
  #lastMapId = 0;
  #lastProgramId = 0;
  #disposed = false;

  constructor(options: RuntimeOptions) {
    const { host, engine = DEFAULT_ENGINE, memoryLimit, trusted = false } = options;
    if (!Object.hasOwn(ENGINE_CHOICES, engine)) {
      fail(badOption({}, 'engine', `is '${engine}'; there is ${Object.keys(ENGINE_CHOICES).join(', ')}`));
    }
    if (memoryLimit !== undefined && !(Number.isInteger(memoryLimit) && memoryLimit > 0)) {
      fail(badOption({}, 'memoryLimit', `must be a positive number of bytes, not ${memoryLimit}`));
    }
    this.host = host;
    this.backend = ENGINE_CHOICES[engine];
    this.#trusted = trusted;
    this.memory = memoryFor(options);
    const { services } = host;
    this.mapContext = {
      memory: this.memory,
      cpus: services.cpus,
      currentCpu: () => this.cpu,
      random32: () => services.random32(),
      mapById: (id) => this.#mapsById.get(id),
      // The element of a prog_array is the program's id: what tail_call hands back to us.
      programById: (id) => (this.#programs.has(id) ? { id, address: id } : undefined),
      admitProgram: (map, id) => this.admitProgram(map, this.#programs.get(id)?.spec),
      nextMapId: () => ++this.#lastMapId,
    };
  }

  /** The CPU of a run that begins now: the host's, or the one that is this thread's in shared memory. */
  takeCpu(): number {
    this.cpu = this.memory instanceof SharedMemory ? this.memory.cpu : this.host.services.cpu();
    return this.cpu;
  }

  addMap(map: BpfMap): void {
    // Maps that another thread made bring their ids.
    this.#lastMapId = Math.max(this.#lastMapId, map.id);
    this.#mapsById.set(map.id, map);
    this.#mapsByHandle.set(map.handle, map);
  }

  /** Forgets and destroys a map. */
  removeMap(map: BpfMap): void {
    this.#mapsById.delete(map.id);
    this.#mapsByHandle.delete(map.handle);
    this.#owners.delete(map.id);
    map.destroy();
  }

  mapAt(handle: Address): BpfMap | undefined {
    return this.#mapsByHandle.get(handle);
  }

  nextProgramId(): number {
    return ++this.#lastProgramId;
  }

  /** Further ids are above these: they were given before, by a runtime of which this one takes the place. */
  idsFrom(last: { readonly map: number; readonly program: number }): void {
    this.#lastMapId = Math.max(this.#lastMapId, last.map);
    this.#lastProgramId = Math.max(this.#lastProgramId, last.program);
  }

  addProgram(image: ProgramImage): void {
    this.#programs.set(image.id, image);
  }

  removeProgram(image: ProgramImage): void {
    this.#programs.delete(image.id);
    image.code?.dispose();
    image.code = undefined;
    for (const code of this.#besides.get(image)?.values() ?? []) code.dispose();
    this.#besides.delete(image);
  }

  /** The program's code; made where there is none yet, by the back end that is wished for. */
  codeOf(image: ProgramImage, backend: Backend = this.backend): Code {
    if (image.code === undefined) {
      image.code = backend.load(image, this.#optionsOf(backend));
      image.backend = backend.name;
    }
    return image.code;
  }

  /** What was made of a program, for a person to look at; undefined where it is interpreted, or came ready made. */
  emitted(image: ProgramImage): Uint8Array | undefined {
    const backend = image.backend === undefined ? undefined : ENGINE_CHOICES[image.backend];
    const chosen = backend?.name === 'auto' && image.code !== undefined ? ENGINE_CHOICES[image.code.engine] : backend;
    return chosen?.emit?.(image, this.#optionsOf(chosen));
  }

  /** Tail calls stay in the back end of the program that makes them, whatever the target was loaded for. */
  #optionsOf(backend: Backend): CodeOptions {
    const { name } = backend;
    let options = this.#codeOptions.get(name);
    if (options === undefined) {
      options = { trusted: this.#trusted, codeOf: (image) => this.#codeIn(image, backend) };
      this.#codeOptions.set(name, options);
    }
    return options;
  }

  #codeIn(image: ProgramImage, backend: Backend): Code {
    const code = this.codeOf(image, backend);
    if (image.backend === backend.name) return code;
    const besides = this.#besides.get(image) ?? new Map<EngineChoice, Code>();
    this.#besides.set(image, besides);
    const known = besides.get(backend.name);
    if (known !== undefined) return known;
    const made = backend.load(image, this.#optionsOf(backend));
    besides.set(backend.name, made);
    return made;
  }

  program(id: number): ProgramImage | undefined {
    return this.#programs.get(id);
  }

  /**
   * Whether a program may stand in a prog_array or call through it: 0, or -EINVAL where the first program that did either was
   * of another type, attach type or mode.
   */
  admitProgram(map: BpfMap, spec: ProgramSpec | undefined): Status {
    if (spec === undefined) return -ERRNO.EBADF;
    const { type, fragments, sleepable, dialect } = spec;
    const attachType = attachNumber(spec.attachType, dialect);
    const owner = this.#owners.get(map.id);
    if (owner === undefined) {
      this.#owners.set(map.id, { type, attachType, fragments, sleepable });
      return 0;
    }
    const fits =
      owner.type === type &&
      owner.attachType === attachType &&
      owner.fragments === fragments &&
      owner.sleepable === sleepable;
    return fits ? 0 : -ERRNO.EINVAL;
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    for (const image of this.#programs.values()) this.removeProgram(image);
    for (const map of this.#mapsById.values()) this.removeMap(map);
    if (this.memory instanceof SharedMemory) this.memory.releaseCpu();
    this.#disposed = true;
  }
}

/** The memory that the options ask for: this thread's own, one that others may attach to, or another thread's. */
function memoryFor({ host, memoryLimit, shared = false, attach }: RuntimeOptions): LinearMemory {
  if (attach !== undefined) return new SharedMemory(checkHandle(attach, host.services.cpus).memory);
  if (shared) return SharedMemory.create(host.services.cpus, memoryLimit);
  return new LinearMemory(memoryLimit, plainMemory());
}
