// A helper that may move the packet comes between the check and the access.
// Refused: verify/not-a-pointer, line 16.
#include "refusal.h"

SEC("tc")
int stale_packet(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return TC_ACT_OK;
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 7))
		return TC_ACT_SHOT;
	return eth->h_proto == 0 ? TC_ACT_SHOT : TC_ACT_OK;
}
