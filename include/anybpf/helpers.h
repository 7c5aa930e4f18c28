/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Helpers by name. Their numbers are those of the target (numbers.h). Without a target of one system only those are declared that both
 * systems have: what compiles so compiles for all. */
#ifndef ANYBPF_HELPERS_H
#define ANYBPF_HELPERS_H

#include "contexts.h"
#include "numbers.h"

#define ANYBPF_HELPER(name) ((void *)BPF_FUNC_##name)

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = ANYBPF_HELPER(map_lookup_elem);
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value,
				   __u64 flags) = ANYBPF_HELPER(map_update_elem);
static long (*bpf_map_delete_elem)(void *map, const void *key) = ANYBPF_HELPER(map_delete_elem);
static long (*bpf_map_push_elem)(void *map, const void *value, __u64 flags) = ANYBPF_HELPER(map_push_elem);
static long (*bpf_map_pop_elem)(void *map, void *value) = ANYBPF_HELPER(map_pop_elem);
static long (*bpf_map_peek_elem)(void *map, void *value) = ANYBPF_HELPER(map_peek_elem);
static long (*bpf_tail_call)(void *ctx, void *prog_array, __u32 index) = ANYBPF_HELPER(tail_call);
static __u32 (*bpf_get_prandom_u32)(void) = ANYBPF_HELPER(get_prandom_u32);
static __u32 (*bpf_get_smp_processor_id)(void) = ANYBPF_HELPER(get_smp_processor_id);
static __u64 (*bpf_ktime_get_ns)(void) = ANYBPF_HELPER(ktime_get_ns);
static __u64 (*bpf_ktime_get_boot_ns)(void) = ANYBPF_HELPER(ktime_get_boot_ns);
static __s64 (*bpf_csum_diff)(void *from, __u32 from_size, void *to, __u32 to_size,
			      __u32 seed) = ANYBPF_HELPER(csum_diff);
static long (*bpf_ringbuf_output)(void *ringbuf, void *data, __u64 size, __u64 flags) = ANYBPF_HELPER(ringbuf_output);
static long (*bpf_perf_event_output)(void *ctx, void *map, __u64 flags, void *data,
				     __u64 size) = ANYBPF_HELPER(perf_event_output);
/* Windows has it only where the program type supplies it: sock_addr. */
static __u64 (*bpf_get_socket_cookie)(void *ctx) = ANYBPF_HELPER(get_socket_cookie);

/* Process id in the upper half, thread id in the lower. Windows' programs give their context. */
#ifdef ANYBPF_TARGET_WINDOWS
static __u64 (*_anybpf_pid_tgid)(void *ctx) = ANYBPF_HELPER(get_current_pid_tgid);
#define ANYBPF_PID_TGID(ctx) _anybpf_pid_tgid(ctx)
#else
static __u64 (*_anybpf_pid_tgid)(void) = ANYBPF_HELPER(get_current_pid_tgid);
#define ANYBPF_PID_TGID(ctx) _anybpf_pid_tgid()
#endif

/* bpf_printk(format, up to three numbers). */
#ifdef ANYBPF_TARGET_WINDOWS
static long (*bpf_trace_printk2)(const char *format, __u32 size) = ANYBPF_HELPER(trace_printk2);
static long (*bpf_trace_printk3)(const char *format, __u32 size, __u64 a) = ANYBPF_HELPER(trace_printk3);
static long (*bpf_trace_printk4)(const char *format, __u32 size, __u64 a, __u64 b) = ANYBPF_HELPER(trace_printk4);
static long (*bpf_trace_printk5)(const char *format, __u32 size, __u64 a, __u64 b,
				 __u64 c) = ANYBPF_HELPER(trace_printk5);
#define _ANYBPF_PRINTK2(format, size) bpf_trace_printk2(format, size)
#define _ANYBPF_PRINTK3(format, size, a) bpf_trace_printk3(format, size, (__u64)(a))
#define _ANYBPF_PRINTK4(format, size, a, b) bpf_trace_printk4(format, size, (__u64)(a), (__u64)(b))
#define _ANYBPF_PRINTK5(format, size, a, b, c) bpf_trace_printk5(format, size, (__u64)(a), (__u64)(b), (__u64)(c))
#define _ANYBPF_NTH(_0, _1, _2, _3, _4, which, ...) which
#define _ANYBPF_PRINTK(...)                                                                                            \
	_ANYBPF_NTH(__VA_ARGS__, _ANYBPF_PRINTK5, _ANYBPF_PRINTK4, _ANYBPF_PRINTK3, _ANYBPF_PRINTK2, )(__VA_ARGS__)
