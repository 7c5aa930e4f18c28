/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Network byte order, on a little-endian machine: what -target bpf (bpfel) compiles for. */
#ifndef ANYBPF_ENDIAN_H
#define ANYBPF_ENDIAN_H

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "only little-endian targets"
#endif

#define bpf_htons(value) ((__u16)__builtin_bswap16((__u16)(value)))
#define bpf_ntohs(value) ((__u16)__builtin_bswap16((__u16)(value)))
#define bpf_htonl(value) ((__u32)__builtin_bswap32((__u32)(value)))
#define bpf_ntohl(value) ((__u32)__builtin_bswap32((__u32)(value)))

#endif
