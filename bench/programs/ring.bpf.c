/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Puts the first 48 bytes of every 64th packet into a ring buffer. */
#include "bench.h"

struct sample {
	__u64 number;
	__u32 bytes;
	__u32 zero;
	__u8 head[48];
};

RING(samples, 1 << 22);

__u64 seen;

SEC("xdp")
int program(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u64 number = ++seen;

	if (number % 64)
		return XDP_PASS;

	struct sample *sample = RESERVE(samples, sizeof(*sample));

	if (!sample)
		return XDP_ABORTED;
	sample->number = number;
	sample->bytes = end - data;
	sample->zero = 0;
	if (data + 48 <= end)
		__builtin_memcpy(sample->head, data, 48);
	else
		__builtin_memset(sample->head, 0, 48);
	SUBMIT(samples, sample);
	return XDP_TX;
}
