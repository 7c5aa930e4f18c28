// The number of bytes that a helper copies comes from the packet.
// Refused: verify/stack-access, line 13.
#include "refusal.h"

SEC("tc")
int unchecked_size(struct __sk_buff *skb)
{
	char buffer[64];
	__u32 length = skb->len;

	if (length > 128)
		length = 128;
	if (bpf_skb_load_bytes(skb, 0, buffer, length) < 0)
		return TC_ACT_OK;
	return buffer[0] == 0x45 ? TC_ACT_OK : TC_ACT_SHOT;
}
