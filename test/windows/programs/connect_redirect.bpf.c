/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Connections to port 80 go to 127.0.0.2:8080; whoever gets them is told where they were meant to go. */
#include <anybpf/bpf.h>

SEC("cgroup/connect4")
int redirect(struct bpf_sock_addr *ctx)
{
	char words[] = "meant for port 80";

	if (ctx->user_port != bpf_htons(80))
		return ANYBPF_PROCEED;
	bpf_sock_addr_set_redirect_context(ctx, words, sizeof(words));
	ctx->user_ip4 = bpf_htonl(0x7f000002);
	ctx->user_port = bpf_htons(8080);
	return ANYBPF_PROCEED;
}
