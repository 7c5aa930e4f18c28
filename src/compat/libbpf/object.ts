// bpf_object__*: an object file from open to close. Opening is linking (no session is asked); loading is one object.load.
import { AnyBpfError } from '../../base/diagnostic.ts';
import { linkObject } from '../../link/link.ts';
import type { MapChange, ObjectLoad, ProgramChange } from '../../spec/session.ts';
import { BtfHandle } from './btf-handle.ts';
import { type BpfMap, BpfObject, type BpfProgram, pinPathOf } from './handles.ts';
import { fileBytes, type Library, nothing, plainPointer, pointer, refuse, status, warn } from './library.ts';
import { pinMap, pinProgram, unpinMap, unpinProgram } from './pinning.ts';
import { writeLog } from './prog-calls.ts';

/** struct bpf_object_open_opts. */
export interface ObjectOpenOptions {
  readonly object_name?: string;
  /** Accepted; maps are always read as widely as they can be. */
  readonly relaxed_maps?: boolean;
  readonly pin_root_path?: string;
  /** Not heeded: CONFIG_* values are the context's. */
  readonly kconfig?: string;
  readonly btf_custom_path?: string;
  readonly kernel_log_buf?: Uint8Array;
  readonly kernel_log_size?: number;
  readonly kernel_log_level?: number;
}

/** Base name up to the first dot, as libbpf names objects. */
const objectName = (path: string): string => (path.split('/').at(-1) ?? path).replace(/\..*$/, '');

function open(
  lib: Library,
  bytes: Uint8Array,
  name: string,
  opts: ObjectOpenOptions,
  customBtf?: Uint8Array,
): BpfObject {
  const spec = linkObject(bytes, { name: opts.object_name ?? name });
  const object = new BpfObject(opts.object_name ?? objectName(name), bytes, spec, opts.pin_root_path, customBtf);
  object.log = { level: opts.kernel_log_level ?? 0, buffer: opts.kernel_log_buf ?? null };
  lib.objects.add(object);
  for (const finding of spec.diagnostics) if (finding.severity !== 'note') warn(lib, finding.message);
  return object;
}

const programChange = ({ type, attachType, attachTarget, spec }: BpfProgram): ProgramChange => ({
  ...(type === spec.type ? {} : { type }),
  ...(attachType === spec.attachType || attachType === undefined ? {} : { attachType }),
  ...(attachTarget === spec.attachTarget || attachTarget === undefined ? {} : { attachTarget }),
});

const mapChange = (map: BpfMap): MapChange => ({
  ...map.changed,
  ...(map.reused === undefined ? {} : { reuseFd: map.reused }),
  ...(map.pinPathChanged ? { pinPath: map.pinPath ?? '' } : {}),
  ...(map.initialChanged && map.initial !== undefined ? { data: map.initial } : {}),
});

const changes = <T, C extends object>(items: readonly T[], name: (item: T) => string, of: (item: T) => C) =>
  Object.fromEntries(items.map((item) => [name(item), of(item)] as const).filter(([, c]) => Object.keys(c).length > 0));

function loadRequest(object: BpfObject): ObjectLoad {
  return {
    object: object.bytes,
    name: object.spec.name,
    execution: object.execution,
    programs: object.programs.filter((p) => p.autoload).map((p) => p.spec.name),
    types: changes(object.programs, (p) => p.spec.name, programChange),
    maps: changes(object.maps, (m) => m.name, mapChange),
    ...(object.pinRoot === undefined ? {} : { pinRoot: object.pinRoot }),
    ...(object.customBtf === undefined ? {} : { btf: object.customBtf }),
  };
}

/** Which of the object's maps an answer is about: by section where it is one's, else by name. */
const mapIn = (object: BpfObject, name: string, section: string | undefined): BpfMap | undefined =>
  object.maps.find((m) => (section === undefined ? m.name === name : m.spec.section === section));

async function load(lib: Library, object: BpfObject): Promise<number> {
  const loaded = await lib.session.call('object.load', loadRequest(object));
  for (const { name, fd } of loaded.programs) {
    const program = object.programs.find((p) => p.spec.name === name);
    if (program !== undefined) program.fd = fd;
  }
  for (const { name, section, fd } of loaded.maps) {
    const map = mapIn(object, name, section);
    if (map === undefined) continue;
    map.fd = fd;
    const info = await lib.session.call('object.info', { fd });
    if (info.kind !== 'map') continue;
    map.userValueSize = info.userValueSize;
    map.attributes.maxEntries = info.maxEntries;
    map.pinned = map.pinPath !== null && info.pins.length > 0;
  }
  object.btfFd = loaded.btfFd ?? -1;
  object.loaded = true;
  return 0;
}

