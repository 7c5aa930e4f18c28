/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Looks the source address up among prefixes. */
#include "bench.h"

struct prefix {
	__u32 bits;
	__u32 address;
};

LPM_MAP(prefixes, struct prefix, __u32, 1024);

SEC("xdp")
int program(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (!ip)
		return XDP_PASS;

	struct prefix key = { .bits = 32, .address = word(ip->source) };
	__u32 *found = LOOKUP(prefixes, &key);

	return found ? *found : XDP_PASS;
}
