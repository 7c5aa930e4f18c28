/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Lets sockets have as many ports as the map `quota` says, one after the other, and refuses those that ask for more. */
#include <anybpf/bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} quota SEC(".maps");

/* How many have asked. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} asked SEC(".maps");

static __always_inline int may_bind(void)
{
	__u32 key = 0;
	__u64 *most = bpf_map_lookup_elem(&quota, &key);
	__u64 *count = bpf_map_lookup_elem(&asked, &key);

	if (!most || !count)
		return ANYBPF_REJECT;
	return __sync_fetch_and_add(count, 1) < *most ? ANYBPF_PROCEED : ANYBPF_REJECT;
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return may_bind();
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	return may_bind();
}

ANYBPF_LICENSE("Dual MIT/GPL")
