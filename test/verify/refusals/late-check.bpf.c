// The packet is read before it is compared with its end.
// Refused: verify/packet-bounds, line 11.
#include "refusal.h"

SEC("xdp")
int late_check(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u8 protocol = *(volatile __u8 *)&ip->protocol;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	return protocol == 17 ? XDP_DROP : XDP_PASS;
}
