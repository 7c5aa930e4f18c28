/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Tells of each TCP connection over IPv4 that comes about, in a ring buffer. */
#include <anybpf/bpf.h>

struct connection {
	__u32 local_address;
	__u32 remote_address;
	/* In host byte order. */
	__u16 local_port;
	__u16 remote_port;
	/* 1: asked for by this host. */
	__u8 outbound;
	__u8 unused[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} connections SEC(".maps");

SEC("sockops")
int tell(struct bpf_sock_ops *ctx)
{
	struct connection found = {};

	if (ctx->family != BPF_AF_INET)
		return ANYBPF_SOCK_OPS_OK;
	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		found.outbound = 1;
	else if (ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return ANYBPF_SOCK_OPS_OK;
	found.local_address = ctx->local_ip4;
	found.remote_address = ctx->remote_ip4;
	found.local_port = ANYBPF_LOCAL_PORT(ctx);
	found.remote_port = ANYBPF_REMOTE_PORT(ctx);
	bpf_ringbuf_output(&connections, &found, sizeof(found), 0);
	return ANYBPF_SOCK_OPS_OK;
}

ANYBPF_LICENSE("Dual MIT/GPL")
