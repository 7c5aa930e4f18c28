/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Looks for a word of four letters, in either case, in the first 256 bytes. */
#include "bench.h"

#define WANTED ('e' << 24 | 'v' << 16 | 'i' << 8 | 'l')

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u8 *at = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u32 window = 0;

	for (int i = 0; i < 256; i++) {
		if (at + 1 > end)
			return XDP_PASS;
		window = window << 8 | *at++ | 0x20;
		if (window == WANTED)
			return XDP_DROP;
	}
	return XDP_PASS;
}
