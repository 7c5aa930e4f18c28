// The length is compared with the end of the packet only where the packet is IPv4.
// Refused: verify/packet-bounds, line 18.
#include "refusal.h"

SEC("xdp")
int unchecked_length(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__u8 *payload = data + sizeof(*eth);

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP) && (void *)(payload + 20) > end)
		return XDP_DROP;

	return payload[9] == 17 ? XDP_DROP : XDP_PASS;
}
