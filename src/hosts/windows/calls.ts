// What a host over EbpfApi.dll, wintun.dll and WinDivert.dll calls: one row a function, as koffi's prototypes (`_Out_`, `_Inout_`: the
// caller's variable is written). Nothing here has been run on Windows; docs/hosts-windows-macos.md has the order of the calls.
//
// Sources: eBPF for Windows ebpfapi/Source.def, include/ebpf_api.h and libbpf's bpf.h; wintun api/wintun.h (0.14: what WintunCreateAdapter
// gives is a pointer); WinDivert include/windivert.h (2.2).

/** EbpfApi.dll. `int` results are libbpf's (negative errno), `uint32_t` ones ebpf_result_t. Descriptors are the library's own. */
export const EBPF_API = {
  bpf: 'int bpf(int cmd, void *attr, uint32_t size)',
  bpf_map_create:
    'int bpf_map_create(int map_type, const char *map_name, uint32_t key_size, uint32_t value_size, uint32_t max_entries, const void *opts)',
  bpf_map_lookup_batch:
    'int bpf_map_lookup_batch(int fd, void *in_batch, void *out_batch, void *keys, void *values, _Inout_ uint32_t *count, const void *opts)',
  bpf_map_lookup_and_delete_batch:
    'int bpf_map_lookup_and_delete_batch(int fd, void *in_batch, void *out_batch, void *keys, void *values, _Inout_ uint32_t *count, const void *opts)',
  bpf_map_update_batch:
    'int bpf_map_update_batch(int fd, const void *keys, const void *values, _Inout_ uint32_t *count, const void *opts)',
  bpf_map_delete_batch: 'int bpf_map_delete_batch(int fd, const void *keys, _Inout_ uint32_t *count, const void *opts)',
  bpf_object__open_mem: 'void *bpf_object__open_mem(const void *obj_buf, size_t obj_buf_sz, const void *opts)',
  bpf_object__load: 'int bpf_object__load(void *object)',
  bpf_object__close: 'void bpf_object__close(void *object)',
  bpf_object__next_program: 'void *bpf_object__next_program(const void *object, void *prog)',
  bpf_object__next_map: 'void *bpf_object__next_map(const void *object, const void *map)',
  bpf_program__fd: 'int bpf_program__fd(const void *prog)',
  bpf_program__name: 'const char *bpf_program__name(const void *prog)',
  bpf_program__section_name: 'const char *bpf_program__section_name(const void *prog)',
  bpf_program__set_type: 'int bpf_program__set_type(void *prog, int type)',
  bpf_program__set_autoload: 'int bpf_program__set_autoload(void *prog, bool autoload)',
  bpf_program__log_buf: 'const char *bpf_program__log_buf(const void *prog, _Out_ size_t *log_size)',
  bpf_map__fd: 'int bpf_map__fd(const void *map)',
  bpf_map__name: 'const char *bpf_map__name(const void *map)',
  ebpf_close_fd: 'uint32_t ebpf_close_fd(int fd)',
  ebpf_duplicate_fd: 'uint32_t ebpf_duplicate_fd(int fd, _Out_ int *dup)',
  ebpf_object_get_info_by_fd:
    'uint32_t ebpf_object_get_info_by_fd(int bpf_fd, void *info, _Inout_ uint32_t *info_size, _Out_ int *type)',
  ebpf_object_load_native_by_fds:
    'uint32_t ebpf_object_load_native_by_fds(const char *file_name, _Inout_ size_t *count_of_maps, void *map_fds, _Inout_ size_t *count_of_programs, void *program_fds)',
  ebpf_object_set_execution_type: 'uint32_t ebpf_object_set_execution_type(void *object, int execution_type)',
  ebpf_object_unpin: 'uint32_t ebpf_object_unpin(const char *path)',
  ebpf_get_next_pinned_object_path:
    'uint32_t ebpf_get_next_pinned_object_path(const char *start_path, void *next_path, size_t next_path_len, _Inout_ int *type)',
  ebpf_program_attach_by_fds:
    'uint32_t ebpf_program_attach_by_fds(int program_fd, const void *attach_type, void *attach_parameters, size_t attach_parameters_size, _Out_ int *link)',
  ebpf_program_synchronize: 'uint32_t ebpf_program_synchronize()',
  ebpf_program_query_info:
    'uint32_t ebpf_program_query_info(int fd, _Out_ int *execution_type, _Out_ const char **file_name, _Out_ const char **section_name)',
  ebpf_free_string: 'void ebpf_free_string(const char *string)',
  ebpf_ring_buffer_map_map_buffer:
    'uint32_t ebpf_ring_buffer_map_map_buffer(int map_fd, _Out_ void **consumer, _Out_ void **producer, _Out_ void **data, _Out_ size_t *data_size)',
  ebpf_ring_buffer_map_unmap_buffer:
    'uint32_t ebpf_ring_buffer_map_unmap_buffer(int map_fd, void *consumer, void *producer, void *data)',
  ebpf_ring_buffer_map_write:
    'uint32_t ebpf_ring_buffer_map_write(int ring_buffer_map_fd, const void *data, size_t data_length)',
  ebpf_perf_event_array_map_write:
    'uint32_t ebpf_perf_event_array_map_write(int perf_event_array_map_fd, const void *data, size_t data_length)',
  ebpf_map_set_wait_handle: 'uint32_t ebpf_map_set_wait_handle(int map_fd, uint64_t index, intptr_t handle)',
  perf_buffer__new:
    'void *perf_buffer__new(int map_fd, size_t page_cnt, void *sample_cb, void *lost_cb, void *ctx, const void *opts)',
  perf_buffer__consume: 'int perf_buffer__consume(void *pb)',
  perf_buffer__free: 'void perf_buffer__free(void *pb)',
} as const;

