// Puts what `link` made of an object file into the running kernel, so that its verifier says what it thinks of them, or that they run there and here.
//
//   const object = new KernelObject(linkObject(bytes));
//   const { fd, log } = object.load(object.spec.programs[0]);   // fd or -errno
//   object.map('counters')?.fd                                   // fd or -errno of BPF_MAP_CREATE
//   object.dispose();
//
// It does what libbpf does at load time, and no more: creates the maps as the kernel wants them, sets initial contents,
// puts map descriptors into the code, gives BTF along where the kernel demands it. CO-RE relocations must be applied
// before (link/core.ts). Externs other than weak ones (which become 0) are refused: see `reason`.
import type { BtfType } from '../../btf/format.ts';
import type { Btf } from '../../btf/btf.ts';
import { encodeBtf } from '../../btf/encode.ts';
import { ERRNO } from '../../spec/errno.ts';
import { MAP_FLAGS, type MapTypeName } from '../../spec/map-types.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import { btfLoad, close, mapCreate, mapFreeze, mapUpdate, possibleCpus, progLoad } from './bpf.ts';

export interface KernelMap {
  readonly spec: MapSpec;
  /** Descriptor, or the -errno of its creation. */
  readonly fd: number;
}

export interface KernelProgram {
  readonly spec: ProgramSpec;
  /** Descriptor, or -errno. */
  readonly fd: number;
  readonly log: string;
  /** Why it was not even offered to the kernel. */
  readonly reason?: string;
}

/** Map types for which libbpf passes no BTF ids: the kernel refuses them (map_create in tools/lib/bpf/libbpf.c). */
const WITHOUT_BTF: ReadonlySet<MapTypeName> = new Set<MapTypeName>([
  ...(['perf_event_array', 'cgroup_array', 'stack_trace', 'array_of_maps', 'hash_of_maps', 'devmap'] as const),
  ...(['devmap_hash', 'cpumap', 'xskmap', 'sockmap', 'sockhash', 'queue', 'stack', 'arena'] as const),
]);

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

const FUNC_GLOBAL = 1;
const FUNC_STATIC = 0;
const VAR_GLOBAL = 1;

/**
 * BTF as the kernel takes it. clang leaves data sections without size and offsets (libbpf fills them from the symbol
 * table; what they say is of no use to the kernel here, so a packed layout does), extern linkage is the linker's business,
 * and a function that is not verified on its own must be static.
 */
function kernelBtf(btf: Btf, programs: readonly ProgramSpec[]): Uint8Array {
  const globals = new Set(programs.flatMap((p) => p.functions.filter((f) => f.global).map((f) => f.typeId)));
  const types: BtfType[] = [];
  for (let id = 1; id < btf.count; id++) {
    const type = btf.type(id);
    if (type.kind === 'datasec') {
      let at = 0;
      const vars = type.vars
        .filter((v) => btf.type(v.type).kind === 'var')
        .map((v) => {
          const placed = { ...v, offset: at };
          at += v.size;
          return placed;
        });
      types.push({ ...type, vars, size: Math.max(at, 1) });
    } else if (type.kind === 'var') {
      types.push({ ...type, linkage: VAR_GLOBAL });
    } else if (type.kind === 'func') {
      types.push({ ...type, linkage: globals.has(id) ? FUNC_GLOBAL : FUNC_STATIC });
    } else {
      types.push(type);
    }
  }
  return encodeBtf(types);
}

export class KernelObject {
  readonly spec: ObjectSpec;
  readonly maps: readonly KernelMap[];
  readonly programs = new Map<string, KernelProgram>();
  /** -errno where the kernel refuses the object's BTF; 0 where it has none. */
  readonly btfFd: number;
  readonly btfLog: string;
  readonly #owned: number[] = [];

