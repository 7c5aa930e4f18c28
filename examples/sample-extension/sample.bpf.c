/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Programs of the sample extension's type: its seven helpers, its map, its function. */
#include "sample_ext.h"

struct {
	__uint(type, BPF_MAP_TYPE_SAMPLE_HASH_MAP);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

/* The first `rain` of the event's text becomes `snow`; gives where it was, -1 where it was not. */
SEC("sample_ext")
int weather(struct _sample_program_context *ctx)
{
	char rain[] = "rain", snow[] = "snow";
	__u8 *text = ctx->data_start;
	long at;

	if (text + 16 > ctx->data_end)
		return -1;
	at = sample_ext_find(text, 16, rain, sizeof(rain));
	if (at >= 0)
		sample_ext_replace(text, 16, at, snow, sizeof(snow));
	return at;
}

/* Counts events by uint32_data, and gives the count. */
SEC("sample_ext/count")
int count(struct _sample_program_context *ctx)
{
	__u32 key = ctx->uint32_data;
	__u64 one = 1, now = 0;
	__u64 *value = sample_ext_helper_map_lookup_element(&seen, &key);

	if (value)
		*value += 1;
	else if (bpf_map_update_elem(&seen, &key, &one, BPF_ANY))
		return -1;
	if (sample_ext_helper_map_get_value(&seen, &key, &now, sizeof(now)))
		return -2;
	return now;
}

/* helper_data_1 + (helper_data_2 + 5). */
SEC("sample_ext/implicit")
int implicit(struct _sample_program_context *ctx)
{
	return sample_ext_helper_function1(ctx) + sample_ext_helper_implicit_1() + sample_ext_helper_implicit_2(5);
}

/* What the extension's table has for uint32_data. */
SEC("sample_ext/lookup")
int lookup(struct _sample_program_context *ctx)
{
	__u32 value = 0;

	if (sample_ebpf_extension_btf_lookup(ctx->uint32_data, &value, sizeof(value)))
		return -1;
	return value;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
