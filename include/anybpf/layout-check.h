/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* That the contexts of contexts.h lie as AnyBPF lays them. Made by scripts/headers.mjs of AnyBPF's tables: npm run generate. */
#ifndef ANYBPF_LAYOUT_CHECK_H
#define ANYBPF_LAYOUT_CHECK_H

#ifdef ANYBPF_TARGET_WINDOWS
_Static_assert(sizeof(struct xdp_md) == 32, "struct xdp_md");
_Static_assert(__builtin_offsetof(struct xdp_md, data) == 0, "data");
_Static_assert(__builtin_offsetof(struct xdp_md, data_end) == 8, "data_end");
_Static_assert(__builtin_offsetof(struct xdp_md, data_meta) == 16, "data_meta");
_Static_assert(__builtin_offsetof(struct xdp_md, ingress_ifindex) == 24, "ingress_ifindex");
_Static_assert(sizeof(struct _bind_md) == 56, "struct _bind_md");
_Static_assert(__builtin_offsetof(struct _bind_md, app_id_start) == 0, "app_id_start");
_Static_assert(__builtin_offsetof(struct _bind_md, app_id_end) == 8, "app_id_end");
_Static_assert(__builtin_offsetof(struct _bind_md, process_id) == 16, "process_id");
_Static_assert(__builtin_offsetof(struct _bind_md, socket_address) == 24, "socket_address");
_Static_assert(__builtin_offsetof(struct _bind_md, socket_address_length) == 40, "socket_address_length");
_Static_assert(__builtin_offsetof(struct _bind_md, operation) == 44, "operation");
_Static_assert(__builtin_offsetof(struct _bind_md, protocol) == 48, "protocol");
_Static_assert(sizeof(struct bpf_sock_addr) == 64, "struct bpf_sock_addr");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, family) == 0, "family");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, msg_src_ip4) == 4, "msg_src_ip4");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, msg_src_ip6) == 4, "msg_src_ip6");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, msg_src_port) == 20, "msg_src_port");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, user_ip4) == 24, "user_ip4");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, user_ip6) == 24, "user_ip6");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, user_port) == 40, "user_port");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, protocol) == 44, "protocol");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, compartment_id) == 48, "compartment_id");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, interface_luid) == 56, "interface_luid");
_Static_assert(sizeof(struct bpf_sock_ops) == 64, "struct bpf_sock_ops");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, op) == 0, "op");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, family) == 4, "family");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, local_ip4) == 8, "local_ip4");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, local_ip6) == 8, "local_ip6");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, local_port) == 24, "local_port");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, remote_ip4) == 28, "remote_ip4");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, remote_ip6) == 28, "remote_ip6");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, remote_port) == 44, "remote_port");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, protocol) == 48, "protocol");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, compartment_id) == 52, "compartment_id");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, interface_luid) == 56, "interface_luid");
#else
_Static_assert(sizeof(struct xdp_md) == 24, "struct xdp_md");
_Static_assert(__builtin_offsetof(struct xdp_md, data) == 0, "data");
_Static_assert(__builtin_offsetof(struct xdp_md, data_end) == 4, "data_end");
_Static_assert(__builtin_offsetof(struct xdp_md, data_meta) == 8, "data_meta");
_Static_assert(__builtin_offsetof(struct xdp_md, ingress_ifindex) == 12, "ingress_ifindex");
_Static_assert(__builtin_offsetof(struct xdp_md, rx_queue_index) == 16, "rx_queue_index");
_Static_assert(__builtin_offsetof(struct xdp_md, egress_ifindex) == 20, "egress_ifindex");
_Static_assert(sizeof(struct bpf_sock_addr) == 72, "struct bpf_sock_addr");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, user_family) == 0, "user_family");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, user_ip4) == 4, "user_ip4");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, user_ip6) == 8, "user_ip6");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, user_port) == 24, "user_port");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, family) == 28, "family");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, type) == 32, "type");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, protocol) == 36, "protocol");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, msg_src_ip4) == 40, "msg_src_ip4");
_Static_assert(__builtin_offsetof(struct bpf_sock_addr, msg_src_ip6) == 44, "msg_src_ip6");
_Static_assert(sizeof(struct bpf_sock_ops) == 224, "struct bpf_sock_ops");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, op) == 0, "op");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, family) == 20, "family");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, remote_ip4) == 24, "remote_ip4");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, local_ip4) == 28, "local_ip4");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, remote_ip6) == 32, "remote_ip6");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, local_ip6) == 48, "local_ip6");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, remote_port) == 64, "remote_port");
_Static_assert(__builtin_offsetof(struct bpf_sock_ops, local_port) == 68, "local_port");
#endif

#endif
