/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Every hook of sock_addr: what becomes of an address is what `policy` says of it, and those that it says nothing of are refused. An
 * address that is to be another one is rewritten, wherever that is heeded. What helpers told last stands in `told`.
 */
#include <anybpf/bpf.h>

struct end {
	__u32 address[4];
	/* In network byte order, as the address. */
	__u16 port;
	__u16 protocol;
};

struct fate {
	struct end end;
	__u32 verdict;
};

struct told {
	__u64 pid_tgid;
	__u64 logon_id;
	__u64 cookie;
	__s32 is_admin;
	__s32 set_redirect_context;
	__s32 get_network_context;
	__u16 source_port;
	__u16 runs;
	__u8 network_context[32];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct end);
	__type(value, struct fate);
} policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct told);
} told SEC(".maps");

static __always_inline void ask(struct bpf_sock_addr *ctx)
{
	__u32 first = 0;
	struct told *last = bpf_map_lookup_elem(&told, &first);
	char words[] = "from elsewhere";
	__u8 network[32] = {};

	if (!last)
		return;
	last->pid_tgid = ANYBPF_PID_TGID(ctx);
	last->logon_id = bpf_get_current_logon_id(ctx);
	last->is_admin = bpf_is_current_admin(ctx);
	last->cookie = bpf_get_socket_cookie(ctx);
	last->set_redirect_context = bpf_sock_addr_set_redirect_context(ctx, words, sizeof(words));
	last->get_network_context = bpf_sock_addr_get_network_context(ctx, network, sizeof(network));
	__builtin_memcpy(last->network_context, network, sizeof(network));
	last->source_port = ctx->msg_src_port;
	last->runs++;
}

static __always_inline int four(struct bpf_sock_addr *ctx)
{
	struct end to = {};
	struct fate *fate;

	to.address[0] = ctx->user_ip4;
	to.port = ctx->user_port;
	to.protocol = ctx->protocol;
	ask(ctx);
	fate = bpf_map_lookup_elem(&policy, &to);
	if (!fate)
		return ANYBPF_REJECT;
	ctx->user_ip4 = fate->end.address[0];
	ctx->user_port = fate->end.port;
	return fate->verdict;
}

static __always_inline int six(struct bpf_sock_addr *ctx)
{
	struct end to = {};
	struct fate *fate;

	for (int i = 0; i < 4; i++)
		to.address[i] = ctx->user_ip6[i];
	to.port = ctx->user_port;
	to.protocol = ctx->protocol;
	ask(ctx);
	fate = bpf_map_lookup_elem(&policy, &to);
	if (!fate)
		return ANYBPF_REJECT;
	for (int i = 0; i < 4; i++)
		ctx->user_ip6[i] = fate->end.address[i];
	ctx->user_port = fate->end.port;
	return fate->verdict;
}

#define HOOK(name)                                                             \
	SEC("cgroup/" #name "4") int name##4(struct bpf_sock_addr *ctx)        \
	{                                                                      \
		return four(ctx);                                              \
	}                                                                      \
	SEC("cgroup/" #name "6") int name##6(struct bpf_sock_addr *ctx)        \
	{                                                                      \
		return six(ctx);                                               \
	}

HOOK(connect)
HOOK(connect_authorization)
HOOK(recv_accept)
HOOK(bind)
HOOK(listen)
