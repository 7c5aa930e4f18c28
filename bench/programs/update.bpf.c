/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Remembers the last packet of each flow: an update of a hash table. */
#include "bench.h"

struct flow {
	__u32 source;
	__u32 destination;
	__u32 ports;
};

struct last {
	__u64 bytes;
	__u64 protocol;
};

HASH_MAP(flows, struct flow, struct last, 1024);

SEC("xdp")
int program(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = ipv4((void *)(long)ctx->data, end);

	if (!ip || (void *)(ip + 1) + 4 > end)
		return XDP_PASS;

	struct flow flow = {word(ip->source), word(ip->destination), word((const __u8 *)(ip + 1))};
	struct last last = {end - (void *)(long)ctx->data, ip->protocol};

	return UPDATE(flows, &flow, &last) ? XDP_DROP : XDP_PASS;
}
