// A reserved record is neither submitted nor discarded where the packet is short.
// Refused: verify/reference-leak, line 27.
#include "refusal.h"

struct event {
	__u32 length;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("xdp")
int leaked_record(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return XDP_PASS;
	if (length < 60)
		return XDP_DROP;
	event->length = length;
	bpf_ringbuf_submit(event, 0);
	return XDP_PASS;
}
