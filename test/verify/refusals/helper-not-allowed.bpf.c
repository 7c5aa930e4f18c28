// A helper for socket buffers in an XDP program, which has none yet.
// Refused: verify/helper, line 10.
#include "refusal.h"

SEC("xdp")
int helper_not_allowed(struct xdp_md *ctx)
{
	char header[14];

	if (bpf_skb_load_bytes(ctx, 0, header, sizeof(header)))
		return XDP_PASS;
	return header[0] ? XDP_DROP : XDP_PASS;
}
