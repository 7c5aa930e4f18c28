/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Counts packets by source address, atomically. */
#include "bench.h"

HASH_MAP(sources, __u32, __u64, 1024);

SEC("xdp")
int program(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (!ip)
		return XDP_PASS;

	__u32 source = word(ip->source);
	__u64 *count = LOOKUP(sources, &source);

	if (!count)
		return XDP_DROP;
	__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}