/** The log of a refused program goes into its own buffer, else into the object's. */
function logRefusal(object: BpfObject, error: AnyBpfError): void {
  const own = object.programs.find((p) => p.spec.name === error.diagnostic.place.program);
  writeLog(own?.log.buffer ?? object.log.buffer, `${error.message}\n`);
}

async function closeFds(lib: Library, fds: readonly number[]): Promise<void> {
  for (const fd of fds) if (fd >= 0) await status(lib, async () => (await lib.session.call('object.close', { fd }), 0));
}

async function unload(lib: Library, object: BpfObject): Promise<number> {
  await closeFds(lib, [...object.maps.map((m) => m.fd), ...object.programs.map((p) => p.fd), object.btfFd]);
  for (const map of object.maps) map.fd = -1;
  for (const program of object.programs) program.fd = -1;
  object.btfFd = -1;
  return 0;
}

/** Does something to each; where one fails, undoes it for those before, last first. */
async function allOrNone<T>(
  items: readonly T[],
  body: (item: T) => Promise<number>,
  undo: (item: T) => Promise<number>,
): Promise<number> {
  for (const [i, item] of items.entries()) {
    const result = await body(item);
    if (result >= 0) continue;
    for (const done of items.slice(0, i).reverse()) await undo(done);
    return result;
  }
  return 0;
}

/** The neighbour of an item in its list; null past the ends. */
function neighbour<T>(lib: Library, items: readonly T[], item: T | null, step: 1 | -1): T | null {
  if (item === null) return items.at(step === 1 ? 0 : -1) ?? null;
  const at = items.indexOf(item);
  return at < 0 ? nothing(lib, 'EINVAL') : (items[at + step] ?? null);
}

const loadedPrograms = (object: BpfObject): BpfProgram[] => object.programs.filter((p) => p.fd >= 0);

