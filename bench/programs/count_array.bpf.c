/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Counts packets by protocol. */
#include "bench.h"

ARRAY_MAP(protocols, __u64, 256);

SEC("xdp")
int program(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (!ip)
		return XDP_PASS;

	__u32 protocol = ip->protocol;
	__u64 *count = LOOKUP(protocols, &protocol);

	if (count)
		*count += 1;
	return XDP_PASS;
}
