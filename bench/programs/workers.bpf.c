/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Counts packets by 256 keys, for bench/workers.mjs: KIND is the map's type, and how the counter goes up is SHARED or not. With
 * INSERT each packet puts a new value instead. */
#include "bench.h"

BPF_MAP(counters, KIND, __u32, __u64, 256, 0);

SEC("xdp")
int program(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (!ip)
		return XDP_PASS;

	__u32 key = ip->source[3];
#ifdef INSERT
	__u64 value = key;

	bpf_map_update_elem(&counters, &key, &value, 0);
#else
	__u64 *count = LOOKUP(counters, &key);

	if (!count)
		return XDP_DROP;
#ifdef SHARED
	__sync_fetch_and_add(count, 1);
#else
	*count += 1;
#endif
#endif
	return XDP_PASS;
}
