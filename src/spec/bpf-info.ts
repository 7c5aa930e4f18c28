// struct bpf_map_info, bpf_prog_info, bpf_link_info and bpf_btf_info, which BPF_OBJ_GET_INFO_BY_FD fills.
// Linux: include/uapi/linux/bpf.h; Windows: eBPF for Windows' ebpf_structs.h (names of 64 bytes, other fields), which its
// ebpf_object_get_info_by_fd fills; its bpf() gives the first fields of Linux' structs.
import { struct } from '../base/structs.ts';

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
export const LINK_WITH_ATTACH = struct({ head: 16, attach_type: 'u32', target: 'u32', target_btf_id: 'u32' });
export const LINK_CGROUP = struct({ head: 16, cgroup_id: 'u64', attach_type: 'u32' });
export const LINK_NETNS = struct({ head: 16, netns_ino: 'u32', attach_type: 'u32' });
export const LINK_INTERFACE = struct({ head: 16, ifindex: 'u32', attach_type: 'u32' });

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
