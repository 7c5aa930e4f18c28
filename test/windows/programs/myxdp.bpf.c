/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#include <anybpf/bpf.h>

SEC("xdp")
int my_xdp_parser(struct xdp_md *ctx)
{
    int length = (char *)ctx->data_end - (char *)ctx->data;

    return length > 1 ? XDP_PASS : XDP_DROP;
}
