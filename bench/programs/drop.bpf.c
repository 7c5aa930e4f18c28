/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Parses Ethernet, VLAN, IPv4 and TCP or UDP, and drops eight ports. */
#include "bench.h"

SEC("xdp")
int program(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = ipv4(data, end);

	if (!ip || IP_LATER_FRAGMENT(ip) || (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return XDP_PASS;

	struct ports *ports = (void *)ip + IP_HEADER_BYTES(ip);

	if ((void *)(ports + 1) > end)
		return XDP_PASS;
	switch (ntohs(ports->destination)) {
	case 7:
	case 19:
	case 53:
	case 111:
	case 123:
	case 389:
	case 1900:
	case 11211:
		return XDP_DROP;
	}
	return XDP_PASS;
}
