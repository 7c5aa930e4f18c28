// A looked-up value is compared with NULL on one path only.
// Refused: verify/null, line 20.
#include "refusal.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("xdp")
int unchecked_path(struct xdp_md *ctx)
{
	__u32 key = ctx->ingress_ifindex;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	if (ctx->rx_queue_index == 0 && !count)
		return XDP_DROP;
	__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}
