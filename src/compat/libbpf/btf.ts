// btf__*: types read from files, memory and the context.
import { AnyBpfError } from '../../base/diagnostic.ts';
import { isModifier } from '../../btf/btf.ts';
import { btfEndian } from '../../btf/decode.ts';
import { type BtfType, KIND_NAMES, KINDS } from '../../btf/format.ts';
import { sectionByName } from '../../elf/lookup.ts';
import { isElf, readElfSections } from '../../elf/read.ts';
import type { BtfInfo } from '../../spec/session.ts';
import { BtfExtHandle, BtfHandle } from './btf-handle.ts';
import {
  fileBytes,
  type Library,
  nothing,
  type Out,
  plainPointer,
  plainStatus,
  pointer,
  refuse,
  status,
} from './library.ts';

const EXT_SECTION = '.BTF.ext';

/** .BTF of an ELF file, and .BTF.ext where it is asked for. -ENOENT without .BTF. */
function fromElf(lib: Library, bytes: Uint8Array, base: BtfHandle | null, ext: Out<BtfExtHandle | null> | null) {
  const elf = readElfSections(bytes);
  const section = sectionByName(elf, '.BTF');
  if (section === undefined) return nothing(lib, 'ENOENT');
  const found = BtfHandle.from(section.data, base);
  const extBytes = sectionByName(elf, EXT_SECTION)?.data;
  if (ext !== null) ext.value = extBytes === undefined ? null : new BtfExtHandle(extBytes.slice());
  return found;
}

const ENDIANS = ['little', 'big'] as const;

/** Levels of modifiers that are followed, as libbpf's MAX_RESOLVE_DEPTH. */
const MAX_DEPTH = 32;

