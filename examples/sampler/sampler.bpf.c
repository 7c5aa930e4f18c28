/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Puts the first bytes of every n-th packet into a ring buffer. */
#include "../include/net.h"

#define HEADER_BYTES 32

struct event {
	__u64 time;
	/* Counts all packets, from 1. */
	__u64 number;
	__u32 length;
	/* Bytes of `header` that hold packet. */
	__u16 captured;
	/* In host byte order. */
	__u16 ethertype;
	__u8 header[HEADER_BYTES];
};

/* One packet of this many is sampled. */
const volatile __u32 every = 10;

__u64 packets;
/* Samples that found the ring full. */
__u64 lost;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

/* Keeps the type of the records in the object's BTF. */
const struct event *event_type;

SEC("xdp")
int sample(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u64 number = __sync_fetch_and_add(&packets, 1) + 1;

	if (every == 0 || number % every != 0)
		return XDP_PASS;

	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return XDP_PASS;
	}
	event->time = bpf_ktime_get_ns();
	event->number = number;
	event->length = end - data;
	event->ethertype = 0;

	struct ethhdr *eth = data;

	if ((void *)(eth + 1) <= end)
		event->ethertype = ntohs(eth->protocol);

	__u16 captured = 0;

#pragma unroll
	for (int i = 0; i < HEADER_BYTES; i++) {
		__u8 *byte = data + i;
		__u8 value = 0;

		if ((void *)(byte + 1) <= end) {
			value = *byte;
			captured++;
		}
		event->header[i] = value;
	}
	event->captured = captured;
	bpf_ringbuf_submit(event, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
