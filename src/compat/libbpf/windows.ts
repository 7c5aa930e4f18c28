// ebpf_*: eBPF for Windows' own functions by object and handle. They give ebpf_result_t, not -errno.
import { canonicalPin, printPin } from '../../context/pins.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { AttachTypeName } from '../../spec/program-types.ts';
import { type AttachTarget, EXECUTION_TYPES, type ExecutionType, type ProgramInfo } from '../../spec/session.ts';
import { BpfLink, type BpfObject, type BpfProgram } from './handles.ts';
import { fileBytes, type Library, type Out, out, status } from './library.ts';
import { attachTypeName, attachTypeNumber, programTypeName, programTypeNumber } from '../../spec/numbers.ts';
import type { objectCalls } from './object-calls.ts';
import type { linkFunctions } from './link.ts';
import type { PerfLost, PerfSample, RingSample, ringFunctions } from './rings.ts';
import { sectionRule } from '../../link/sections.ts';
import {
  ATTACH_GUIDS,
  attachTypeOfGuid,
  EBPF_OBJECT,
  EBPF_RESULT,
  type EbpfResult,
  ebpfResult,
  executionNumber,
  PROGRAM_GUIDS,
  programTypeOfGuid,
} from '../../spec/windows.ts';

/** ebpf_map_info_t. */
export interface PinnedMapInfo {
  readonly definition: {
    readonly type: string;
    readonly key_size: number;
    readonly value_size: number;
    readonly max_entries: number;
  };
  readonly pin_path: string;
}

interface Parts {
  readonly objects: ReturnType<typeof objectCalls>;
  readonly links: ReturnType<typeof linkFunctions>;
  readonly rings: ReturnType<typeof ringFunctions>;
}

/** An attach parameter: empty, or a u32 (interface of XDP, compartment of the others). */
function targetOf(type: AttachTypeName, parameters: Uint8Array | null, size: number): AttachTarget | undefined {
  if (parameters === null || size === 0) return {};
  if (size !== 4 || parameters.length < 4) return undefined;
  const number = new DataView(parameters.buffer, parameters.byteOffset, 4).getUint32(0, true);
  return type === 'xdp' ? { ifindex: number } : { compartment: number };
}

/** The kinds of objects as ebpf_get_next_pinned_object_path asks for them: 0 for all. */
const isKind = (kind: number, wanted: number): boolean => wanted === EBPF_OBJECT.unknown || kind === wanted;

