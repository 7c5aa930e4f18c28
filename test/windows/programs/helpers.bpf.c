/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A helper with nothing for its arguments. */
#include <anybpf/bpf.h>

SEC("xdp")
int func(struct xdp_md *ctx)
{
    int result = bpf_map_update_elem((void*)0, (uint32_t*)0, (uint32_t*)0, 0);
    return result;
}
