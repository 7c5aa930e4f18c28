// Static maps, which libbpf refuses: references to them are by section and distance. And .bss and .data of own names.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} first SEC(".maps");

static struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 2);
} second SEC(".maps");

static volatile __u32 named_zero SEC(".bss.named");
static volatile __u32 named_one SEC(".data.named") = 1;
static volatile __u32 named_two SEC(".data.named") = 2;

SEC("tc")
int prog(struct __sk_buff *skb)
{
	__u32 key = named_zero + named_two - named_one;

	return bpf_map_lookup_elem(&first, &key) == bpf_map_lookup_elem(&second, &key);
}
