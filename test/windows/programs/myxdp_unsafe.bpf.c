/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The context is declared as another, longer one. */
#include <anybpf/bpf.h>

struct wrong_md {
	uint64_t more;
	uint64_t stuff;
	uint64_t here;
	void *data;
	void *data_end;
	uint64_t data_meta;
};

SEC("xdp")
int my_xdp_parser(struct wrong_md *ctx)
{
    int length = (char *)ctx->data_end - (char *)ctx->data;

    return length > 1 ? XDP_PASS : XDP_DROP;
}
