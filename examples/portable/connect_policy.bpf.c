/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Where connections go: the maps name destinations that are refused (port 0) or are sent to another address; all others proceed. */
#include <anybpf/bpf.h>

struct destination4 {
	__u32 address;
	/* In network byte order, as the address. */
	__u16 port;
	__u16 protocol;
};

struct destination6 {
	__u32 address[4];
	__u16 port;
	__u16 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct destination4);
	__type(value, struct destination4);
} policy4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct destination6);
	__type(value, struct destination6);
} policy6 SEC(".maps");

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct destination4 to = {};
	struct destination4 *instead;

	to.address = ctx->user_ip4;
	to.port = ctx->user_port;
	to.protocol = ctx->protocol;
	instead = bpf_map_lookup_elem(&policy4, &to);
	if (!instead)
		return ANYBPF_PROCEED;
	if (instead->port == 0)
		return ANYBPF_REJECT;
	ctx->user_ip4 = instead->address;
	ctx->user_port = instead->port;
	return ANYBPF_PROCEED;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct destination6 to = {};
	struct destination6 *instead;

	to.address[0] = ctx->user_ip6[0];
	to.address[1] = ctx->user_ip6[1];
	to.address[2] = ctx->user_ip6[2];
	to.address[3] = ctx->user_ip6[3];
	to.port = ctx->user_port;
	to.protocol = ctx->protocol;
	instead = bpf_map_lookup_elem(&policy6, &to);
	if (!instead)
		return ANYBPF_PROCEED;
	if (instead->port == 0)
		return ANYBPF_REJECT;
	ctx->user_ip6[0] = instead->address[0];
	ctx->user_ip6[1] = instead->address[1];
	ctx->user_ip6[2] = instead->address[2];
	ctx->user_ip6[3] = instead->address[3];
	ctx->user_port = instead->port;
	return ANYBPF_PROCEED;
}

ANYBPF_LICENSE("Dual MIT/GPL")
