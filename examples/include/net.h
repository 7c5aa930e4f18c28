/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Packet headers as they are on the wire, all fields in network byte order. */
#ifndef ANYBPF_EXAMPLES_NET_H
#define ANYBPF_EXAMPLES_NET_H

#include "bpf.h"

#define htons(value) __builtin_bswap16(value)
#define ntohs(value) __builtin_bswap16(value)

#define ETH_P_IP 0x0800
#define ETH_P_8021Q 0x8100
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021AD 0x88a8

#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_ICMPV6 58

struct ethhdr {
	__u8 destination[6];
	__u8 source[6];
	__u16 protocol;
};

struct vlanhdr {
	__u16 tag;
	__u16 protocol;
};

struct iphdr {
	__u8 version_length;
	__u8 tos;
	__u16 total_length;
	__u16 id;
	__u16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__u8 source[4];
	__u8 destination[4];
};

struct ipv6hdr {
	__u32 version_class_label;
	__u16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
};

/* The first four bytes of TCP and of UDP alike. */
struct ports {
	__u16 source;
	__u16 destination;
};

/* Bytes of an IPv4 header with its options. */
#define IP_HEADER_BYTES(ip) (((ip)->version_length & 0x0f) * 4)
/* Later fragments carry no transport header. */
#define IP_LATER_FRAGMENT(ip) ((ip)->fragment & htons(0x1fff))

#endif
