/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* One source for BPF and for native code: maps by macro. For BPF they are what loaders read; native.h gives them bodies that the
 * compiler can inline. */
#ifndef ANYBPF_BENCH_H
#define ANYBPF_BENCH_H

#include "../../examples/include/net.h"

#define PACKETS 64

#ifdef __bpf__

#define BPF_MAP(name, kind, key_type, value_type, entries, flags) \
	struct { \
		__uint(type, kind); \
		__uint(max_entries, entries); \
		__uint(map_flags, flags); \
		__type(key, key_type); \
		__type(value, value_type); \
	} name SEC(".maps")
#define HASH_MAP(name, key, value, entries) BPF_MAP(name, BPF_MAP_TYPE_HASH, key, value, entries, 0)
#define ARRAY_MAP(name, value, entries) BPF_MAP(name, BPF_MAP_TYPE_ARRAY, __u32, value, entries, 0)
#define LPM_MAP(name, key, value, entries) \
	BPF_MAP(name, BPF_MAP_TYPE_LPM_TRIE, key, value, entries, BPF_F_NO_PREALLOC)
#define RING(name, bytes) \
	struct { \
		__uint(type, BPF_MAP_TYPE_RINGBUF); \
		__uint(max_entries, bytes); \
	} name SEC(".maps")

#define LOOKUP(name, key) bpf_map_lookup_elem(&name, key)
/* 0 where the element could be put. */
#define UPDATE(name, key, value) bpf_map_update_elem(&name, key, value, 0)
/* Nobody waits for records, so nobody is woken. */
#define NO_WAKEUP 1
#define RESERVE(name, size) bpf_ringbuf_reserve(&name, size, 0)
#define SUBMIT(name, record) bpf_ringbuf_submit(record, NO_WAKEUP)

char _license[] SEC("license") = "Dual MIT/GPL";

#else
#include "native.h"
#endif

#define rotl32(value, by) ((value) << (by) | (value) >> (32 - (by)))
#define rotl64(value, by) ((value) << (by) | (value) >> (64 - (by)))

/* IPv4 behind Ethernet and at most one VLAN tag; NULL where there is none. */
static __always_inline struct iphdr *ipv4(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct vlanhdr *vlan = (void *)(eth + 1);
	struct iphdr *ip = (void *)vlan;
	__u16 protocol;

	if ((void *)(vlan + 1) > end)
		return 0;
	protocol = eth->protocol;
	if (protocol == htons(ETH_P_8021Q)) {
		protocol = vlan->protocol;
		ip = (void *)(vlan + 1);
	}
	return protocol == htons(ETH_P_IP) && (void *)(ip + 1) <= end ? ip : 0;
}

static __always_inline __u32 word(const __u8 *bytes)
{
	return *(const __u32 *)bytes;
}

#endif
