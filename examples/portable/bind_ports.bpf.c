/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Refuses sockets the ports that the map names, and says so in a line. */
#include <anybpf/bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u16);
	__type(value, __u8);
} refused_ports SEC(".maps");

static __always_inline int may_bind(struct bpf_sock_addr *ctx)
{
	__u16 port = bpf_ntohs(ctx->user_port);

	if (!bpf_map_lookup_elem(&refused_ports, &port))
		return ANYBPF_PROCEED;
	bpf_printk("port %u refused", port);
	return ANYBPF_REJECT;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return may_bind(ctx);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	return may_bind(ctx);
}

ANYBPF_LICENSE("Dual MIT/GPL")
