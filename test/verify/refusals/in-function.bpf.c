// The refused access lies in a function, the check in its caller covers less.
// Refused: verify/packet-bounds, line 7.
#include "refusal.h"

static __attribute__((noinline)) __u32 address(struct iphdr *ip, __u32 *other)
{
	*other = ip->saddr;
	return ip->daddr;
}

SEC("xdp")
int in_function(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 other;

	if (data + 28 > end)
		return XDP_PASS;
	return address(data + sizeof(struct ethhdr), &other) == other ? XDP_DROP : XDP_PASS;
}
