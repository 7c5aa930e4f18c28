/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The verdict on connections, outward and inward, is what a map says of their ends. */
#include <anybpf/bpf.h>

struct connection {
	__u32 source[4];
	__u16 source_port;
	__u32 destination[4];
	__u16 destination_port;
	__u32 protocol;
	__u64 luid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct connection);
	__type(value, __u32);
} egress_connection_policy_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct connection);
	__type(value, __u32);
} ingress_connection_policy_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000);
	__type(key, struct connection);
	__type(value, __u64);
} socket_cookie_map SEC(".maps");

static __always_inline int verdict(struct bpf_sock_addr *ctx, void *policy, int version)
{
	struct connection key;
	__u64 cookie = bpf_get_socket_cookie(ctx);
	__u32 *found;

	__builtin_memset(&key, 0, sizeof(key));
	if (version == 4) {
		key.source[0] = ctx->msg_src_ip4;
		key.destination[0] = ctx->user_ip4;
	} else {
		for (int i = 0; i < 4; i++) {
			key.source[i] = ctx->msg_src_ip6[i];
			key.destination[i] = ctx->user_ip6[i];
		}
	}
	key.source_port = ctx->msg_src_port;
	key.destination_port = ctx->user_port;
	key.protocol = ctx->protocol;
	key.luid = ctx->interface_luid;
	bpf_map_update_elem(&socket_cookie_map, &key, &cookie, BPF_ANY);
	found = bpf_map_lookup_elem(policy, &key);
	return found ? *found : ANYBPF_PROCEED;
}

SEC("cgroup/connect4")
int authorize_connect4(struct bpf_sock_addr *ctx)
{
	return verdict(ctx, &egress_connection_policy_map, 4);
}

SEC("cgroup/connect6")
int authorize_connect6(struct bpf_sock_addr *ctx)
{
	return verdict(ctx, &egress_connection_policy_map, 6);
}

SEC("cgroup/recv_accept4")
int authorize_recv_accept4(struct bpf_sock_addr *ctx)
{
	return verdict(ctx, &ingress_connection_policy_map, 4);
}

SEC("cgroup/recv_accept6")
int authorize_recv_accept6(struct bpf_sock_addr *ctx)
{
	return verdict(ctx, &ingress_connection_policy_map, 6);
}
