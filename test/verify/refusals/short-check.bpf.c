// The Ethernet header is checked, but the IP header behind it is read.
// Refused: verify/packet-bounds, line 17.
#include "refusal.h"

SEC("xdp")
int short_check(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);

	if (data + sizeof(*eth) > end)
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	return ip->saddr == 0 ? XDP_DROP : XDP_PASS;
}
