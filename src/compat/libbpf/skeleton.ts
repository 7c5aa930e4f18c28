// The skeleton functions: what `bpftool gen skeleton` makes a C header of, as plain tables.
import { attachesBySection, type attachFunctions } from './attach.ts';
import type { BpfLink, BpfMap, BpfObject, BpfProgram } from './handles.ts';
import type { linkFunctions } from './link.ts';
import { type Library, type Out, refuse } from './library.ts';
import type { ObjectOpenOptions, objectFunctions } from './object.ts';

/** struct bpf_map_skeleton: `mmaped` takes the initial value of a data section. */
export interface MapSkeleton {
  readonly name: string;
  readonly map: Out<BpfMap | null>;
  readonly mmaped?: Out<Uint8Array | null>;
}

/** struct bpf_prog_skeleton. */
export interface ProgSkeleton {
  readonly name: string;
  readonly prog: Out<BpfProgram | null>;
  readonly link?: Out<BpfLink | null>;
}

/** struct bpf_object_skeleton. */
export interface ObjectSkeleton {
  readonly name: string;
  readonly data: Uint8Array;
  readonly obj: Out<BpfObject | null>;
  readonly maps: readonly MapSkeleton[];
  readonly progs: readonly ProgSkeleton[];
}

/** struct bpf_var_skeleton: `addr` takes the variable's bytes in the initial value. */
export interface VarSkeleton {
  readonly name: string;
  readonly map: Out<BpfMap | null>;
  readonly addr: Out<Uint8Array | null>;
}

/** struct bpf_object_subskeleton. */
export interface ObjectSubskeleton {
  readonly obj: BpfObject;
  readonly maps: readonly MapSkeleton[];
  readonly progs: readonly ProgSkeleton[];
  readonly vars: readonly VarSkeleton[];
}

interface Functions {
  readonly object: ReturnType<typeof objectFunctions>;
  readonly attach: ReturnType<typeof attachFunctions>;
  readonly link: ReturnType<typeof linkFunctions>;
}

/** Bytes of a global variable in the initial value of its map, by the object's BTF. */
function variable(object: BpfObject, map: BpfMap, name: string): Uint8Array | undefined {
  const { btf } = object.spec;
  const section = map.spec.valueTypeId === undefined ? undefined : btf?.type(map.spec.valueTypeId);
  if (btf === undefined || section?.kind !== 'datasec') return undefined;
  const found = section.vars.find((v) => btf.nameOf(v.type) === name);
  return found === undefined ? undefined : map.initial?.subarray(found.offset, found.offset + found.size);
}

export function skeletonFunctions(lib: Library, { object, attach, link }: Functions) {
  /** Finds what the tables name; -ESRCH where the object has no such thing. */
  const populate = (found: BpfObject, maps: readonly MapSkeleton[], progs: readonly ProgSkeleton[]): number => {
    for (const { name, map, mmaped } of maps) {
      map.value = object.bpf_object__find_map_by_name(found, name);
      if (map.value === null) return refuse(lib, 'ESRCH');
      if (mmaped !== undefined) mmaped.value = map.value.initial ?? null;
    }
    for (const { name, prog } of progs) {
      prog.value = object.bpf_object__find_program_by_name(found, name);
      if (prog.value === null) return refuse(lib, 'ESRCH');
    }
    return 0;
  };

  const api = {
    bpf_object__open_skeleton: (s: ObjectSkeleton, opts: ObjectOpenOptions | null = null): number => {
      const opened = object.bpf_object__open_mem(s.data, s.data.length, { object_name: s.name, ...opts });
      if (opened === null) return -lib.errno;
      s.obj.value = opened;
      return populate(opened, s.maps, s.progs);
    },
    bpf_object__load_skeleton: (s: ObjectSkeleton): Promise<number> => object.bpf_object__load(s.obj.value),
    /** Attaches each program that its section says the place of. */
    bpf_object__attach_skeleton: async (s: ObjectSkeleton): Promise<number> => {
      for (const { prog, link: place } of s.progs) {
        const program = prog.value;
        if (program === null || place === undefined || place.value !== null) continue;
        if (!program.autoload || !program.autoattach || !attachesBySection(program, lib.dialect)) continue;
        place.value = await attach.bpf_program__attach(program);
        if (place.value === null) return -lib.errno;
      }
      return 0;
    },
    bpf_object__detach_skeleton: async (s: ObjectSkeleton): Promise<void> => {
      for (const { link: place } of s.progs) {
        if (place === undefined || place.value === null) continue;
        await link.bpf_link__destroy(place.value);
        place.value = null;
      }
    },
    bpf_object__destroy_skeleton: async (s: ObjectSkeleton | null): Promise<void> => {
      if (s === null) return;
      await api.bpf_object__detach_skeleton(s);
      await object.bpf_object__close(s.obj.value);
      s.obj.value = null;
    },
    bpf_object__open_subskeleton: (s: ObjectSubskeleton): number => {
      const found = populate(s.obj, s.maps, s.progs);
      if (found < 0) return found;
      for (const { name, map, addr } of s.vars) {
        const bytes = map.value === null ? undefined : variable(s.obj, map.value, name);
        if (bytes === undefined) return refuse(lib, 'EINVAL');
        addr.value = bytes;
      }
      return 0;
    },
    bpf_object__destroy_subskeleton: (_s: ObjectSubskeleton | null): void => {},
  };
  return api;
}
