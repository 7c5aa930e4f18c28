// Names that have no meaning over a session: each fails plainly, with EOPNOTSUPP, and the table says why.
import { type Library, refuse } from './library.ts';
import { EBPF_RESULT } from '../../spec/windows.ts';

/** What a function gives where it cannot do anything: -errno, null, nothing, an ebpf_result_t. */
type Gives = 'status' | 'pointer' | 'void' | 'result';

interface Row {
  readonly gives: Gives;
  readonly why: string;
}

const row = (gives: Gives, why: string): Row => ({ gives, why });

const KERNEL_TYPES = 'programs are attached to kernel functions by name; no BTF ids go over a session';
const SECTIONS = 'which section means which type is a table of the linker (link/sections.ts)';
const LINKER = 'objects are linked from one file; `bpftool gen object` puts several together';
const EPOLL = 'there is no descriptor to wait on: poll functions wait by themselves';
const MAPPED = 'memory of a context is not mapped into the application: records are taken by consume functions';
const STORE = 'program information comes from providers that are registered at run time (docs/extensions.md)';
const VERIFIER = 'the verifier keeps nothing from one call to the next';
const WAIT = 'there are no wait handles: poll functions wait by themselves';

/** Every name of libbpf 1.1 and of eBPF for Windows' exports that does nothing here. */
export const WITHOUT_MEANING = {
  libbpf_find_vmlinux_btf_id: row('status', KERNEL_TYPES),
  libbpf_register_prog_handler: row('status', SECTIONS),
  libbpf_unregister_prog_handler: row('status', SECTIONS),
  bpf_object__gen_loader: row('status', 'a light skeleton is a program for the kernel that loads others'),
  bpf_linker__new: row('pointer', LINKER),
  bpf_linker__add_file: row('status', LINKER),
  bpf_linker__finalize: row('status', LINKER),
  bpf_linker__free: row('void', LINKER),
  bpf_program__attach_freplace: row('pointer', 'programs do not replace functions of others'),
  bpf_map__attach_struct_ops: row('pointer', 'struct_ops tables are kernel data structures'),
  bpf_iter_create: row('status', 'iterators walk kernel objects'),
  bpf_task_fd_query: row('status', 'descriptors of other processes are not looked into'),
  bpf_prog_linfo__lfind_addr_func: row('pointer', 'compiled code (WebAssembly) has no addresses'),
  btf__dedup: row('status', 'types are not deduplicated; `pahole` and `bpftool` do'),
  btf_dump__dump_type_data: row('status', 'values are shown as JSON by formatValue (btf/format-value.ts)'),
  ring_buffer__epoll_fd: row('status', EPOLL),
  perf_buffer__epoll_fd: row('status', EPOLL),
  perf_buffer__buffer_fd: row('status', EPOLL),
  perf_buffer__new_raw: row('pointer', 'there are no perf events of other kinds than records of programs'),
  perf_buffer__buffer: row('status', MAPPED),
  ebpf_ring_buffer_get_buffer: row('result', MAPPED),
  ebpf_ring_buffer_map_map_buffer: row('result', MAPPED),
  ebpf_ring_buffer_map_unmap_buffer: row('result', MAPPED),
  ebpf_ring_buffer_get_wait_handle: row('pointer', WAIT),
  ebpf_perf_buffer_get_wait_handle: row('pointer', WAIT),
  ebpf_map_set_wait_handle: row('result', WAIT),
  ebpf_get_program_info_from_verifier: row('result', VERIFIER),
  ebpf_get_btf_resolved_function_info_from_verifier: row('result', VERIFIER),
  ebpf_get_map_annotations_from_verifier: row('result', VERIFIER),
  ebpf_store_update_program_information_array: row('result', STORE),
  ebpf_store_update_section_information: row('result', STORE),
  ebpf_store_update_btf_resolved_function_provider_information: row('result', STORE),
  ebpf_store_delete_program_information: row('result', STORE),
  ebpf_store_delete_section_information: row('result', STORE),
  ebpf_store_delete_btf_resolved_function_provider_information: row('result', STORE),
} as const satisfies Record<string, Row>;

type AbsentName = keyof typeof WITHOUT_MEANING;
type Answer<G extends Gives> = G extends 'pointer' ? null : G extends 'void' ? undefined : number;
export type AbsentFunctions = {
  readonly [N in AbsentName]: (...args: readonly unknown[]) => Answer<(typeof WITHOUT_MEANING)[N]['gives']>;
};

const ANSWERS: { readonly [G in Gives]: (lib: Library) => number | null | undefined } = {
  status: (lib) => refuse(lib, 'EOPNOTSUPP'),
  pointer: (lib) => {
    refuse(lib, 'EOPNOTSUPP');
    return null;
  },
  void: () => undefined,
  result: () => EBPF_RESULT.EBPF_OPERATION_NOT_SUPPORTED,
};

export function absentFunctions(lib: Library): AbsentFunctions {
  const functions = Object.entries(WITHOUT_MEANING).map(([name, { gives }]) => [name, () => ANSWERS[gives](lib)]);
  // One function a row: the type says what each gives, which Object.fromEntries cannot.
  return Object.fromEntries(functions) as AbsentFunctions;
}
