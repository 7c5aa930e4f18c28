/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Drops TCP and UDP packets by destination port: the one in `port`, and those in the map `blocked`. */
#include "../include/net.h"

struct tally {
	__u64 packets;
	__u64 bytes;
};

enum outcome { PASSED, DROPPED };

/* Set it before the program is loaded; 0 for none. */
const volatile __u16 port = 53;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u16);
	__type(value, struct tally);
} blocked SEC(".maps");

/* Indexed by enum outcome. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct tally);
} totals SEC(".maps");

static __always_inline void count(struct tally *tally, __u64 bytes)
{
	__sync_fetch_and_add(&tally->packets, 1);
	__sync_fetch_and_add(&tally->bytes, bytes);
}

/* The destination port in host byte order, 0 where the packet has none. */
static __always_inline __u16 destination_port(void *data, void *end)
{
	struct ethhdr *eth = data;
	void *transport;
	__u8 protocol;

	if ((void *)(eth + 1) > end)
		return 0;
	if (eth->protocol == htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end || IP_LATER_FRAGMENT(ip))
			return 0;
		protocol = ip->protocol;
		transport = (void *)ip + IP_HEADER_BYTES(ip);
	} else if (eth->protocol == htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end)
			return 0;
		protocol = ip->next_header;
		transport = ip + 1;
	} else {
		return 0;
	}
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return 0;

	struct ports *ports = transport;

	if ((void *)(ports + 1) > end)
		return 0;
	return ntohs(ports->destination);
}

SEC("xdp")
int drop_port(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u64 bytes = end - data;
	__u16 destination = destination_port(data, end);
	__u32 outcome = PASSED;

	if (destination != 0) {
		struct tally *tally = bpf_map_lookup_elem(&blocked, &destination);

		if (tally)
			count(tally, bytes);
		if (tally || destination == port)
			outcome = DROPPED;
	}

	struct tally *total = bpf_map_lookup_elem(&totals, &outcome);

	if (total)
		count(total, bytes);
	return outcome == DROPPED ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
