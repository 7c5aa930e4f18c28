// Branches and calls that the kernel's verifier leaves as they are, and maps of values of many kinds.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum colour { RED, GREEN = 5 };

struct inner {
	int number;
	unsigned char address[6];
	char name[8];
};

struct value {
	__u64 packets;
	__s64 change;
	struct inner inner;
	_Bool on;
	int low : 3;
	unsigned int high : 7;
	enum colour colour;
	void *somewhere;
	union {
		int whole;
		short part;
	};
	__int128 large;
	char letter;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct value);
} values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct inner);
} each SEC(".maps");

int limit = 7;
const volatile char greeting[] = "hello";

static __attribute__((noinline)) int sum(__u64 bits, const struct inner *inner)
{
	int total = 0;

	for (int i = 0; i < 3; i++)
		if (bits & (1ull << (i * 7)))
			total += i * bpf_ktime_get_ns();
	return inner->number + total;
}

SEC("xdp")
int branchy(struct xdp_md *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct inner inner = { .number = 3 };

	if (now == 5)
		return XDP_DROP;
	if ((now & 3) == 1)
		return sum(now, &inner);
	return 2 + (now > 77);
}

char _license[] SEC("license") = "GPL";
