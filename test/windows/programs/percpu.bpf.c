/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#include "sample.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 512);
	__type(key, uint32_t);
	__type(value, uint32_t);
} map SEC(".maps");

SEC("sample_ext")
int func1(sample_program_context_t *ctx)
{
    uint32_t key = 0;
    uint32_t value = 42;
    int result = bpf_map_update_elem(&map, &key, &value, 0);
    return result;
}