/** kernel32.dll: what waits for rings and adapters, and what says why a call failed. */
export const KERNEL32 = {
  CreateEventW: 'intptr_t CreateEventW(void *attributes, int manual_reset, int initial_state, const char16_t *name)',
  SetEvent: 'int SetEvent(intptr_t handle)',
  CloseHandle: 'int CloseHandle(intptr_t handle)',
  WaitForSingleObject: 'uint32_t WaitForSingleObject(intptr_t handle, uint32_t milliseconds)',
  GetLastError: 'uint32_t GetLastError()',
} as const;

/** wintun.dll. */
export const WINTUN = {
  WintunCreateAdapter:
    'void *WintunCreateAdapter(const char16_t *name, const char16_t *tunnel_type, const void *requested_guid)',
  WintunOpenAdapter: 'void *WintunOpenAdapter(const char16_t *name)',
  WintunCloseAdapter: 'void WintunCloseAdapter(void *adapter)',
  WintunGetAdapterLUID: 'void WintunGetAdapterLUID(void *adapter, _Out_ uint64_t *luid)',
  WintunStartSession: 'void *WintunStartSession(void *adapter, uint32_t capacity)',
  WintunEndSession: 'void WintunEndSession(void *session)',
  WintunGetReadWaitEvent: 'intptr_t WintunGetReadWaitEvent(void *session)',
  WintunReceivePacket: 'void *WintunReceivePacket(void *session, _Out_ uint32_t *packet_size)',
  WintunReleaseReceivePacket: 'void WintunReleaseReceivePacket(void *session, const void *packet)',
  WintunAllocateSendPacket: 'void *WintunAllocateSendPacket(void *session, uint32_t packet_size)',
  WintunSendPacket: 'void WintunSendPacket(void *session, const void *packet)',
} as const;

/** Bytes of a wintun session's rings: a power of two between these. */
export const WINTUN_CAPACITY = { least: 0x2_0000, most: 0x400_0000 } as const;

/** WinDivert.dll. */
export const WINDIVERT = {
  WinDivertOpen: 'intptr_t WinDivertOpen(const char *filter, int layer, int16_t priority, uint64_t flags)',
  WinDivertRecvEx:
    'int WinDivertRecvEx(intptr_t handle, void *packet, uint32_t packet_len, _Out_ uint32_t *recv_len, uint64_t flags, void *addr, _Inout_ uint32_t *addr_len, void *overlapped)',
  WinDivertSendEx:
    'int WinDivertSendEx(intptr_t handle, const void *packet, uint32_t packet_len, _Out_ uint32_t *send_len, uint64_t flags, const void *addr, uint32_t addr_len, void *overlapped)',
  WinDivertSetParam: 'int WinDivertSetParam(intptr_t handle, int param, uint64_t value)',
  WinDivertShutdown: 'int WinDivertShutdown(intptr_t handle, int how)',
  WinDivertClose: 'int WinDivertClose(intptr_t handle)',
  WinDivertHelperCalcChecksums:
    'int WinDivertHelperCalcChecksums(void *packet, uint32_t packet_len, void *addr, uint64_t flags)',
} as const;
