/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Many lookups a run of keys in random order, so that a large map does not stay in the cache: -DKIND_hash, KIND_lpm4 or KIND_lpm6,
 * or none for what the loop itself takes; -DENTRIES=n. inputs.mjs (lookupEntries) makes what the maps hold. */
#include "bench.h"

#define LOOKUPS 64

/* MurmurHash3's finalizer: different for different numbers. */
static __always_inline __u32 mixed(__u32 number)
{
	number ^= number >> 16;
	number *= 0x85ebca6b;
	number ^= number >> 13;
	number *= 0xc2b2ae35;
	return number ^ number >> 16;
}

#if defined(KIND_hash)
struct key {
	__u32 flow;
	__u32 number;
};
HASH_MAP(entries, struct key, __u64, ENTRIES);
#define KEY(n) { .flow = mixed(n), .number = n }
#elif defined(KIND_lpm4)
struct key {
	__u32 bits;
	__u32 address;
};
LPM_MAP(entries, struct key, __u64, ENTRIES);
#define KEY(n) { .bits = 32, .address = mixed(n) }
#elif defined(KIND_lpm6)
struct key {
	__u32 bits;
	__u32 address[4];
};
LPM_MAP(entries, struct key, __u64, ENTRIES);
/* Four in one /32. */
#define KEY(n) { .bits = 128, .address = { __builtin_bswap32(0x20000000 | mixed((n) / 4) >> 8), mixed(~(n)), n, n } }
#endif

__u32 state;

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u32 random = state ? state : 2463534242;
	__u32 sum = 0;

	(void)ctx;
#pragma clang loop unroll(disable)
	for (int i = 0; i < LOOKUPS; i++) {
		/* Marsaglia's xorshift. */
		random ^= random << 13;
		random ^= random >> 17;
		random ^= random << 5;

		__u32 number = (__u64)random * ENTRIES >> 32;
#ifdef KEY
		struct key key = KEY(number);
		__u64 *found = LOOKUP(entries, &key);

		if (found)
			sum += *found;
#else
		sum += mixed(number);
#endif
	}
	state = random;
	return sum;
}
