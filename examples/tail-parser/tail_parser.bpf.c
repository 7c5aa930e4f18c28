/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Takes packets apart with one program a layer, each tail-calling the next through a program array. What cannot be
 * parsed is dropped; the rest passes and is counted in `flows`. */
#include "../include/net.h"

enum layer { LAYER_VLAN, LAYER_IP4, LAYER_IP6, LAYER_TRANSPORT, LAYERS };

int parse_vlan(struct xdp_md *ctx);
int parse_ip4(struct xdp_md *ctx);
int parse_ip6(struct xdp_md *ctx);
int parse_transport(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, LAYERS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct xdp_md *ctx));
} layers SEC(".maps") = {
	.values = {
		[LAYER_VLAN] = &parse_vlan,
		[LAYER_IP4] = &parse_ip4,
		[LAYER_IP6] = &parse_ip6,
		[LAYER_TRANSPORT] = &parse_transport,
	},
};

/* What a packet is counted under. */
struct flow {
	/* 0 for none. */
	__u16 vlan;
	/* 4 or 6; 0 for other than IP. */
	__u8 ip_version;
	__u8 protocol;
	/* TCP and UDP, host byte order. */
	__u16 destination_port;
	__u16 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow);
	__type(value, __u64);
} flows SEC(".maps");

/* Handed from program to program; each CPU has one packet at a time. */
struct progress {
	struct flow flow;
	/* Where the next header begins. */
	__u32 offset;
	__u32 vlan_depth;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct progress);
} scratch SEC(".maps");

#define MAX_VLAN_DEPTH 2
#define MAX_OFFSET 128

static __always_inline struct progress *progress_of_packet(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline int finish(struct progress *progress)
{
	struct flow flow = progress->flow;
	__u64 *known = bpf_map_lookup_elem(&flows, &flow);

	if (known) {
		__sync_fetch_and_add(known, 1);
	} else {
		__u64 one = 1;

		bpf_map_update_elem(&flows, &flow, &one, BPF_NOEXIST);
	}
	return XDP_PASS;
}

/* Goes on with the layer that the EtherType names. */
static __always_inline int next_layer(struct xdp_md *ctx, struct progress *progress, __u16 protocol)
{
	switch (protocol) {
	case htons(ETH_P_8021Q):
	case htons(ETH_P_8021AD):
		bpf_tail_call(ctx, &layers, LAYER_VLAN);
		break;
	case htons(ETH_P_IP):
		bpf_tail_call(ctx, &layers, LAYER_IP4);
		break;
	case htons(ETH_P_IPV6):
		bpf_tail_call(ctx, &layers, LAYER_IP6);
		break;
	default:
		return finish(progress);
	}
	/* Only where the tail call failed. */
	return XDP_ABORTED;
}

SEC("xdp")
int parse_ethernet(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct progress *progress = progress_of_packet();

	if (!progress || (void *)(eth + 1) > end)
		return XDP_DROP;
	*progress = (struct progress){ .offset = sizeof(*eth) };
	return next_layer(ctx, progress, eth->protocol);
}

SEC("xdp")
int parse_vlan(struct xdp_md *ctx)
{
	struct progress *progress = progress_of_packet();

	if (!progress || progress->offset > MAX_OFFSET || progress->vlan_depth >= MAX_VLAN_DEPTH)
		return XDP_DROP;

	struct vlanhdr *vlan = (void *)(long)ctx->data + progress->offset;

	if ((void *)(vlan + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	progress->flow.vlan = ntohs(vlan->tag) & 0x0fff;
	progress->offset += sizeof(*vlan);
	progress->vlan_depth++;
	return next_layer(ctx, progress, vlan->protocol);
}

static __always_inline int next_transport(struct xdp_md *ctx, struct progress *progress)
{
	if (progress->flow.protocol != IPPROTO_TCP && progress->flow.protocol != IPPROTO_UDP)
		return finish(progress);
	bpf_tail_call(ctx, &layers, LAYER_TRANSPORT);
	return XDP_ABORTED;
}

SEC("xdp")
int parse_ip4(struct xdp_md *ctx)
{
	struct progress *progress = progress_of_packet();

	if (!progress || progress->offset > MAX_OFFSET)
		return XDP_DROP;

	struct iphdr *ip = (void *)(long)ctx->data + progress->offset;

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end || IP_HEADER_BYTES(ip) < sizeof(*ip))
		return XDP_DROP;
	progress->flow.ip_version = 4;
	progress->flow.protocol = ip->protocol;
	progress->offset += IP_HEADER_BYTES(ip);
	if (IP_LATER_FRAGMENT(ip))
		return finish(progress);
	return next_transport(ctx, progress);
}

SEC("xdp")
int parse_ip6(struct xdp_md *ctx)
{
	struct progress *progress = progress_of_packet();

	if (!progress || progress->offset > MAX_OFFSET)
		return XDP_DROP;

	struct ipv6hdr *ip = (void *)(long)ctx->data + progress->offset;

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	progress->flow.ip_version = 6;
	progress->flow.protocol = ip->next_header;
	progress->offset += sizeof(*ip);
	return next_transport(ctx, progress);
}

SEC("xdp")
int parse_transport(struct xdp_md *ctx)
{
	struct progress *progress = progress_of_packet();

	if (!progress || progress->offset > MAX_OFFSET)
		return XDP_DROP;

	struct ports *ports = (void *)(long)ctx->data + progress->offset;

	if ((void *)(ports + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	progress->flow.destination_port = ntohs(ports->destination);
	return finish(progress);
}

char _license[] SEC("license") = "Dual MIT/GPL";
