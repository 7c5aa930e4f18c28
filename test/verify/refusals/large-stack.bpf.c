// Two functions whose buffers do not fit on the stack together.
// Refused: verify/stack-limit, line 16.
#include "refusal.h"

static __attribute__((noinline)) int fill(struct __sk_buff *skb, char *into)
{
	char own[300];

	if (bpf_skb_load_bytes(skb, 0, own, sizeof(own)))
		return 0;
	into[0] = own[0];
	return own[299];
}

SEC("tc")
int large_stack(struct __sk_buff *skb)
{
	char name[300] = {};

	return fill(skb, name) + name[skb->len & 0xff] > 3 ? TC_ACT_SHOT : TC_ACT_OK;
}