export function windowsFunctions(lib: Library, { objects, links, rings }: Parts) {
  const { session } = lib;
  const result = async (body: () => Promise<number>): Promise<EbpfResult> => ebpfResult(await status(lib, body));

  const programOf = async (fd: number): Promise<ProgramInfo | undefined> => {
    const info = await session.call('object.info', { fd });
    return info.kind === 'prog' ? info : undefined;
  };

  const attach = async (
    fd: number,
    guid: string | null,
    parameters: Uint8Array | null,
    size: number,
    link: Out<number>,
  ): Promise<EbpfResult> => {
    let refused: EbpfResult | undefined;
    const made = await result(async () => {
      const info = await programOf(fd);
      const type = guid === null ? info?.attachType : attachTypeOfGuid(guid);
      const target = type === undefined ? undefined : targetOf(type, parameters, size);
      if (info === undefined || type === undefined || target === undefined) {
        refused = EBPF_RESULT.EBPF_INVALID_ARGUMENT;
        return 0;
      }
      link.value = (await session.call('link.create', { fd, attachType: type, target })).fd;
      return 0;
    });
    return refused ?? made;
  };

  const api = {
    ebpf_api_close_handle: (handle: number) => api.ebpf_close_fd(handle),
    ebpf_close_fd: async (fd: number): Promise<EbpfResult> => ebpfResult(await objects.close(fd)),
    ebpf_duplicate_fd: async (fd: number, dup: Out<number>): Promise<EbpfResult> => {
      const made = await objects.dup(fd);
      if (made >= 0) dup.value = made;
      return ebpfResult(made);
    },
    ebpf_link_close: async (link: BpfLink | null): Promise<void> => {
      await links.bpf_link__destroy(link);
    },
    /** A handle, or -errno, as bpf_obj_get(). */
    ebpf_object_get: (path: string): Promise<number> => objects.bpf_obj_get(path),
    ebpf_object_unpin: async (path: string): Promise<EbpfResult> => {
      const done = ebpfResult(await objects.unlink(path));
      return done;
    },
    /** As bpf_obj_get_info_by_fd(), and the type of the object. `info` null: the type alone. */
    ebpf_object_get_info_by_fd: (
      bpf_fd: number,
      info: Uint8Array | null,
      info_size: Out<number> | null,
      type: Out<number> | null = null,
    ): Promise<EbpfResult> =>
      result(async () => {
        const found = await session.call('object.info', { fd: bpf_fd });
        if (type !== null) type.value = EBPF_OBJECT[found.kind];
        return info === null || info_size === null ? 0 : objects.bpf_obj_get_info_by_fd(bpf_fd, info, info_size);
      }),
    ebpf_object_get_execution_type: (object: BpfObject): number => executionNumber(object.execution),
    ebpf_object_set_execution_type: (object: BpfObject, execution_type: number): EbpfResult => {
      const name: ExecutionType | undefined = EXECUTION_TYPES[execution_type];
      if (object.loaded || name === undefined) return EBPF_RESULT.EBPF_INVALID_ARGUMENT;
      object.execution = name;
      return EBPF_RESULT.EBPF_SUCCESS;
    },
    /** A module of `anybpf compile`: handles of its maps and programs. EBPF_NO_MEMORY, with the counts, where there is no room. */
    ebpf_object_load_native_by_fds: (
      file_name: string,
      count_of_maps: Out<number>,
      map_fds: Int32Array,
      count_of_programs: Out<number>,
      program_fds: Int32Array,
    ): Promise<EbpfResult> =>
      result(async () => {
        const object = await fileBytes(lib, file_name);
        if (typeof object === 'number') return object;
        const { maps, programs } = await session.call('object.load', { object, name: file_name, execution: 'native' });
        const rooms = [
          Math.min(count_of_maps.value, map_fds.length),
          Math.min(count_of_programs.value, program_fds.length),
        ];
        count_of_maps.value = maps.length;
        count_of_programs.value = programs.length;
        if (maps.length > rooms[0] || programs.length > rooms[1]) {
          for (const { fd } of [...maps, ...programs]) await session.call('object.close', { fd });
          return -ERRNO.ENOMEM;
        }
        map_fds.set(maps.map(({ fd }) => fd));
        program_fds.set(programs.map(({ fd }) => fd));
        return 0;
      }),
    /** Canonical spelling: `BPF:\a\b`. */
    ebpf_canonicalize_pin_path: (output: Out<string>, output_size: number, input: string): EbpfResult => {
      const path = canonical(input);
      if (path === undefined) return EBPF_RESULT.EBPF_INVALID_ARGUMENT;
      if (path.length >= output_size) return EBPF_RESULT.EBPF_INSUFFICIENT_BUFFER;
      output.value = path;
      return EBPF_RESULT.EBPF_SUCCESS;
    },
    /** The pin after `start_path`; `type` says which kind is looked for (0: all), then which was found. */
    ebpf_get_next_pinned_object_path: async (
      start_path: string,
      next_path: Out<string>,
      next_path_len: number,
      type: Out<number>,
    ): Promise<EbpfResult> => {
      const start = start_path === '' ? '' : (canonical(start_path) ?? start_path);
      let found: EbpfResult = EBPF_RESULT.EBPF_NO_MORE_KEYS;
      const asked = await result(async () => {
        const { pins } = await session.call('object.pins', {});
        const rows = pins.map(({ path, kind }) => ({ path: canonical(path) ?? path, kind: EBPF_OBJECT[kind] }));
        const next = rows.filter((row) => row.path > start && isKind(row.kind, type.value)).sort(byPath)[0];
        if (next === undefined) return 0;
        found = next.path.length < next_path_len ? EBPF_RESULT.EBPF_SUCCESS : EBPF_RESULT.EBPF_INSUFFICIENT_BUFFER;
        if (found !== EBPF_RESULT.EBPF_SUCCESS) return 0;
        next_path.value = next.path;
        type.value = next.kind;
        return 0;
      });
      return asked === EBPF_RESULT.EBPF_SUCCESS ? found : asked;
    },
    ebpf_api_get_pinned_map_info: (
      map_count: Out<number>,
      map_info: Out<readonly PinnedMapInfo[] | null>,
    ): Promise<EbpfResult> =>
      result(async () => {
        const { pins } = await session.call('object.pins', {});
        const found: PinnedMapInfo[] = [];
        for (const { path } of pins.filter(({ kind }) => kind === 'map')) {
          const { fd } = await session.call('object.get', { path });
          const info = await session.call('object.info', { fd });
          await session.call('object.close', { fd });
          if (info.kind !== 'map') continue;
          const { type, keySize: key_size, valueSize: value_size, maxEntries: max_entries } = info;
          found.push({ definition: { type, key_size, value_size, max_entries }, pin_path: path });
        }
        map_count.value = found.length;
        map_info.value = found;
        return 0;
      }),
    ebpf_api_map_info_free: (_map_count: number, _map_info: readonly PinnedMapInfo[] | null): void => {},

    ebpf_program_attach: async (
      program: BpfProgram,
      attach_type: string | null,
      attach_parameters: Uint8Array | null,
      attach_params_size: number,
      link: Out<BpfLink | null>,
    ): Promise<EbpfResult> =>
      api.ebpf_program_attach_by_fd(program.fd, attach_type, attach_parameters, attach_params_size, link),
    /** `attach_type` null: that of the program's section. */
    ebpf_program_attach_by_fd: async (
      program_fd: number,
      attach_type: string | null,
      attach_parameters: Uint8Array | null,
      attach_parameters_size: number,
      link: Out<BpfLink | null>,
    ): Promise<EbpfResult> => {
      const fd = out(-1);
      const made = await attach(program_fd, attach_type, attach_parameters, attach_parameters_size, fd);
      if (made === EBPF_RESULT.EBPF_SUCCESS) link.value = new BpfLink(fd.value);
      return made;
    },
    ebpf_program_attach_by_fds: (
      program_fd: number,
      attach_type: string | null,
      attach_parameters: Uint8Array | null,
      attach_parameters_size: number,
      link: Out<number>,
    ): Promise<EbpfResult> => attach(program_fd, attach_type, attach_parameters, attach_parameters_size, link),
    ebpf_program_query_info: (
      fd: number,
      execution_type: Out<number>,
      file_name: Out<string>,
      section_name: Out<string>,
    ): Promise<EbpfResult> =>
      result(async () => {
        const info = await programOf(fd);
        if (info === undefined) return -ERRNO.EINVAL;
        execution_type.value = executionNumber(info.execution);
        file_name.value = info.source;
        section_name.value = info.section;
        return 0;
      }),
    /** Waits until all runs that have begun are over. */
    ebpf_program_synchronize: (): Promise<EbpfResult> =>
      result(async () => {
        await session.call('context.synchronize', {});
        return 0;
      }),

    ebpf_ring_buffer__new: (map_fd: number, sample_cb: RingSample, ctx: unknown, _opts: null = null) =>
      rings.ring_buffer__new(map_fd, sample_cb, ctx),
    ebpf_perf_buffer__new: (
      map_fd: number,
      page_cnt: number,
      sample_cb: PerfSample | null,
      lost_cb: PerfLost | null,
      ctx: unknown,
      _opts: null = null,
    ) => rings.perf_buffer__new(map_fd, page_cnt, sample_cb, lost_cb, ctx),
    ebpf_ring_buffer_map_write: (map_fd: number, data: Uint8Array, data_length: number): Promise<EbpfResult> =>
      result(async () => {
        await session.call('map.write', { fd: map_fd, data: data.subarray(0, data_length) });
        return 0;
      }),
    ebpf_perf_event_array_map_write: (map_fd: number, data: Uint8Array, data_length: number): Promise<EbpfResult> =>
      api.ebpf_ring_buffer_map_write(map_fd, data, data_length),

    // Types: numbers of the Windows dialect, GUIDs as text.
    ebpf_get_program_type_name: (program_type: string): string | null => programTypeOfGuid(program_type) ?? null,
    ebpf_get_attach_type_name: (attach_type: string): string | null => attachTypeOfGuid(attach_type) ?? null,
    ebpf_get_program_type_by_name: (
      name: string,
      program_type: Out<string>,
      expected_attach_type: Out<string>,
    ): EbpfResult => {
      const rule = sectionRule(name, 'windows')?.rule;
      const type = rule === undefined ? undefined : PROGRAM_GUIDS[rule.type];
      if (rule === undefined || type === undefined) return EBPF_RESULT.EBPF_KEY_NOT_FOUND;
      program_type.value = type;
      const attachType = rule.attachType === undefined ? undefined : ATTACH_GUIDS[rule.attachType];
      expected_attach_type.value = attachType ?? NO_GUID;
      return EBPF_RESULT.EBPF_SUCCESS;
    },
    ebpf_get_ebpf_program_type: (bpf_program_type: number): string | null => {
      const name = programTypeName(bpf_program_type, 'windows');
      return (name === undefined ? undefined : PROGRAM_GUIDS[name]) ?? null;
    },
    ebpf_get_ebpf_attach_type: (bpf_attach_type: number, ebpf_attach_type: Out<string>): EbpfResult => {
      const name = attachTypeName(bpf_attach_type, 'windows');
      const guid = name === undefined ? undefined : ATTACH_GUIDS[name];
      ebpf_attach_type.value = guid ?? NO_GUID;
      return guid === undefined ? EBPF_RESULT.EBPF_INVALID_ARGUMENT : EBPF_RESULT.EBPF_SUCCESS;
    },
    ebpf_get_bpf_program_type: (program_type: string): number => {
      const name = programTypeOfGuid(program_type);
      return name === undefined ? 0 : programTypeNumber(name, 'windows');
    },
    ebpf_get_bpf_attach_type: (ebpf_attach_type: string): number =>
      attachTypeNumber(attachTypeOfGuid(ebpf_attach_type), 'windows'),
  };
  return api;
}

/** GUID_NULL. */
const NO_GUID = '00000000-0000-0000-0000-000000000000';

const byPath = (a: { readonly path: string }, b: { readonly path: string }): number => (a.path < b.path ? -1 : 1);

/** `BPF:\\a\\b` of any spelling; undefined where the path is none. */
function canonical(path: string): string | undefined {
  const found = canonicalPin(path);
  return 'path' in found ? printPin(found.path, 'windows') : undefined;
}
