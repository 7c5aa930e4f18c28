// struct bpf_map_info, bpf_prog_info, bpf_link_info and bpf_btf_info as BPF_OBJ_GET_INFO_BY_FD fills them.
// Linux: include/uapi/linux/bpf.h; Windows: eBPF for Windows' ebpf_structs.h (names of 64 bytes, other fields).
import { fromHex, utf8 } from '../../base/bytes.ts';
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
import { nameBytes, read, struct, words, write } from '../../base/structs.ts';

export const LINUX_MAP_INFO = struct({
  type: 'u32',
  id: 'u32',
  key_size: 'u32',
  value_size: 'u32',
  max_entries: 'u32',
  map_flags: 'u32',
  name: 16,
  ifindex: 'u32',
  btf_vmlinux_value_type_id: 'u32',
  netns_dev: 'u64',
  netns_ino: 'u64',
  btf_id: 'u32',
  btf_key_type_id: 'u32',
  btf_value_type_id: 'u32',
  btf_vmlinux_id: 'u32',
  map_extra: 'u64',
});

export const LINUX_PROG_INFO = struct({
  type: 'u32',
  id: 'u32',
  tag: 8,
  jited_prog_len: 'u32',
  xlated_prog_len: 'u32',
  jited_prog_insns: 'u64',
  xlated_prog_insns: 'u64',
  load_time: 'u64',
  created_by_uid: 'u32',
  nr_map_ids: 'u32',
  map_ids: 'u64',
  name: 16,
  ifindex: 'u32',
  gpl_compatible: 'u32',
  netns_dev: 'u64',
  netns_ino: 'u64',
  nr_jited_ksyms: 'u32',
  nr_jited_func_lens: 'u32',
  jited_ksyms: 'u64',
  jited_func_lens: 'u64',
  btf_id: 'u32',
  func_info_rec_size: 'u32',
  func_info: 'u64',
  nr_func_info: 'u32',
  nr_line_info: 'u32',
  line_info: 'u64',
  jited_line_info: 'u64',
  nr_jited_line_info: 'u32',
  line_info_rec_size: 'u32',
  jited_line_info_rec_size: 'u32',
  nr_prog_tags: 'u32',
  prog_tags: 'u64',
  run_time_ns: 'u64',
  run_cnt: 'u64',
  recursion_misses: 'u64',
  verified_insns: 'u32',
  attach_btf_obj_id: 'u32',
  attach_btf_id: 'u32',
  pad: 'u32',
});

/** The first 12 bytes of every link, then those of the kinds that this context fills. */
export const LINUX_LINK_INFO = struct({ type: 'u32', id: 'u32', prog_id: 'u32', pad: 'u32', rest: 40 });
const LINK_WITH_ATTACH = struct({ head: 16, attach_type: 'u32', target: 'u32', target_btf_id: 'u32' });
const LINK_CGROUP = struct({ head: 16, cgroup_id: 'u64', attach_type: 'u32' });
const LINK_NETNS = struct({ head: 16, netns_ino: 'u32', attach_type: 'u32' });
const LINK_INTERFACE = struct({ head: 16, ifindex: 'u32', attach_type: 'u32' });

export const LINUX_BTF_INFO = struct({
  btf: 'u64',
  btf_size: 'u32',
  id: 'u32',
  name: 'u64',
  name_len: 'u32',
  kernel_btf: 'u32',
});

export const WINDOWS_MAP_INFO = struct({
  id: 'u32',
  type: 'u32',
  key_size: 'u32',
  value_size: 'u32',
  max_entries: 'u32',
  name: 64,
  map_flags: 'u32',
  inner_map_id: 'u32',
  pinned_path_count: 'u32',
});

export const WINDOWS_PROG_INFO = struct({
  id: 'u32',
  type: 'u32',
  nr_map_ids: 'u32',
  pad: 'u32',
  map_ids: 'u64',
  name: 64,
  type_uuid: 16,
  attach_type_uuid: 16,
  pinned_path_count: 'u32',
  link_count: 'u32',
});

export const WINDOWS_LINK_INFO = struct({
  id: 'u32',
  prog_id: 'u32',
  type: 'u32',
  attach_type: 'u32',
  attach_type_uuid: 16,
  program_type_uuid: 16,
  attach_data: 8,
});

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
