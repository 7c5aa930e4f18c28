// A cgroup program gives the length of the packet back.
// Refused: verify/return-value, line 11.
#include "refusal.h"

SEC("cgroup/connect4")
int wrong_return(struct bpf_sock_addr *ctx)
{
	if (ctx->user_port == bpf_htons(80))
		return 1;
	return ctx->user_family;
}
