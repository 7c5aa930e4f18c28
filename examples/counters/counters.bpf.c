/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Counts packets and bytes by IP protocol, on each CPU for itself. */
#include "../include/net.h"

struct counter {
	__u64 packets;
	__u64 bytes;
};

/* Indexed by the protocol number of the IPv4 header or the first next header of IPv6. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct counter);
} protocols SEC(".maps");

/* Frames that carry no IP, or are too short to tell. */
__u64 other_packets;

SEC("tc")
int count_protocols(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	__u32 protocol;

	if ((void *)(eth + 1) > end)
		goto other;
	if (eth->protocol == htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			goto other;
		protocol = ip->protocol;
	} else if (eth->protocol == htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			goto other;
		protocol = ip->next_header;
	} else {
		goto other;
	}

	struct counter *counter = bpf_map_lookup_elem(&protocols, &protocol);

	if (counter) {
		counter->packets++;
		counter->bytes += skb->len;
	}
	return TC_ACT_OK;

other:
	__sync_fetch_and_add(&other_packets, 1);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual MIT/GPL";
