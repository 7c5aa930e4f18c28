/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A load balancer with direct return, as Katran's: service by hash, backend by a consistent hash of the flow, new MAC addresses,
 * class and TTL with the checksum kept. What it changes leaves the packet's flow as it was, so the packet can come again. */
#include "bench.h"

#define RING_ENTRIES 16381
#define BACKENDS 64

struct service_key {
	__u8 address[4];
	__u16 port;
	__u8 protocol;
	__u8 zero;
};

struct service {
	__u32 number;
	__u32 flags;
};

struct backend {
	__u8 mac[6];
	__u8 tos;
	__u8 zero;
};

struct tally {
	__u64 packets;
	__u64 bytes;
};

HASH_MAP(services, struct service_key, struct service, 512);
ARRAY_MAP(ring, __u32, RING_ENTRIES);
ARRAY_MAP(backends, struct backend, BACKENDS);
ARRAY_MAP(tallies, struct tally, BACKENDS);

/* Bob Jenkins' lookup3 over three words, as Linux' jhash_3words. */
static __always_inline __u32 jhash(__u32 a, __u32 b, __u32 c, __u32 seed)
{
	seed += 0xdeadbeef + (3 << 2);
	a += seed;
	b += seed;
	c += seed;
	c ^= b; c -= rotl32(b, 14);
	a ^= c; a -= rotl32(c, 11);
	b ^= a; b -= rotl32(a, 25);
	c ^= b; c -= rotl32(b, 16);
	a ^= c; a -= rotl32(c, 4);
	b ^= a; b -= rotl32(a, 14);
	c ^= b; c -= rotl32(b, 24);
	return c;
}

/* RFC 1624: the checksum after a word of what it covers has changed. */
static __always_inline __u16 resummed(__u16 checksum, __u16 before, __u16 after)
{
	__u32 sum = (__u16)~checksum + (__u16)~before + after;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

SEC("xdp")
int program(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = ipv4(data, end);

	if (!ip || ip->version_length != 0x45)
		return XDP_PASS;

	struct ports *ports = (void *)(ip + 1);

	if ((void *)(ports + 1) > end)
		return XDP_PASS;

	struct service_key key = { .port = ports->destination, .protocol = ip->protocol };

	__builtin_memcpy(key.address, ip->destination, 4);

	struct service *service = LOOKUP(services, &key);

	if (!service)
		return XDP_PASS;

	__u32 both = (__u32)ports->source << 16 | ports->destination;
	__u32 flow = jhash(word(ip->source), word(ip->destination), both, service->number);
	__u32 slot = jhash(flow, service->flags, ip->protocol, 0) % RING_ENTRIES;
	__u32 *number = LOOKUP(ring, &slot);

	if (!number)
		return XDP_DROP;

	struct backend *backend = LOOKUP(backends, number);
	struct tally *tally = LOOKUP(tallies, number);

	if (!backend || !tally)
		return XDP_DROP;

	__u16 before = *(__u16 *)ip;

	ip->tos = backend->tos;
	ip->checksum = resummed(ip->checksum, before, *(__u16 *)ip);
	before = *(__u16 *)&ip->ttl;
	ip->ttl--;
	ip->checksum = resummed(ip->checksum, before, *(__u16 *)&ip->ttl);
	__builtin_memcpy(eth->source, eth->destination, 6);
	__builtin_memcpy(eth->destination, backend->mac, 6);
	__sync_fetch_and_add(&tally->packets, 1);
	__sync_fetch_and_add(&tally->bytes, end - data);
	return XDP_TX;
}
