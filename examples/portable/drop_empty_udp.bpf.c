/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Drops UDP datagrams without a payload, as in a flood of them, from the interface that the map `interface_index` names (from all where
 * it names none), and counts them in `dropped`. */
#include <anybpf/bpf.h>
#include <anybpf/net.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} interface_index SEC(".maps");

/* The header behind an IP header without options, NULL where there is none or it is no UDP. */
static __always_inline struct udphdr *udp_in(void *data, void *end)
{
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return NULL;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		return (void *)(ip + 1) > end || ip->protocol != IPPROTO_UDP ? NULL : (void *)(ip + 1);
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		return (void *)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP ? NULL : (void *)(ip + 1);
	}
	return NULL;
}

SEC("xdp")
int drop_empty_udp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 key = 0;
	__u32 *interface = bpf_map_lookup_elem(&interface_index, &key);
	struct udphdr *udp = udp_in(data, end);
	__u64 *count;

	if (interface && *interface != 0 && *interface != ctx->ingress_ifindex)
		return XDP_PASS;
	if (!udp || (void *)(udp + 1) > end || bpf_ntohs(udp->len) > sizeof(*udp))
		return XDP_PASS;
	count = bpf_map_lookup_elem(&dropped, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_DROP;
}

ANYBPF_LICENSE("Dual MIT/GPL")
