/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Half of an address is no address. */
#include <anybpf/bpf.h>
#include <anybpf/net.h>

SEC("xdp")
int unsafe_program(struct xdp_md *ctx)
{
	char *data;

	asm volatile("%0 = *(u32 *)(%1 + 0)" : "=r"(data) : "r"(ctx));
	if (data + sizeof(struct ethhdr) > (char *)ctx->data_end)
		return XDP_PASS;
	return data[12] == 8 ? XDP_PASS : XDP_DROP;
}
