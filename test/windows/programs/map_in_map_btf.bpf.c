/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#include "sample.h"

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} inner_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct inner);
} outer_map SEC(".maps") = {
	.values = { &inner_map },
};

SEC("sample_ext")
int lookup(sample_program_context_t *ctx)
{
	__u32 first = 0;
	void *inner = bpf_map_lookup_elem(&outer_map, &first);
	__u32 *value;

	if (!inner)
		return 0;
	value = bpf_map_lookup_elem(inner, &first);
	return value ? *value : 0;
}
