/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What programs are given, and the numbers that they answer with. Fields that both systems have, have one name; where they lie differs.
 * layout-check.h holds the offsets to AnyBPF's tables. */
#ifndef ANYBPF_CONTEXTS_H
#define ANYBPF_CONTEXTS_H

#include "types.h"

#define BPF_AF_INET 2

#ifdef ANYBPF_TARGET_WINDOWS

#define BPF_AF_INET6 23

enum xdp_action { XDP_PASS = 1, XDP_DROP, XDP_TX };

/* Pointers have 64 bits here, so that (void *)(long)ctx->data is right on both systems. */
struct xdp_md {
	void *data;
	void *data_end;
	__u64 data_meta;
	__u32 ingress_ifindex;
};

enum bind_operation { BIND_OPERATION_BIND, BIND_OPERATION_POST_BIND, BIND_OPERATION_UNBIND };
enum bind_action { BIND_PERMIT_SOFT, BIND_DENY, BIND_REDIRECT, BIND_PERMIT_HARD };

/* Section bind: an address that a socket is bound to or released from, and the path of the application. */
struct _bind_md {
	__u8 *app_id_start;
	__u8 *app_id_end;
	__u64 process_id;
	__u8 socket_address[16];
	__u8 socket_address_length;
	__u32 operation;
	__u8 protocol;
};
typedef struct _bind_md bind_md_t;

struct bpf_sock_addr {
	__u32 family;
	union {
		__u32 msg_src_ip4;
		__u32 msg_src_ip6[4];
	};
	__u16 msg_src_port;
	union {
		__u32 user_ip4;
		__u32 user_ip6[4];
	};
	__u16 user_port;
	__u32 protocol;
	__u32 compartment_id;
	__u64 interface_luid;
};

enum {
	BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB,
	BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB,
	BPF_SOCK_OPS_CONNECTION_DELETED_CB,
};

struct bpf_sock_ops {
	__u32 op;
	__u32 family;
	union {
		__u32 local_ip4;
		__u32 local_ip6[4];
	};
	__u32 local_port;
	union {
		__u32 remote_ip4;
		__u32 remote_ip6[4];
	};
	__u32 remote_port;
	__u8 protocol;
	__u32 compartment_id;
	__u64 interface_luid;
};

/* Verdicts of cgroup/connect*, cgroup/bind* and the like. */
#define ANYBPF_REJECT 0
#define ANYBPF_PROCEED 1
#define BPF_SOCK_ADDR_VERDICT_PROCEED_HARD 2
/* Of sockops: nothing went wrong. */
#define ANYBPF_SOCK_OPS_OK 0

/* Ports in host byte order. */
#define ANYBPF_LOCAL_PORT(ctx) bpf_ntohs((ctx)->local_port)
#define ANYBPF_REMOTE_PORT(ctx) bpf_ntohs((ctx)->remote_port)

#else

#define BPF_AF_INET6 10

enum xdp_action { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};

struct bpf_sock_addr {
	__u32 user_family;
	__u32 user_ip4;
	__u32 user_ip6[4];
	__u32 user_port;
	__u32 family;
	__u32 type;
	__u32 protocol;
	__u32 msg_src_ip4;
	__u32 msg_src_ip6[4];
	__u64 sk;
};

enum { BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB = 4, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB = 5 };

/* All of it up to the ports; its counters are not what both systems have. */
struct bpf_sock_ops {
	__u32 op;
	__u32 args[4];
	__u32 family;
	__u32 remote_ip4;
	__u32 local_ip4;
	__u32 remote_ip6[4];
	__u32 local_ip6[4];
	__u32 remote_port;
	__u32 local_port;
	__u8 counters[152];
};

#define ANYBPF_REJECT 0
#define ANYBPF_PROCEED 1
#define ANYBPF_SOCK_OPS_OK 1

/* Linux has the local port in host byte order, and the other in the lower half of its word. */
#define ANYBPF_LOCAL_PORT(ctx) ((__u16)(ctx)->local_port)
#define ANYBPF_REMOTE_PORT(ctx) ((__u16)__builtin_bswap32((ctx)->remote_port))

#endif

#include "layout-check.h"

#endif
