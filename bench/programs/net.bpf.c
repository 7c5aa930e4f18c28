/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Drops what comes to UDP port 9000, sends back what comes to 9001, passes the rest; counts each. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { DROPPED, SENT_BACK, PASSED, COUNTS };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline int count(__u32 what, int verdict)
{
	__u64 *value = bpf_map_lookup_elem(&seen, &what);

	if (value)
		*value += 1;
	return verdict;
}

SEC("xdp") int net(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u8 mac[6];

	if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return count(PASSED, XDP_PASS);
	if (udp->dest == bpf_htons(9000))
		return count(DROPPED, XDP_DROP);
	if (udp->dest != bpf_htons(9001))
		return count(PASSED, XDP_PASS);
	__builtin_memcpy(mac, eth->h_dest, 6);
	__builtin_memcpy(eth->h_dest, eth->h_source, 6);
	__builtin_memcpy(eth->h_source, mac, 6);
	return count(SENT_BACK, XDP_TX);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
