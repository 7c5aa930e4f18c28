/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* FNV-1a over the packet, byte by byte. */
#include "bench.h"

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u8 *at = (void *)(long)ctx->data;
	__u8 *end = (void *)(long)ctx->data_end;
	__u64 hash = 0xcbf29ce484222325ull;

	for (int i = 0; i < 1500; i++) {
		if (at + 1 > end)
			break;
		hash = (hash ^ *at++) * 0x100000001b3ull;
	}
	return hash ^ hash >> 32;
}
