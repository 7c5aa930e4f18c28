/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* SipHash-2-4 over the whole words of the packet. */
#include "bench.h"

#define ROUND \
	do { \
		v0 += v1; v1 = rotl64(v1, 13); v1 ^= v0; v0 = rotl64(v0, 32); \
		v2 += v3; v3 = rotl64(v3, 16); v3 ^= v2; \
		v0 += v3; v3 = rotl64(v3, 21); v3 ^= v0; \
		v2 += v1; v1 = rotl64(v1, 17); v1 ^= v2; v2 = rotl64(v2, 32); \
	} while (0)

SEC("xdp")
int program(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const __u64 k0 = 0x0706050403020100ull, k1 = 0x0f0e0d0c0b0a0908ull;
	__u64 v0 = k0 ^ 0x736f6d6570736575ull, v1 = k1 ^ 0x646f72616e646f6dull;
	__u64 v2 = k0 ^ 0x6c7967656e657261ull, v3 = k1 ^ 0x7465646279746573ull;
	__u64 last = (__u64)(end - at) << 56;

	for (int i = 0; i < 188; i++) {
		if (at + 8 > end)
			break;
		__u64 word = *(__u64 *)at;

		v3 ^= word;
		ROUND;
		ROUND;
		v0 ^= word;
		at += 8;
	}
	v3 ^= last;
	ROUND;
	ROUND;
	v0 ^= last;
	v2 ^= 0xff;
	ROUND;
	ROUND;
	ROUND;
	ROUND;
	v0 ^= v1 ^ v2 ^ v3;
	return v0 ^ v0 >> 32;
}
