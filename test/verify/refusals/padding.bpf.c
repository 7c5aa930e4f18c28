// The padding of a key was never stored to.
// Refused: verify/uninitialised-stack, line 24.
#include "refusal.h"

struct key {
	__u8 proto;
	__u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct key);
	__type(value, __u64);
} flows SEC(".maps");

SEC("xdp")
int padding(struct xdp_md *ctx)
{
	struct key key;

	key.proto = 6;
	key.port = ctx->rx_queue_index;
	return bpf_map_lookup_elem(&flows, &key) ? XDP_DROP : XDP_PASS;
}
