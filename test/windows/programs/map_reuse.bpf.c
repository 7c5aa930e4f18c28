/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A value out of a map of maps is kept in another map. */
#include "sample.h"

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} inner_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} port_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct inner);
} outer_map SEC(".maps") = {
	.values = { &inner_map },
};

SEC("sample_ext")
int lookup_update(sample_program_context_t *ctx)
{
	__u32 first = 0;
	void *inner = bpf_map_lookup_elem(&outer_map, &first);
	__u32 *value;

	if (!inner)
		return 0;
	value = bpf_map_lookup_elem(inner, &first);
	if (!value)
		return 0;
	bpf_map_update_elem(&port_map, &first, value, BPF_ANY);
	return *value;
}
