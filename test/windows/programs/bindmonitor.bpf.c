/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Who binds, in `audit_map`; ports beyond the limit are refused. */
#include <anybpf/bpf.h>

struct process {
	__u32 count;
	__u8 name[64];
};

struct user {
	__u64 logon_id;
	__s32 is_admin;
	__u32 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct user);
} audit_map SEC(".maps");

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

SEC("bind")
int BindMonitor(struct _bind_md *ctx)
{
	__u32 first = 0;
	__u64 id = ctx->process_id;
	struct user user = {};
	struct process fresh = {};
	struct process *process;
	__u32 *limit;

	user.logon_id = bpf_get_current_logon_id(ctx);
	user.is_admin = bpf_is_current_admin(ctx);
	bpf_map_update_elem(&audit_map, &id, &user, BPF_ANY);
	limit = bpf_map_lookup_elem(&limits_map, &first);
	if (!limit || *limit == 0 || ctx->operation != BIND_OPERATION_BIND)
		return BIND_PERMIT_SOFT;
	process = bpf_map_lookup_elem(&process_map, &id);
	if (!process) {
		bpf_map_update_elem(&process_map, &id, &fresh, BPF_NOEXIST);
		process = bpf_map_lookup_elem(&process_map, &id);
		if (!process)
			return BIND_DENY;
	}
	if (process->count >= *limit)
		return BIND_DENY;
	process->count++;
	return BIND_PERMIT_SOFT;
}
