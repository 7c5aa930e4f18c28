/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#include <anybpf/bpf.h>

SEC("bind")
int HelloWorld(struct _bind_md *ctx)
{
	bpf_printk("Hello, world");
	return BIND_PERMIT_SOFT;
}
