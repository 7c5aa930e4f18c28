/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Drops IPv4 and IPv6 packets whose source lies in a listed network, and counts them by network. */
#include "../include/net.h"

/* Keys of a longest-prefix-match trie begin with the number of leading bits that count. */
struct network4 {
	__u32 prefix;
	__u8 address[4];
};

struct network6 {
	__u32 prefix;
	__u8 address[16];
};

struct hits {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network4);
	__type(value, struct hits);
} blocked4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network6);
	__type(value, struct hits);
} blocked6 SEC(".maps");

static __always_inline int decide(struct hits *hits, __u64 bytes)
{
	if (!hits)
		return XDP_PASS;
	__sync_fetch_and_add(&hits->packets, 1);
	__sync_fetch_and_add(&hits->bytes, bytes);
	return XDP_DROP;
}

SEC("xdp")
int lpm_block(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	void *network = eth + 1;

	if (network > end)
		return XDP_PASS;

	__u16 protocol = eth->protocol;

	if (protocol == htons(ETH_P_8021Q)) {
		struct vlanhdr *vlan = network;

		network = vlan + 1;
		if (network > end)
			return XDP_PASS;
		protocol = vlan->protocol;
	}
	if (protocol == htons(ETH_P_IP)) {
		struct iphdr *ip = network;

		if ((void *)(ip + 1) > end)
			return XDP_PASS;

		struct network4 key = { .prefix = 32 };

		__builtin_memcpy(key.address, ip->source, sizeof(key.address));
		return decide(bpf_map_lookup_elem(&blocked4, &key), end - data);
	}
	if (protocol == htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = network;

		if ((void *)(ip + 1) > end)
			return XDP_PASS;

		struct network6 key = { .prefix = 128 };

		__builtin_memcpy(key.address, ip->source, sizeof(key.address));
		return decide(bpf_map_lookup_elem(&blocked6, &key), end - data);
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
