/* SPDX-License-Identifier: MIT OR GPL-2.0-only */






















/* As droppacket, but nobody looks how long the packet is. */
#include <anybpf/bpf.h>
#include <anybpf/net.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} port_map SEC(".maps");

SEC("xdp")
int DropPacket(struct xdp_md *ctx)
{
    int rc = XDP_PASS;
    struct iphdr *ip = ctx->data;
    struct udphdr *udp = (struct udphdr *)(ip + 1);

    if (ip->protocol == IPPROTO_UDP) {
        if (bpf_ntohs(udp->len) <= sizeof(struct udphdr)) {
            __u32 first = 0;
            __u64 *count = bpf_map_lookup_elem(&port_map, &first);
            if (count)
                *count += 1;
            rc = XDP_DROP;
        }
    }
    return rc;
}
