/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Maps for the native builds: static tables with constant sizes, lookups that inline. Hash: open addressing, half full at most.
 * LPM: one node a bit. Each map NAME exports NAME_update(key, value), each ring NAME_drain(). */
#ifndef ANYBPF_BENCH_NATIVE_H
#define ANYBPF_BENCH_NATIVE_H

#define PASTE(a, b) a##b

static __always_inline __u32 hash_bytes(const void *bytes, unsigned long size)
{
	const __u8 *at = bytes;
	__u64 hash = 0;
	__u32 part;

	/* Keys are whole words. */
	for (unsigned long i = 0; i < size; i += 4) {
		__builtin_memcpy(&part, at + i, 4);
		hash = (hash ^ part) * 0x9e3779b97f4a7c15ull;
	}
	return hash >> 32;
}

/* The power of two that is twice the entries or more. */
#define HASH_SLOTS(entries) (2u << (32 - __builtin_clz((entries)-1)))

#define HASH_MAP(name, key_type, value_type, entries) \
	static struct { \
		__u32 used; \
		key_type key; \
		value_type value; \
	} PASTE(name, _slots)[HASH_SLOTS(entries)]; \
	static __always_inline value_type *PASTE(name, _find)(const key_type *key) \
	{ \
		__u32 at = hash_bytes(key, sizeof(*key)) & (HASH_SLOTS(entries) - 1); \
		for (; PASTE(name, _slots)[at].used; at = (at + 1) & (HASH_SLOTS(entries) - 1)) \
			if (__builtin_memcmp(&PASTE(name, _slots)[at].key, key, sizeof(*key)) == 0) \
				return &PASTE(name, _slots)[at].value; \
		return 0; \
	} \
	void PASTE(name, _update)(const key_type *key, const value_type *value) \
	{ \
		__u32 at = hash_bytes(key, sizeof(*key)) & (HASH_SLOTS(entries) - 1); \
		while (PASTE(name, _slots)[at].used && __builtin_memcmp(&PASTE(name, _slots)[at].key, key, sizeof(*key))) \
			at = (at + 1) & (HASH_SLOTS(entries) - 1); \
		PASTE(name, _slots)[at].used = 1; \
		__builtin_memcpy(&PASTE(name, _slots)[at].key, key, sizeof(*key)); \
		__builtin_memcpy(&PASTE(name, _slots)[at].value, value, sizeof(*value)); \
	} \
	_Static_assert(sizeof(key_type) % 4 == 0, "whole words")

#define ARRAY_MAP(name, value_type, entries) \
	static value_type PASTE(name, _values)[entries]; \
	static __always_inline value_type *PASTE(name, _find)(const __u32 *index) \
	{ \
		return *index < (entries) ? &PASTE(name, _values)[*index] : 0; \
	} \
	void PASTE(name, _update)(const __u32 *index, const value_type *value) \
	{ \
		__builtin_memcpy(&PASTE(name, _values)[*index], value, sizeof(*value)); \
	} \
	_Static_assert((entries) > 0, "not empty")

/* The key begins with a u32 length of the prefix in bits; node 0 is the root, child 0 is none. */
#define LPM_MAP(name, key_type, value_type, entries) \
	static struct { \
		__u32 child[2]; \
		__u32 used; \
		value_type value; \
	} PASTE(name, _nodes)[8 * (sizeof(key_type) - 4) * (entries)]; \
	static __u32 PASTE(name, _count) = 1; \
	static __always_inline value_type *PASTE(name, _find)(const key_type *key) \
	{ \
		const __u32 *length = (const void *)key; \
		const __u8 *bits = (const void *)(length + 1); \
		value_type *found = 0; \
		__u32 node = 0; \
		for (__u32 i = 0;; i++) { \
			if (PASTE(name, _nodes)[node].used) \
				found = &PASTE(name, _nodes)[node].value; \
			if (i == *length) \
				return found; \
			node = PASTE(name, _nodes)[node].child[bits[i / 8] >> (7 - i % 8) & 1]; \
			if (node == 0) \
				return found; \
		} \
	} \
	void PASTE(name, _update)(const key_type *key, const value_type *value) \
	{ \
		const __u32 *length = (const void *)key; \
		const __u8 *bits = (const void *)(length + 1); \
		__u32 node = 0; \
		for (__u32 i = 0; i < *length; i++) { \
			__u32 *child = &PASTE(name, _nodes)[node].child[bits[i / 8] >> (7 - i % 8) & 1]; \
			if (*child == 0) \
				*child = PASTE(name, _count)++; \
			node = *child; \
		} \
		PASTE(name, _nodes)[node].used = 1; \
		__builtin_memcpy(&PASTE(name, _nodes)[node].value, value, sizeof(*value)); \
	} \
	_Static_assert((entries) > 0, "not empty")

/* Records lie one behind the other with the kernel's header of 8 bytes; all of one size that divides nothing, so the end of the
 * buffer is given away. */
#define RING(name, bytes) \
	static struct { \
		__u64 producer; \
		__u64 consumer; \
		__u8 data[(bytes) + 4096]; \
	} name; \
	static __always_inline void *PASTE(name, _reserve)(__u64 size) \
	{ \
		__u64 at = name.producer; \
		if (at - name.consumer + size + 8 > (bytes)) \
			return 0; \
		name.producer = at + size + 8; \
		*(__u64 *)&name.data[at & ((bytes)-1)] = size | 1ull << 31; \
		return &name.data[(at & ((bytes)-1)) + 8]; \
	} \
	void PASTE(name, _drain)(void) { name.consumer = name.producer; } \
	_Static_assert(((bytes) & ((bytes)-1)) == 0, "a power of two")

#define LOOKUP(name, key) PASTE(name, _find)(key)
#define UPDATE(name, key, value) (PASTE(name, _update)(key, value), 0)
#define RESERVE(name, size) PASTE(name, _reserve)(size)
#define SUBMIT(name, record) __atomic_store_n((__u32 *)((__u8 *)(record)-8), (__u32)sizeof(*record), __ATOMIC_RELEASE)

#endif
