/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A tail call beyond the array's end, which fails and is told of in `canary`. */
#include "sample.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 10);
	__type(key, __u32);
	__type(value, __u32);
} map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} canary SEC(".maps");

SEC("sample_ext")
int caller(sample_program_context_t *ctx)
{
	__u32 first = 0;
	long error = bpf_tail_call(ctx, &map, 10);
	__u32 *alive = bpf_map_lookup_elem(&canary, &first);

	if (alive)
		*alive = 1;
	return error;
}

SEC("sample_ext/0")
int callee(sample_program_context_t *ctx)
{
	return 42;
}
