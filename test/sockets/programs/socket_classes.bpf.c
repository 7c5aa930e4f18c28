/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* One program for each thing that sockets do: counts it, and refuses it where `refused` names it. */
#include <anybpf/bpf.h>

enum { BIND, BOUND, RELEASE, LISTEN, CONNECT, ACCEPT, SEND, RECEIVE, CONNECTED, ACCEPTED, CLOSED, CLASSES };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CLASSES);
	__type(key, __u32);
	__type(value, __u8);
} refused SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLASSES);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline int decide(__u32 class)
{
	__u64 *count = bpf_map_lookup_elem(&seen, &class);

	if (count)
		__sync_fetch_and_add(count, 1);
	return bpf_map_lookup_elem(&refused, &class) ? ANYBPF_REJECT : ANYBPF_PROCEED;
}

#ifdef ANYBPF_TARGET_WINDOWS

SEC("bind")
int binds(struct _bind_md *ctx)
{
	if (ctx->operation == 0)
		return decide(BIND) == ANYBPF_REJECT;
	decide(ctx->operation == 1 ? BOUND : RELEASE);
	return 0;
}

SEC("cgroup/listen4")
int listens(struct bpf_sock_addr *ctx)
{
	return decide(LISTEN);
}

SEC("cgroup/connect_authorization4")
int connects(struct bpf_sock_addr *ctx)
{
	return decide(CONNECT);
}

SEC("cgroup/recv_accept4")
int accepts(struct bpf_sock_addr *ctx)
{
	return decide(ACCEPT);
}

SEC("sockops")
int events(struct bpf_sock_ops *ctx)
{
	if (ctx->op <= 2)
		decide(CONNECTED + ctx->op);
	return 0;
}

#else

SEC("cgroup/bind4")
int binds(struct bpf_sock_addr *ctx)
{
	return decide(BIND);
}

SEC("cgroup/post_bind4")
int bound(void *ctx)
{
	return decide(BOUND);
}

SEC("cgroup/sock_release")
int releases(void *ctx)
{
	decide(RELEASE);
	return 1;
}

SEC("cgroup/connect4")
int connects(struct bpf_sock_addr *ctx)
{
	return decide(CONNECT);
}

SEC("cgroup/sendmsg4")
int sends(struct bpf_sock_addr *ctx)
{
	return decide(SEND);
}

SEC("cgroup/recvmsg4")
int receives(struct bpf_sock_addr *ctx)
{
	decide(RECEIVE);
	return 1;
}

SEC("sockops")
int events(struct bpf_sock_ops *ctx)
{
	if (ctx->op == 4)
		decide(CONNECTED);
	if (ctx->op == 5)
		decide(ACCEPTED);
	return 1;
}

#endif

ANYBPF_LICENSE("Dual MIT/GPL")
