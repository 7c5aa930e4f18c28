/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* One C source for Linux, Windows and AnyBPF:
 *
 *   clang -target bpf -O2 -g -I include -DANYBPF_TARGET_LINUX   -c x.bpf.c -o x.linux.bpf.o
 *   clang -target bpf -O2 -g -I include -DANYBPF_TARGET_WINDOWS -c x.bpf.c -o x.windows.bpf.o
 *   clang -target bpf -O2 -g -I include                         -c x.bpf.c -o x.anybpf.bpf.o
 *
 * The first two have all that is declared here of one system; the last only what both have, with Linux's numbers. AnyBPF loads all three.
 * docs/windows.md says what differs. */
#ifndef ANYBPF_BPF_H
#define ANYBPF_BPF_H

#if defined(ANYBPF_TARGET_LINUX) && defined(ANYBPF_TARGET_WINDOWS)
#error "one target: ANYBPF_TARGET_LINUX, ANYBPF_TARGET_WINDOWS, or none for AnyBPF"
#endif

#include "types.h"
#include "endian.h"
#include "contexts.h"
#include "helpers.h"

#define SEC(name) __attribute__((section(name), used))
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* The form of map definitions that loaders read from BTF: a number as the length of an array, a type as a pointer. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value) *name
#define __array(name, value) __typeof__(value) *name[]

#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_EXIST 2
#define LIBBPF_PIN_BY_NAME 1

#ifdef ANYBPF_TARGET_WINDOWS
/* By this section loaders know whose numbers an object has. */
static const char _anybpf_for_windows SEC(".ebpf_for_windows") = 1;
#define ANYBPF_LICENSE(text)
#else
/* Linux asks for it. */
#define ANYBPF_LICENSE(text) static const char _anybpf_license[] SEC("license") = text;
#endif

#endif
