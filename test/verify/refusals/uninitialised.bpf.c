// A register that no path gives a value (compilers only do this where the source has no defined meaning).
// Refused: verify/uninitialised-register, line 12.
#include "refusal.h"

SEC("xdp")
int uninitialised(struct xdp_md *ctx)
{
	int verdict = XDP_PASS;

	if (ctx->rx_queue_index == 3)
		verdict = XDP_DROP;
	asm volatile("%0 = r7" : "=r"(verdict));
	return verdict;
}
