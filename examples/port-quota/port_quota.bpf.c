/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Windows' bind hook: a process may hold as many ports as limits_map[0] says, 0 for any number. */
#include <anybpf/bpf.h>

struct process {
	__u32 count;
	__u8 name[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct process);
} process_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} limits_map SEC(".maps");

/* The process's entry; made, with the application's path, where a port is asked for. */
static __always_inline struct process *process_of(struct _bind_md *ctx, __u64 id)
{
	struct process *process = bpf_map_lookup_elem(&process_map, &id);
	struct process fresh = {};
	__u8 *from = ctx->app_id_start;
	__u8 *end = ctx->app_id_end;

	if (process || ctx->operation != BIND_OPERATION_BIND)
		return process;
	for (int i = 0; i < 64; i++) {
		if (from + i + 1 > end)
			break;
		fresh.name[i] = from[i];
	}
	bpf_map_update_elem(&process_map, &id, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&process_map, &id);
}

SEC("bind")
int port_quota(struct _bind_md *ctx)
{
	__u32 first = 0;
	__u64 id = ctx->process_id;
	__u32 *limit = bpf_map_lookup_elem(&limits_map, &first);
	struct process *process;

	if (!limit || *limit == 0)
		return BIND_PERMIT_SOFT;
	process = process_of(ctx, id);
	if (!process)
		return BIND_PERMIT_SOFT;
	if (ctx->operation == BIND_OPERATION_BIND) {
		if (process->count >= *limit)
			return BIND_DENY;
		process->count++;
	} else if (ctx->operation == BIND_OPERATION_UNBIND && process->count > 0) {
		process->count--;
	}
	if (process->count == 0)
		bpf_map_delete_elem(&process_map, &id);
	return BIND_PERMIT_SOFT;
}
