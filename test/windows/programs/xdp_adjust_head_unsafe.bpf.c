/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The packet is looked at again after its head was moved. */
#include <anybpf/bpf.h>
#include <anybpf/net.h>

SEC("xdp")
int xdp_adjust_head_unsafe(struct xdp_md *ctx)
{
	struct ethhdr *eth = ctx->data;

	if ((void *)(eth + 1) > ctx->data_end)
		return XDP_DROP;
	eth->h_proto = 0x0800;
	if (bpf_xdp_adjust_head(ctx, sizeof(struct ethhdr)) < 0)
		return XDP_DROP;
	eth = ctx->data;
	eth->h_proto = 0x0800;
	return XDP_PASS;
}
