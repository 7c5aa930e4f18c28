/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the sample extension gives programs: context, helpers, map type, function. */
#ifndef SAMPLE_EXT_H
#define SAMPLE_EXT_H

#include <anybpf/bpf.h>

#ifndef BPF_MAP_TYPE_SAMPLE_HASH_MAP
#define BPF_MAP_TYPE_SAMPLE_HASH_MAP 15
#endif

struct _sample_program_context {
	__u8 *data_start;
	__u8 *data_end;
	__u32 uint32_data;
	__u16 uint16_data;
	__u32 helper_data_1;
	__u32 helper_data_2;
};

static long (*sample_ext_helper_function1)(struct _sample_program_context *ctx) = (void *)0x10000;
static long (*sample_ext_find)(void *buffer, __u32 size, void *find, __u32 find_size) = (void *)0x10001;
static long (*sample_ext_replace)(void *buffer, __u32 size, __s64 position, void *by, __u32 by_size) = (void *)0x10002;
static long (*sample_ext_helper_implicit_1)(void) = (void *)0x10003;
static long (*sample_ext_helper_implicit_2)(__u32 argument) = (void *)0x10004;
static void *(*sample_ext_helper_map_lookup_element)(void *map, const void *key) = (void *)0x10005;
static long (*sample_ext_helper_map_get_value)(void *map, const void *key, void *value, __u32 size) = (void *)0x10006;

extern int sample_ebpf_extension_btf_lookup(__u64 key, void *value, __u32 size) __attribute__((section(".ksyms")));

#endif
