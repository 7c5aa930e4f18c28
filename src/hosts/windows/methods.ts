// How a host over EbpfApi.dll would answer each method of a session: by which command of bpf(), by which functions, or not at all.
// The table is the plan that docs/hosts-windows-macos.md explains; the compiler asks for a row for each method that is added.
import type { ErrnoName } from '../../spec/errno.ts';
import type { MethodName } from '../../spec/session.ts';
import type { EBPF_API, KERNEL32 } from './calls.ts';
import type { WindowsCommand } from './commands.ts';

export type Route =
  /** One command, by kind of object where it is asked. */
  | { readonly bpf: readonly WindowsCommand[] }
  /** Functions in this order. */
  | { readonly calls: readonly (keyof typeof EBPF_API | keyof typeof KERNEL32)[] }
  /** The project's own code, over other methods. */
  | { readonly own: string }
  /** What the system does not have. */
  | { readonly absent: ErrnoName; readonly why: string };

const NO_BTF = { absent: 'ENOTSUPP', why: 'BTF is used for maps and lines of objects only, and is no object' } as const;

export const WINDOWS_METHODS: { readonly [M in MethodName]: Route } = {
  'object.load': {
    calls: [
      'bpf_object__open_mem',
      'bpf_object__next_program',
      'bpf_program__set_type',
      'bpf_program__set_autoload',
      'ebpf_object_set_execution_type',
      'bpf_object__load',
      'bpf_program__log_buf',
      'bpf_program__fd',
      'bpf_object__next_map',
      'bpf_map__fd',
      'ebpf_duplicate_fd',
      'bpf_object__close',
    ],
  },
  'object.nextId': { bpf: ['BPF_MAP_GET_NEXT_ID', 'BPF_PROG_GET_NEXT_ID', 'BPF_LINK_GET_NEXT_ID'] },
  'object.open': { bpf: ['BPF_MAP_GET_FD_BY_ID', 'BPF_PROG_GET_FD_BY_ID', 'BPF_LINK_GET_FD_BY_ID'] },
  'object.info': { calls: ['ebpf_object_get_info_by_fd', 'ebpf_program_query_info', 'ebpf_free_string'] },
  'object.close': { calls: ['ebpf_close_fd'] },
  'object.duplicate': { calls: ['ebpf_duplicate_fd'] },
  'object.pin': { bpf: ['BPF_OBJ_PIN'] },
  'object.get': { bpf: ['BPF_OBJ_GET'] },
  'object.unpin': { calls: ['ebpf_object_unpin'] },
  'object.pins': { calls: ['ebpf_get_next_pinned_object_path'] },
  'map.create': { bpf: ['BPF_MAP_CREATE'] },
  'map.lookup': { bpf: ['BPF_MAP_LOOKUP_ELEM'] },
  'map.update': { bpf: ['BPF_MAP_UPDATE_ELEM'] },
  'map.delete': { bpf: ['BPF_MAP_DELETE_ELEM'] },
  'map.lookupAndDelete': { bpf: ['BPF_MAP_LOOKUP_AND_DELETE_ELEM'] },
  'map.nextKey': { bpf: ['BPF_MAP_GET_NEXT_KEY'] },
  'map.lookupBatch': { calls: ['bpf_map_lookup_batch', 'bpf_map_lookup_and_delete_batch'] },
  'map.updateBatch': { calls: ['bpf_map_update_batch'] },
  'map.deleteBatch': { calls: ['bpf_map_delete_batch'] },
  'map.freeze': { absent: 'ENOTSUPP', why: 'maps cannot be frozen' },
  'map.consume': { calls: ['ebpf_ring_buffer_map_map_buffer', 'perf_buffer__consume'] },
  'map.subscribe': {
    calls: [
      'CreateEventW',
      'ebpf_map_set_wait_handle',
      'ebpf_ring_buffer_map_map_buffer',
      'WaitForSingleObject',
      'SetEvent',
      'ebpf_ring_buffer_map_unmap_buffer',
      'CloseHandle',
    ],
  },
  'map.produce': { absent: 'ENOTSUPP', why: 'there is no user_ringbuf' },
  'map.write': { calls: ['ebpf_ring_buffer_map_write', 'ebpf_perf_event_array_map_write'] },
  'prog.load': { bpf: ['BPF_PROG_LOAD'] },
  'prog.testRun': { bpf: ['BPF_PROG_TEST_RUN'] },
  'prog.bindMap': { bpf: ['BPF_PROG_BIND_MAP'] },
  'prog.attach': { bpf: ['BPF_PROG_ATTACH'] },
  'prog.detach': { bpf: ['BPF_PROG_DETACH'] },
  'prog.query': { own: 'links of the attach type, from object.nextId and object.info' },
  'prog.code': { absent: 'ENOTSUPP', why: 'instructions of loaded programs are not given back' },
  'link.create': { calls: ['ebpf_program_attach_by_fds'] },
  'link.update': {
    absent: 'ENOTSUPP',
    why: 'links cannot take another program; a second link and link.detach are not one step',
  },
  'link.detach': { bpf: ['BPF_LINK_DETACH'] },
  'btf.load': NO_BTF,
  'btf.data': NO_BTF,
  'stats.enable': { absent: 'ENOTSUPP', why: 'run times are not counted' },
  'context.synchronize': { calls: ['ebpf_program_synchronize'] },
  'hook.fire': { absent: 'ENOTSUPP', why: 'hooks are fed by the system' },
  'hook.list': { own: 'rows of the Windows dialect whose attach type ebpf_get_ebpf_attach_type knows' },
  'trace.subscribe': { absent: 'ENOTSUPP', why: 'bpf_trace_printk goes to ETW (provider EbpfForWindowsProvider)' },
  'feature.probe': { own: 'map.create once a map type, prog.load once a program type' },
};