#else
static long (*bpf_trace_printk)(const char *format, __u32 size, ...) = ANYBPF_HELPER(trace_printk);
#define _ANYBPF_PRINTK(...) bpf_trace_printk(__VA_ARGS__)
#endif

/* The format lies on the stack: neither system needs a map for it then. */
#define bpf_printk(format, ...)                                                                                        \
	({                                                                                                             \
		char _format[] = format;                                                                               \
		_ANYBPF_PRINTK(_format, sizeof(_format), ##__VA_ARGS__);                                               \
	})

#ifdef ANYBPF_TARGET_WINDOWS
static long (*bpf_xdp_adjust_head)(void *ctx, int delta) = ANYBPF_HELPER(xdp_adjust_head);
static __u64 (*bpf_get_current_logon_id)(const void *ctx) = ANYBPF_HELPER(get_current_logon_id);
static int (*bpf_is_current_admin)(const void *ctx) = ANYBPF_HELPER(is_current_admin);
static int (*bpf_memcpy_s)(void *to, __u64 room, const void *from, __u64 size) = ANYBPF_HELPER(memcpy_s);
static int (*bpf_memcmp_s)(const void *a, __u64 a_size, const void *b, __u64 b_size) = ANYBPF_HELPER(memcmp_s);
static __u64 (*bpf_memset)(void *to, __u64 size, int value) = ANYBPF_HELPER(memset);
static int (*bpf_memmove_s)(void *to, __u64 room, const void *from, __u64 size) = ANYBPF_HELPER(memmove_s);
static int (*bpf_strncpy_s)(char *to, __u64 room, const char *from, __u64 count) = ANYBPF_HELPER(strncpy_s);
static int (*bpf_strncat_s)(char *to, __u64 room, const char *from, __u64 count) = ANYBPF_HELPER(strncat_s);
static __u64 (*bpf_strnlen_s)(const char *text, __u64 size) = ANYBPF_HELPER(strnlen_s);
static __u64 (*bpf_ktime_get_boot_ms)(void) = ANYBPF_HELPER(ktime_get_boot_ms);
static __u64 (*bpf_ktime_get_ms)(void) = ANYBPF_HELPER(ktime_get_ms);
static __u64 (*bpf_get_current_process_start_key)(void) = ANYBPF_HELPER(get_current_process_start_key);
static __s64 (*bpf_get_current_thread_create_time)(void) = ANYBPF_HELPER(get_current_thread_create_time);
static void *(*bpf_map_lookup_and_delete_elem)(void *map, const void *key) = ANYBPF_HELPER(map_lookup_and_delete_elem);
static int (*bpf_sock_addr_set_redirect_context)(void *ctx, void *data,
						 __u32 size) = ANYBPF_HELPER(sock_addr_set_redirect_context);
static int (*bpf_sock_addr_get_network_context)(void *ctx, void *to,
						 __u32 size) = ANYBPF_HELPER(sock_addr_get_network_context);
static __u64 (*bpf_sock_ops_get_flow_id)(void *ctx) = ANYBPF_HELPER(sock_ops_get_flow_id);
static long (*bpf_redirect_map)(void *map, __u64 key, __u64 flags) = ANYBPF_HELPER(redirect_map);
#endif
#ifdef ANYBPF_TARGET_LINUX
static long (*bpf_xdp_adjust_head)(void *ctx, int delta) = ANYBPF_HELPER(xdp_adjust_head);
static void *(*bpf_ringbuf_reserve)(void *ringbuf, __u64 size, __u64 flags) = ANYBPF_HELPER(ringbuf_reserve);
static void (*bpf_ringbuf_submit)(void *data, __u64 flags) = ANYBPF_HELPER(ringbuf_submit);
static void (*bpf_ringbuf_discard)(void *data, __u64 flags) = ANYBPF_HELPER(ringbuf_discard);
static long (*bpf_redirect_map)(void *map, __u64 key, __u64 flags) = ANYBPF_HELPER(redirect_map);
#endif

#endif
