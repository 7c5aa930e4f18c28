// The IP header is checked, but the UDP header behind it, whose place depends on ihl, is read.
// Refused: verify/packet-bounds, line 16.
#include "refusal.h"

SEC("xdp")
int wrong_pointer(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > end)
		return XDP_PASS;

	struct udphdr *udp = (void *)ip + ip->ihl * 4;
	return udp->dest == bpf_htons(53) ? XDP_DROP : XDP_PASS;
}
