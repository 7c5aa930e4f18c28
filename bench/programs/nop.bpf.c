/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a run costs besides the program. */
#include "bench.h"

SEC("xdp")
int program(struct xdp_md *ctx)
{
	return XDP_PASS;
}
