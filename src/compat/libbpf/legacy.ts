// Names of libbpf before 1.0 that eBPF for Windows exports.
import type { BpfObject } from './handles.ts';
import { type Library, type Out, refuse, status } from './library.ts';
import type { mapCalls } from './map-calls.ts';
import { programTypeNumber } from '../../spec/numbers.ts';
import type { objectFunctions } from './object.ts';
import type { progCalls } from './prog-calls.ts';

/** struct bpf_create_map_attr. */
export interface CreateMapAttributes {
  readonly name?: string;
  readonly map_type: number;
  readonly map_flags?: number;
  readonly key_size: number;
  readonly value_size: number;
  readonly max_entries: number;
  readonly numa_node?: number;
  readonly inner_map_fd?: number;
}

/** struct bpf_load_program_attr. */
export interface LoadProgramAttributes {
  readonly prog_type: number;
  readonly expected_attach_type?: number;
  readonly name?: string;
  readonly insns: Uint8Array;
  readonly insns_cnt: number;
  readonly license: string;
  readonly log_level?: number;
}

interface Parts {
  readonly maps: ReturnType<typeof mapCalls>;
  readonly progs: ReturnType<typeof progCalls>;
  readonly objects: ReturnType<typeof objectFunctions>;
}

export function legacyFunctions(lib: Library, { maps, progs, objects }: Parts) {
  return {
    bpf_create_map: (map_type: number, key_size: number, value_size: number, max_entries: number, map_flags: number) =>
      maps.bpf_map_create(map_type, null, key_size, value_size, max_entries, { map_flags }),
    bpf_create_map_in_map: (
      map_type: number,
      name: string | null,
      key_size: number,
      inner_map_fd: number,
      max_entries: number,
      map_flags: number,
    ) => maps.bpf_map_create(map_type, name, key_size, 4, max_entries, { inner_map_fd, map_flags }),
    bpf_create_map_xattr: (attr: CreateMapAttributes) =>
      maps.bpf_map_create(attr.map_type, attr.name ?? null, attr.key_size, attr.value_size, attr.max_entries, attr),
    bpf_load_program: (
      type: number,
      insns: Uint8Array,
      insns_cnt: number,
      license: string,
      _kern_version: number,
      log_buf: Uint8Array | null = null,
      log_buf_sz = log_buf?.length ?? 0,
    ) =>
      progs.bpf_prog_load(
        type,
        null,
        license,
        insns,
        insns_cnt,
        log_buf === null ? null : { log_level: 1, log_buf: log_buf.subarray(0, log_buf_sz) },
      ),
    bpf_load_program_xattr: (
      attr: LoadProgramAttributes,
      log_buf: Uint8Array | null = null,
      log_buf_sz = log_buf?.length ?? 0,
    ) =>
      progs.bpf_prog_load(attr.prog_type, attr.name ?? null, attr.license, attr.insns, attr.insns_cnt, {
        expected_attach_type: attr.expected_attach_type ?? 0,
        ...(log_buf === null ? {} : { log_level: attr.log_level ?? 0, log_buf: log_buf.subarray(0, log_buf_sz) }),
      }),
    /** bpf_prog_load() of before 1.0: opens and loads a file; the first program's handle. Type 0 leaves that to its section. */
    bpf_prog_load_deprecated: (file: string, type: number, pobj: Out<BpfObject | null>, prog_fd: Out<number>) =>
      status(lib, async () => {
        const object = await objects.bpf_object__open(file);
        if (object === null) return -lib.errno;
        const first = object.programs[0];
        if (first === undefined) return refuse(lib, 'ENOENT');
        const own = programTypeNumber(first.type, lib.dialect);
        if (type !== 0 && type !== own) return refuse(lib, 'EINVAL');
        const loaded = await objects.bpf_object__load(object);
        if (loaded < 0) return loaded;
        pobj.value = object;
        prog_fd.value = first.fd;
        return 0;
      }),
    bpf_object__load_xattr: (attr: { readonly obj: BpfObject; readonly log_level?: number }) =>
      objects.bpf_object__load(attr.obj),
    /** The object after `prev` among those that are open; null starts. */
    bpf_object__next: (prev: BpfObject | null): BpfObject | null => {
      const open = [...lib.objects];
      return open[prev === null ? 0 : open.indexOf(prev) + 1] ?? null;
    },
  };
}
