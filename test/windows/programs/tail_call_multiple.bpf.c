/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Two tail calls one after the other; the array has its programs from the start. */
#include "sample.h"

int callee0(sample_program_context_t *ctx);
int callee1(sample_program_context_t *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 10);
	__uint(key_size, sizeof(__u32));
	__array(values, int(sample_program_context_t *ctx));
} map SEC(".maps") = {
	.values = {
		[0] = callee0,
		[9] = callee1,
	},
};

SEC("sample_ext/0")
int callee0(sample_program_context_t *ctx)
{
	bpf_tail_call(ctx, &map, 9);
	return 2;
}

SEC("sample_ext/1")
int callee1(sample_program_context_t *ctx)
{
	return 3;
}

SEC("sample_ext")
int caller(sample_program_context_t *ctx)
{
	bpf_tail_call(ctx, &map, 0);
	return 1;
}
