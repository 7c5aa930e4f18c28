// The packet is read before it is compared with its end.
// Refused: verify/packet-bounds, line 11.
#include "refusal.h"

SEC("xdp")
int late_check(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__u16 type = *(volatile __u8 *)eth;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	return type == 0xff ? XDP_PASS : XDP_DROP;
}
