/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Tells of connections, as they begin and as they end, with the numbers of their flows. */
#include <anybpf/bpf.h>

struct flow {
	__u32 local_address[4];
	__u32 remote_address[4];
	__u64 luid;
	__u64 flow_id;
	__u64 process_id;
	__u16 local_port;
	__u16 remote_port;
	__u32 family;
	__u32 op;
	__u32 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} flows SEC(".maps");

SEC("sockops")
int tell(struct bpf_sock_ops *ctx)
{
	struct flow flow = {};

	if (ctx->family == BPF_AF_INET) {
		flow.local_address[0] = ctx->local_ip4;
		flow.remote_address[0] = ctx->remote_ip4;
	} else {
		for (int i = 0; i < 4; i++) {
			flow.local_address[i] = ctx->local_ip6[i];
			flow.remote_address[i] = ctx->remote_ip6[i];
		}
	}
	flow.local_port = ANYBPF_LOCAL_PORT(ctx);
	flow.remote_port = ANYBPF_REMOTE_PORT(ctx);
	flow.luid = ctx->interface_luid;
	flow.flow_id = bpf_sock_ops_get_flow_id(ctx);
	flow.process_id = ANYBPF_PID_TGID(ctx) >> 32;
	flow.family = ctx->family;
	flow.op = ctx->op;
	flow.protocol = ctx->protocol;
	bpf_ringbuf_output(&flows, &flow, sizeof(flow), 0);
	return ANYBPF_SOCK_OPS_OK;
}