  constructor(spec: ObjectSpec) {
    this.spec = spec;
    const btf = spec.btf === undefined ? { fd: 0, log: '' } : btfLoad(kernelBtf(spec.btf, spec.programs));
    this.btfFd = btf.fd;
    this.btfLog = btf.log;
    if (btf.fd > 0) this.#owned.push(btf.fd);
    this.maps = spec.maps.map((map) => ({ spec: map, fd: this.#createMap(map) }));
    for (const map of this.maps) if (map.fd > 0) this.#setContents(map);
  }

  map(name: string): KernelMap | undefined {
    return this.maps.find((m) => m.spec.name === name);
  }

  #createMap(map: MapSpec): number {
    const inner = map.inner === undefined ? 0 : this.#createMap(map.inner);
    if (inner < 0) return inner;
    const perCpuSlots = map.type === 'perf_event_array' && map.maxEntries === 0;
    const attributes = {
      type: map.type,
      name: map.name,
      keySize: map.keySize,
      valueSize: map.valueSize,
      maxEntries: perCpuSlots ? possibleCpus() : map.maxEntries,
      flags: map.flags | (map.type === 'lpm_trie' ? MAP_FLAGS.NO_PREALLOC : 0),
      innerFd: inner,
      ...(map.numaNode === undefined ? {} : { numaNode: map.numaNode }),
      ...(map.extra === undefined ? {} : { extra: map.extra }),
    };
    let fd = -ERRNO.EINVAL;
    if (this.btfFd > 0 && map.kind === 'map' && map.valueTypeId !== undefined && !WITHOUT_BTF.has(map.type)) {
      const ids = { btfFd: this.btfFd, btfKeyTypeId: map.keyTypeId ?? 0, btfValueTypeId: map.valueTypeId };
      fd = mapCreate({ ...attributes, ...ids });
    }
    if (fd < 0) fd = mapCreate(attributes);
    if (fd > 0) this.#owned.push(fd);
    return fd;
  }

  #setContents({ spec, fd }: KernelMap): void {
    if (spec.data !== undefined) mapUpdate(fd, u32(0), spec.data);
    if (spec.frozen) mapFreeze(fd);
    for (const slot of spec.slots) {
      if (slot.kind !== 'map') continue;
      const target = this.map(slot.target);
      if (target !== undefined && target.fd > 0) mapUpdate(fd, u32(slot.index), u32(target.fd));
    }
  }

  /** The code with descriptors for map references, or why that cannot be. */
  link(program: ProgramSpec): Uint8Array | string {
    const code = new Uint8Array(program.code);
    const view = new DataView(code.buffer);
    for (let at = 0; at < code.length; at += 8) {
      const opcode = code[at];
      const src = code[at + 1] >> 4;
      if (opcode === 0x85 && src === 2) {
        return `calls kfunc ${this.spec.externs[view.getInt32(at + 4, true)]?.name}`;
      }
      if (opcode !== 0x18) continue;
      const index = view.getInt32(at + 4, true);
      if (src === 5 || src === 6) {
        const map = this.maps[index];
        if (map === undefined || map.fd < 0) return `map ${map?.spec.name} was refused with errno ${-(map?.fd ?? 0)}`;
        code[at + 1] = (code[at + 1] & 0xf) | ((src === 5 ? 1 : 2) << 4);
        view.setInt32(at + 4, map.fd, true);
      } else if (src === 3) {
        const extern = this.spec.externs[index];
        if (extern?.weak !== true) return `needs extern ${extern?.name}`;
        code[at + 1] &= 0xf;
        view.setInt32(at + 4, 0, true);
      }
      at += 8;
    }
    return code;
  }

  /** Loads a program (once); with a log where `logLevel` is above 0. Puts it where a prog_array's initial slots name it. */
  load(program: ProgramSpec, logLevel = 0): KernelProgram {
    const known = this.programs.get(program.name);
    if (known !== undefined) return known;
    const loaded = this.#load(program, logLevel);
    this.programs.set(program.name, loaded);
    if (loaded.fd < 0) return loaded;
    this.#owned.push(loaded.fd);
    for (const map of this.maps) {
      for (const slot of map.spec.slots) {
        if (slot.kind === 'program' && slot.target === program.name && map.fd > 0) {
          mapUpdate(map.fd, u32(slot.index), u32(loaded.fd));
        }
      }
    }
    return loaded;
  }

  #load(program: ProgramSpec, logLevel: number): KernelProgram {
    const refused = (reason: string): KernelProgram => ({ spec: program, fd: -ERRNO.EINVAL, log: '', reason });
    if (program.unsupported !== undefined) return refused(program.unsupported.message);
    const code = this.link(program);
    if (typeof code === 'string') return refused(code);
    const withBtf = this.btfFd > 0 && program.functions.every((f) => f.typeId > 0);
    const funcInfo = new Uint8Array(Uint32Array.from(program.functions.flatMap((f) => [f.slot, f.typeId])).buffer);
    const attributes = {
      type: program.type,
      code,
      license: program.license,
      name: program.name,
      logLevel,
      flags: (program.sleepable ? 1 << 4 : 0) | (program.fragments ? 1 << 5 : 0),
      ...(this.spec.version === undefined ? {} : { kernelVersion: this.spec.version }),
      ...(program.attachType === undefined ? {} : { attachType: program.attachType }),
    };
    let loaded = progLoad({ ...attributes, ...(withBtf ? { btfFd: this.btfFd, funcInfo } : {}) });
    // libbpf's section table gives an expected attach type that older programs' types do not want.
    if (loaded.fd < 0 && withBtf) {
      const again = progLoad(attributes);
      if (again.fd >= 0) loaded = again;
    }
    return { spec: program, ...loaded };
  }

  /** The verifier's log for a program that is refused. */
  log(program: ProgramSpec): string {
    const again = this.#load(program, 1);
    if (again.fd >= 0) close(again.fd);
    return again.log;
  }

  /** The end of that, or why the program was not even offered. */
  explain(name: string): string {
    const program = this.spec.programs.find((p) => p.name === name);
    if (program === undefined) return `no program ${name}`;
    const again = this.#load(program, 1);
    if (again.fd >= 0) close(again.fd);
    return again.reason ?? again.log.slice(-600);
  }

  dispose(): void {
    for (const fd of this.#owned.splice(0)) close(fd);
  }
}
