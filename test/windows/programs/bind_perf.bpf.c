/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Tells which application binds. */
#include <anybpf/bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint32_t);
} process_map SEC(".maps");

SEC("bind")
int bind_monitor(struct _bind_md *ctx)
{
	__u8 name[64] = {};

	for (int i = 0; i < 64; i++) {
		if (ctx->app_id_start + i + 1 > ctx->app_id_end)
			break;
		name[i] = ctx->app_id_start[i];
	}
	if (ctx->operation == BIND_OPERATION_BIND)
		bpf_perf_event_output(ctx, &process_map, 0xffffffffULL, name, sizeof(name));
	return BIND_PERMIT_SOFT;
}
