// A byte of the packet is the index of an array of 16 numbers.
// Refused: verify/bounds, line 33.
#include "refusal.h"

struct table {
	__u32 weight[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct table);
} tables SEC(".maps");

SEC("xdp")
int wide_index(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;
	unsigned char *end = (void *)(long)ctx->data_end;
	__u32 zero = 0;

	if (data + 20 > end)
		return XDP_PASS;

	struct table *table = bpf_map_lookup_elem(&tables, &zero);
	if (!table)
		return XDP_PASS;

	__u32 class = data[15];
	if (class > 16)
		return XDP_PASS;
	return table->weight[class];
}