export function objectFunctions(lib: Library) {
  const pinMaps = (object: BpfObject, path: string | null): Promise<number> =>
    allOrNone(
      object.maps.filter((m) => m.autocreate && (path !== null || m.pinPath !== null)),
      (map) => pinMap(lib, map, path === null ? null : pinPathOf(path, map.name)),
      (map) => unpinMap(lib, map, null),
    );
  const unpinMaps = async (object: BpfObject, path: string | null): Promise<number> => {
    for (const map of object.maps) {
      if (path === null && map.pinPath === null) continue;
      const result = await unpinMap(lib, map, path === null ? null : pinPathOf(path, map.name));
      if (result < 0) return result;
    }
    return 0;
  };
  const pinPrograms = (object: BpfObject, path: string): Promise<number> =>
    allOrNone(
      loadedPrograms(object),
      (program) => pinProgram(lib, program, `${path}/${program.spec.name}`),
      (program) => unpinProgram(lib, program, `${path}/${program.spec.name}`),
    );
  const needsLoaded = (object: BpfObject | null): number => (object?.loaded === true ? 0 : refuse(lib, 'ENOENT'));

  const api = {
    bpf_object__open: (path: string) => api.bpf_object__open_file(path),
    bpf_object__open_file: (path: string, opts: ObjectOpenOptions | null = null) =>
      pointer(lib, async () => {
        const bytes = await fileBytes(lib, path);
        const custom = opts?.btf_custom_path === undefined ? undefined : await fileBytes(lib, opts.btf_custom_path);
        if (typeof bytes === 'number' || typeof custom === 'number') return null;
        return open(lib, bytes, path, opts ?? {}, custom);
      }),
    bpf_object__open_mem: (obj_buf: Uint8Array, obj_buf_sz: number, opts: ObjectOpenOptions | null = null) =>
      plainPointer(lib, () => {
        if (obj_buf_sz === 0 || obj_buf_sz > obj_buf.length) return nothing(lib, 'EINVAL');
        return open(lib, obj_buf.slice(0, obj_buf_sz), 'object', opts ?? {});
      }),
    bpf_object__load: (obj: BpfObject | null) =>
      status(lib, async () => {
        if (obj === null || obj.loaded) return refuse(lib, 'EINVAL');
        try {
          return await load(lib, obj);
        } catch (error) {
          if (error instanceof AnyBpfError) {
            logRefusal(obj, error);
            warn(lib, `failed to load object '${obj.name}': ${error.message}`);
          }
          throw error;
        }
      }),
    /** Gives back all handles. In C it returns nothing. */
    bpf_object__close: async (object: BpfObject | null): Promise<void> => {
      if (object === null) return;
      await unload(lib, object);
      lib.objects.delete(object);
      object.loaded = false;
    },
    bpf_object__unload: (object: BpfObject | null) =>
      status(lib, async () => (object === null ? refuse(lib, 'EINVAL') : unload(lib, object))),
    bpf_object__name: (obj: BpfObject | null): string | null => obj?.name ?? nothing(lib, 'EINVAL'),
    bpf_object__kversion: (obj: BpfObject | null): number => obj?.kversion ?? 0,
    bpf_object__set_kversion: (obj: BpfObject, kern_version: number): number => {
      if (obj.loaded) return refuse(lib, 'EINVAL');
      obj.kversion = kern_version >>> 0;
      return 0;
    },
    bpf_object__btf: (obj: BpfObject | null): BtfHandle | null => {
      const btf = obj?.spec.btf;
      if (obj === null || btf === undefined) return null;
      obj.btf ??= BtfHandle.of(btf);
      return obj.btf;
    },
    bpf_object__btf_fd: (obj: BpfObject | null): number => obj?.btfFd ?? -1,
    bpf_object__find_program_by_name: (obj: BpfObject, name: string): BpfProgram | null =>
      obj.programs.find((p) => p.spec.name === name) ?? nothing(lib, 'ENOENT'),
    bpf_object__find_map_by_name: (obj: BpfObject, name: string): BpfMap | null =>
      obj.maps.find((m) => (name.startsWith('.') ? m.spec.section === name : m.name === name)) ??
      nothing(lib, 'ENOENT'),
    bpf_object__find_map_fd_by_name: (obj: BpfObject, name: string): number =>
      api.bpf_object__find_map_by_name(obj, name)?.fd ?? refuse(lib, 'EINVAL'),
    bpf_object__next_program: (obj: BpfObject, prog: BpfProgram | null): BpfProgram | null =>
      neighbour(lib, obj.programs, prog, 1),
    bpf_object__prev_program: (obj: BpfObject, prog: BpfProgram | null): BpfProgram | null =>
      neighbour(lib, obj.programs, prog, -1),
    bpf_object__next_map: (obj: BpfObject | null, map: BpfMap | null): BpfMap | null =>
      obj === null ? null : neighbour(lib, obj.maps, map, 1),
    bpf_object__prev_map: (obj: BpfObject | null, map: BpfMap | null): BpfMap | null =>
      obj === null ? null : neighbour(lib, obj.maps, map, -1),
    /** Older names of libbpf, which eBPF for Windows has: the same with the arguments the other way round. */
    bpf_program__next: (prog: BpfProgram | null, obj: BpfObject) => api.bpf_object__next_program(obj, prog),
    bpf_program__prev: (prog: BpfProgram | null, obj: BpfObject) => api.bpf_object__prev_program(obj, prog),
    bpf_map__next: (map: BpfMap | null, obj: BpfObject) => api.bpf_object__next_map(obj, map),
    bpf_map__prev: (map: BpfMap | null, obj: BpfObject) => api.bpf_object__prev_map(obj, map),
    /** `path` null: maps that have a pin path, to that. */
    bpf_object__pin_maps: async (obj: BpfObject | null, path: string | null): Promise<number> =>
      obj === null ? refuse(lib, 'ENOENT') : needsLoaded(obj) || pinMaps(obj, path),
    bpf_object__unpin_maps: async (obj: BpfObject | null, path: string | null): Promise<number> =>
      obj === null ? refuse(lib, 'ENOENT') : unpinMaps(obj, path),
    bpf_object__pin_programs: async (obj: BpfObject | null, path: string): Promise<number> =>
      obj === null ? refuse(lib, 'ENOENT') : needsLoaded(obj) || pinPrograms(obj, path),
    bpf_object__unpin_programs: async (obj: BpfObject | null, path: string): Promise<number> => {
      if (obj === null) return refuse(lib, 'ENOENT');
      for (const program of obj.programs) {
        const result = await unpinProgram(lib, program, `${path}/${program.spec.name}`);
        if (result < 0) return result;
      }
      return 0;
    },
    bpf_object__pin: async (object: BpfObject | null, path: string): Promise<number> => {
      const maps = await api.bpf_object__pin_maps(object, path);
      if (maps < 0 || object === null) return maps;
      const programs = await api.bpf_object__pin_programs(object, path);
      if (programs < 0) await unpinMaps(object, path);
      return programs;
    },
  };
  return api;
}
