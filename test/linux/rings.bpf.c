/* Records of every kind, a run of `produce` each: the run's number. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} user SEC(".maps");

__u64 runs = 0;
__u64 refused = 0;
__u64 sum = 0;

SEC("tc") int produce(struct __sk_buff *skb)
{
	__u64 number = runs++;

	if (bpf_ringbuf_output(&ring, &number, sizeof(number), 0))
		refused++;
	bpf_perf_event_output(skb, &perf, BPF_F_CURRENT_CPU, &number, sizeof(number));
	return 0;
}

static long one(struct bpf_dynptr *dynptr, void *context)
{
	__u64 number = 0;

	bpf_dynptr_read(&number, sizeof(number), dynptr, 0, 0);
	sum += number;
	return 0;
}

SEC("tc") int drain(struct __sk_buff *skb) { return bpf_user_ringbuf_drain(&user, one, 0, 0); }