export function btfFunctions(lib: Library) {
  const { session } = lib;

  const parse = (
    path: string,
    base: BtfHandle | null,
    form: 'raw' | 'elf' | 'any',
    ext: Out<BtfExtHandle | null> | null = null,
  ): Promise<BtfHandle | null> =>
    pointer(lib, async () => {
      const bytes = await fileBytes(lib, path);
      if (typeof bytes === 'number') return null;
      const raw = btfEndian(bytes) !== undefined;
      if (form === 'raw' && !raw) return nothing(lib, 'EPROTO');
      if (form !== 'elf' && raw) return BtfHandle.from(bytes, base);
      return isElf(bytes) ? fromElf(lib, bytes, base, ext) : nothing(lib, 'EPROTO');
    });

  const load = (id: number, base: BtfHandle | null): Promise<BtfHandle | null> =>
    pointer(lib, async () => {
      const { fd } = await session.call('object.open', { kind: 'btf', id });
      try {
        return BtfHandle.from((await session.call('btf.data', { fd })).btf, base);
      } finally {
        await session.call('object.close', { fd });
      }
    });

  /** The kernel's BTF object of this name, among those of the context. */
  const kernelBtf = async (name: string): Promise<BtfInfo | undefined> => {
    for (let id = 0; ; ) {
      let fd: number;
      try {
        ({ id } = await session.call('object.nextId', { kind: 'btf', id }));
        ({ fd } = await session.call('object.open', { kind: 'btf', id }));
      } catch (error) {
        if (error instanceof AnyBpfError) return undefined;
        throw error;
      }
      const info = await session.call('object.info', { fd });
      await session.call('object.close', { fd });
      if (info.kind === 'btf' && info.kernel && info.name === name) return info;
    }
  };
  const loadKernel = (name: string, base: BtfHandle | null): Promise<BtfHandle | null> =>
    pointer(lib, async () => {
      const info = await kernelBtf(name);
      return info === undefined ? nothing(lib, 'ENOENT') : load(info.id, base);
    });

  const byName = (btf: BtfHandle, name: string, kind?: number): number =>
    plainStatus(lib, () => {
      if (name === 'void' && (kind === undefined || kind === KINDS.void.number)) return 0;
      if (kind === KINDS.void.number) return 0;
      if (kind !== undefined && KIND_NAMES[kind] === undefined) return refuse(lib, 'ENOENT');
      return btf.btf.findByName(name, kind === undefined ? undefined : KIND_NAMES[kind]) ?? refuse(lib, 'ENOENT');
    });

  const api = {
    btf__free: (_btf: BtfHandle | null): void => {},
    btf__new: (data: Uint8Array, size: number) => plainPointer(lib, () => BtfHandle.from(data.subarray(0, size))),
    btf__new_split: (data: Uint8Array, size: number, base_btf: BtfHandle) =>
      plainPointer(lib, () => BtfHandle.from(data.subarray(0, size), base_btf)),
    btf__new_empty: (): BtfHandle => BtfHandle.empty(),
    btf__new_empty_split: (base_btf: BtfHandle): BtfHandle => BtfHandle.empty(base_btf),
    /** Raw BTF or an ELF file; `btf_ext` takes that of the file. */
    btf__parse: (path: string, btf_ext: Out<BtfExtHandle | null> | null = null) => parse(path, null, 'any', btf_ext),
    btf__parse_split: (path: string, base_btf: BtfHandle) => parse(path, base_btf, 'any'),
    btf__parse_elf: (path: string, btf_ext: Out<BtfExtHandle | null> | null = null) =>
      parse(path, null, 'elf', btf_ext),
    btf__parse_elf_split: (path: string, base_btf: BtfHandle) => parse(path, base_btf, 'elf'),
    btf__parse_raw: (path: string) => parse(path, null, 'raw'),
    btf__parse_raw_split: (path: string, base_btf: BtfHandle) => parse(path, base_btf, 'raw'),
    /** Of the context's kernel, where it has one. */
    btf__load_vmlinux_btf: () => loadKernel('vmlinux', null),
    libbpf_find_kernel_btf: () => loadKernel('vmlinux', null),
    btf__load_module_btf: (module_name: string, vmlinux_btf: BtfHandle) => loadKernel(module_name, vmlinux_btf),
    btf__load_from_kernel_by_id: (id: number) => load(id, null),
    btf__load_from_kernel_by_id_split: (id: number, base_btf: BtfHandle) => load(id, base_btf),
    btf__load_into_kernel: (btf: BtfHandle) =>
      status(lib, async () => {
        if (btf.fd >= 0) return refuse(lib, 'EEXIST');
        btf.fd = (await session.call('btf.load', { btf: btf.raw })).fd;
        return 0;
      }),
    /** The smallest id of this name, or -ENOENT. */
    btf__find_by_name: (btf: BtfHandle, type_name: string): number => byName(btf, type_name),
    btf__find_by_name_kind: (btf: BtfHandle, type_name: string, kind: number): number => byName(btf, type_name, kind),
    btf__type_cnt: (btf: BtfHandle): number => btf.count,
    btf__base_btf: (btf: BtfHandle): BtfHandle | null => btf.base,
    /** The type as plain data (btf/format.ts), with names in place of offsets. */
    btf__type_by_id: (btf: BtfHandle, id: number): BtfType | null =>
      plainPointer(lib, () => btf.type(id) ?? nothing(lib, 'EINVAL')),
    btf__pointer_size: (btf: BtfHandle): number => btf.pointerSize,
    btf__set_pointer_size: (btf: BtfHandle, ptr_sz: number): number => {
      if (ptr_sz !== 4 && ptr_sz !== 8) return refuse(lib, 'EINVAL');
      btf.pointerSize = ptr_sz;
      return 0;
    },
    btf__endianness: (btf: BtfHandle): number => ENDIANS.indexOf(btf.endian),
    btf__set_endianness: (btf: BtfHandle, endian: number): number =>
      plainStatus(lib, () => {
        const order = ENDIANS[endian];
        if (order === undefined) return refuse(lib, 'EINVAL');
        btf.setEndian(order);
        return 0;
      }),
    /** Bytes of a value, with pointers of 8. */
    btf__resolve_size: (btf: BtfHandle, type_id: number): number => plainStatus(lib, () => btf.btf.sizeOf(type_id)),
    /** The id behind modifiers, typedefs and variables. */
    btf__resolve_type: (btf: BtfHandle, type_id: number): number => {
      let id = type_id;
      for (let depth = 0; depth < MAX_DEPTH; depth++) {
        const type = btf.type(id);
        if (type === undefined) return refuse(lib, 'EINVAL');
        if (!isModifier(type) && type.kind !== 'typedef' && type.kind !== 'var') return id;
        id = type.type;
      }
      return refuse(lib, 'EINVAL');
    },
    /** 0 for what has none. */
    btf__align_of: (btf: BtfHandle, id: number): number =>
      Math.max(
        0,
        plainStatus(lib, () => btf.btf.alignOf(id)),
      ),
    btf__fd: (btf: BtfHandle): number => btf.fd,
    btf__set_fd: (btf: BtfHandle, fd: number): void => {
      btf.fd = fd;
    },
    btf__raw_data: (btf: BtfHandle, size: Out<number>): Uint8Array | null =>
      plainPointer(lib, () => {
        const { raw } = btf;
        size.value = raw.length;
        return raw;
      }),
    btf__get_raw_data: (btf: BtfHandle, size: Out<number>): Uint8Array | null => api.btf__raw_data(btf, size),
    btf__str_by_offset: (btf: BtfHandle, offset: number): string | null =>
      plainPointer(lib, () => btf.btf.string(offset)),
    btf__name_by_offset: (btf: BtfHandle, offset: number): string | null => api.btf__str_by_offset(btf, offset),
    btf_ext__new: (data: Uint8Array, size: number): BtfExtHandle | null =>
      btfEndian(data) === undefined || size > data.length
        ? nothing(lib, 'EINVAL')
        : new BtfExtHandle(data.slice(0, size)),
    btf_ext__free: (_btf_ext: BtfExtHandle | null): void => {},
    btf_ext__raw_data: (btf_ext: BtfExtHandle, size: Out<number>): Uint8Array => {
      size.value = btf_ext.raw.length;
      return btf_ext.raw;
    },
    btf_ext__get_raw_data: (btf_ext: BtfExtHandle, size: Out<number>): Uint8Array =>
      api.btf_ext__raw_data(btf_ext, size),
  };
  return api;
}
