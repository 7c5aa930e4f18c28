/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Some ports are refused, some moved; the answers are those of functions. */
#include <anybpf/bpf.h>

__attribute__((noinline)) static int is_denied(__u64 process)
{
	return process == 666;
}

__attribute__((noinline)) static int is_moved(__u64 process)
{
	return process == 777;
}

SEC("bind")
int BindMonitor_Caller(struct _bind_md *ctx)
{
	if (is_denied(ctx->process_id))
		return BIND_DENY;
	return is_moved(ctx->process_id) ? BIND_REDIRECT : BIND_PERMIT_SOFT;
}
