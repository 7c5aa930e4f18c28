/* SPDX-License-Identifier: MIT OR GPL-2.0-only */














/* An address is no number for a person. */
#include <anybpf/bpf.h>

SEC("bind")
int func(struct _bind_md *ctx)
{
    bpf_printk("ctx: %u", (uint64_t)ctx);
    return BIND_PERMIT_SOFT;
}
