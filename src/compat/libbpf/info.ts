// struct bpf_map_info, bpf_prog_info, bpf_link_info and bpf_btf_info as BPF_OBJ_GET_INFO_BY_FD fills them.
// Linux: include/uapi/linux/bpf.h; Windows: eBPF for Windows' ebpf_structs.h (names of 64 bytes, other fields).
import { fromHex, utf8 } from '../../base/bytes.ts';
import {
  LINK_CGROUP,
  LINK_INTERFACE,
  LINK_NETNS,
  LINK_WITH_ATTACH,
  LINUX_BTF_INFO,
  LINUX_LINK_INFO,
  LINUX_MAP_INFO,
  LINUX_PROG_INFO,
  WINDOWS_LINK_INFO,
  WINDOWS_MAP_INFO,
  WINDOWS_PROG_INFO,
} from '../../spec/bpf-info.ts';
import type { Dialect } from '../../spec/object.ts';
import {
  type BtfInfo,
  LINK_TYPES,
  type LinkInfo,
  type MapInfo,
  type ObjectInfo,
  type ProgramInfo,
} from '../../spec/session.ts';
import type { Library } from './library.ts';
import { attachTypeNumber, mapTypeNumber, programTypeNumber } from '../../spec/numbers.ts';
import { nameBytes, read, words, write } from '../../base/structs.ts';

/** Enough for any of them. */
export const LARGEST_INFO = LINUX_PROG_INFO.size;

/** Copies as much as the caller has room for; the kernel does the same with instructions and ids. */
function copyTo(lib: Library, address: bigint, room: number, bytes: Uint8Array): void {
  if (address === 0n) return;
  lib.arena.from(address)?.set(bytes.subarray(0, Math.min(room, lib.arena.from(address)?.length ?? 0)));
}

function mapInfo(info: MapInfo, dialect: Dialect, bytes: Uint8Array): number {
  const type = mapTypeNumber(info.type, dialect);
  const shared = {
    id: info.id,
    type,
    key_size: info.keySize,
    value_size: info.valueSize,
    max_entries: info.maxEntries,
  };
  if (dialect === 'windows') {
    write(WINDOWS_MAP_INFO, bytes, {
      ...shared,
      name: nameBytes(info.name, 64),
      map_flags: info.flags,
      inner_map_id: info.innerMapId,
      pinned_path_count: info.pins.length,
    });
    return WINDOWS_MAP_INFO.size;
  }
  write(LINUX_MAP_INFO, bytes, {
    ...shared,
    map_flags: info.flags,
    name: nameBytes(info.name, 16),
    btf_id: info.btfId,
    btf_key_type_id: info.keyTypeId,
    btf_value_type_id: info.valueTypeId,
    map_extra: info.extra ?? 0n,
  });
  return LINUX_MAP_INFO.size;
}

async function programInfo(lib: Library, fd: number, info: ProgramInfo, bytes: Uint8Array): Promise<number> {
  const type = programTypeNumber(info.type, lib.dialect);
  const ids = words(info.mapIds);
  if (lib.dialect === 'windows') {
    const asked = read(WINDOWS_PROG_INFO, bytes);
    copyTo(lib, asked.map_ids, asked.nr_map_ids * 4, ids);
    write(WINDOWS_PROG_INFO, bytes, {
      id: info.id,
      type,
      nr_map_ids: info.mapIds.length,
      name: nameBytes(info.name, 64),
      pinned_path_count: info.pins.length,
      link_count: info.linkCount,
    });
    return WINDOWS_PROG_INFO.size;
  }
  const asked = read(LINUX_PROG_INFO, bytes);
  copyTo(lib, asked.map_ids, asked.nr_map_ids * 4, ids);
  const code =
    asked.xlated_prog_insns === 0n && asked.jited_prog_insns === 0n
      ? undefined
      : await lib.session.call('prog.code', { fd });
  if (code !== undefined) {
    copyTo(lib, asked.xlated_prog_insns, asked.xlated_prog_len, code.xlated);
    if (code.jited !== undefined) copyTo(lib, asked.jited_prog_insns, asked.jited_prog_len, code.jited);
  }
  write(LINUX_PROG_INFO, bytes, {
    type,
    id: info.id,
    tag: fromHex(info.tag) ?? new Uint8Array(8),
    jited_prog_len: code?.jited?.length ?? info.bytesJited,
    xlated_prog_len: code?.xlated.length ?? info.bytesXlated,
    load_time: info.loadedAt,
    created_by_uid: info.uid,
    nr_map_ids: info.mapIds.length,
    name: nameBytes(info.name, 16),
    gpl_compatible: info.gplCompatible ? 1 : 0,
    btf_id: info.btfId,
    run_time_ns: info.runTimeNs,
    run_cnt: info.runCount,
    verified_insns: info.verifiedInsns,
  });
  return LINUX_PROG_INFO.size;
}

function linkInfo(info: LinkInfo, dialect: Dialect, bytes: Uint8Array): number {
  const attach_type = attachTypeNumber(info.attachType, dialect);
  const type = LINK_TYPES.indexOf(info.type);
  if (dialect === 'windows') {
    write(WINDOWS_LINK_INFO, bytes, {
      id: info.id,
      prog_id: info.progId,
      type,
      attach_type,
      attach_data: words([info.target.ifindex ?? info.target.compartment ?? 0]),
    });
    return WINDOWS_LINK_INFO.size;
  }
  write(LINUX_LINK_INFO, bytes, { type, id: info.id, prog_id: info.progId });
  if (info.type === 'tracing' || info.type === 'iter') write(LINK_WITH_ATTACH, bytes, { attach_type });
  if (info.type === 'cgroup') write(LINK_CGROUP, bytes, { attach_type });
  if (info.type === 'netns') write(LINK_NETNS, bytes, { attach_type });
  if (info.type === 'xdp') write(LINK_INTERFACE, bytes, { ifindex: info.target.ifindex ?? 0 });
  if (info.type === 'tcx' || info.type === 'netkit')
    write(LINK_INTERFACE, bytes, { ifindex: info.target.ifindex ?? 0, attach_type });
  return LINUX_LINK_INFO.size;
}

async function btfInfo(lib: Library, fd: number, info: BtfInfo, bytes: Uint8Array): Promise<number> {
  const asked = read(LINUX_BTF_INFO, bytes);
  if (asked.btf !== 0n) copyTo(lib, asked.btf, asked.btf_size, (await lib.session.call('btf.data', { fd })).btf);
  copyTo(lib, asked.name, asked.name_len, utf8(`${info.name}\0`));
  write(LINUX_BTF_INFO, bytes, {
    btf_size: info.size,
    id: info.id,
    name_len: utf8(info.name).length,
    kernel_btf: info.kernel ? 1 : 0,
  });
  return LINUX_BTF_INFO.size;
}

/** Fills `bytes` for the object; gives the struct's size. Pointers in `bytes` are the arena's. */
export async function fillInfo(lib: Library, fd: number, info: ObjectInfo, bytes: Uint8Array): Promise<number> {
  switch (info.kind) {
    case 'map':
      return mapInfo(info, lib.dialect, bytes);
    case 'prog':
      return programInfo(lib, fd, info, bytes);
    case 'link':
      return linkInfo(info, lib.dialect, bytes);
    case 'btf':
      return btfInfo(lib, fd, info, bytes);
  }
}
