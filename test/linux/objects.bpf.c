/* What a loader has to put right: inner maps, tail calls, constants, types of the kernel, pins. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

struct inner_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner_map);
} outer SEC(".maps") = { .values = { [1] = &inner } };

int tail(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} tails SEC(".maps") = { .values = { [1] = (void *)&tail } };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u64);
} pinned SEC(".maps");

const volatile __u32 answer = 42;
__u32 process = 0;
__u8 numbers[16];

extern int LINUX_KERNEL_VERSION __kconfig;
extern const void _stext __ksym __weak;

SEC("tc") int entry(struct __sk_buff *skb)
{
	__u32 key = 1;

	bpf_map_lookup_elem(&pinned, &key);
	bpf_tail_call(skb, &tails, 1);
	return 1;
}

SEC("tc") int tail(struct __sk_buff *skb)
{
	__u32 key = 1, zero = 0;
	void *map = bpf_map_lookup_elem(&outer, &key);

	if (!map || !bpf_map_lookup_elem(map, &zero))
		return 2;
	if (LINUX_KERNEL_VERSION < 0x050000 || !&_stext)
		return 3;
	return answer;
}

SEC("?tc") int bad(struct __sk_buff *skb)
{
	__u32 index = skb->len;

	return numbers[index & 255];
}

struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

SEC("?raw_tp") int whoami(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	process = BPF_CORE_READ(task, tgid);
	return 0;
}
