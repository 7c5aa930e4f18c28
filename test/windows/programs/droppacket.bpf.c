/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* UDP datagrams without a payload are dropped, from the interface that `interface_index_map` names, and counted. */
#include <anybpf/bpf.h>
#include <anybpf/net.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dropped_packet_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} interface_index_map SEC(".maps");

SEC("xdp")
int DropPacket(struct xdp_md *ctx)
{
	__u32 first = 0;
	__u32 *interface = bpf_map_lookup_elem(&interface_index_map, &first);
	void *end = ctx->data_end;
	struct ethhdr *eth = ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u64 *dropped;

	if (interface && *interface != 0 && *interface != ctx->ingress_ifindex)
		return XDP_PASS;
	if ((void *)(udp + 1) > end)
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	if (bpf_ntohs(udp->len) > sizeof(struct udphdr))
		return XDP_PASS;
	dropped = bpf_map_lookup_elem(&dropped_packet_map, &first);
	if (dropped)
		__sync_fetch_and_add(dropped, 1);
	return XDP_DROP;
}
