// The options of a header are walked by the lengths in them, one of which may be 0.
// Refused: verify/unbounded-loop, line 13.
#include "refusal.h"

SEC("xdp")
int endless_loop(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *end = (void *)(long)ctx->data_end;
	__u32 at = 0;

	while (at < 40) {
		unsigned char *option = data + at;

		if (option + 2 > end)
			return XDP_PASS;
		if (option[0] == 8)
			return XDP_DROP;
		at += option[1];
	}
	return XDP_PASS;
}
