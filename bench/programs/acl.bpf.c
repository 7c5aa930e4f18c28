/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* 64 rules one after the other, each a source network, a range of ports and sometimes a protocol. The packet is read again for
 * each rule: what is held in registers the kernel's verifier narrows down rule by rule, into too many states. */
#include "bench.h"

#define htonl(value) __builtin_bswap32(value)
#define AGAIN(type, field) (*(const volatile type *)&(field))

#define RULE(n) \
	if ((AGAIN(__u32, ip->source) & htonl(~0u << (4 + (n) % 3 * 4))) == htonl(0x0a000000u | (n) << 12) && \
	    ntohs(AGAIN(__u16, ports->destination)) >= (n) * 16 && \
	    ntohs(AGAIN(__u16, ports->destination)) < (n) * 16 + 8000 && \
	    ((n) % 4 || AGAIN(__u8, ip->protocol) == IPPROTO_TCP)) \
		return (n) % 2 ? XDP_DROP : XDP_TX;
#define RULES8(n) \
	RULE((n)) RULE((n + 1)) RULE((n + 2)) RULE((n + 3)) RULE((n + 4)) RULE((n + 5)) RULE((n + 6)) RULE((n + 7))

SEC("xdp")
int program(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = ipv4(data, end);

	if (!ip || ip->version_length != 0x45)
		return XDP_PASS;

	struct ports *ports = (void *)(ip + 1);

	if ((void *)(ports + 1) > end)
		return XDP_PASS;
	RULES8(0) RULES8(8) RULES8(16) RULES8(24) RULES8(32) RULES8(40) RULES8(48) RULES8(56)
	return XDP_PASS;
}
