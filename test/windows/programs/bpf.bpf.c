/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A program of no type: its section says none. */
#include <anybpf/bpf.h>

int func(void *ctx)
{
	return 0;
}
