// What the linker must understand, in one object: sections, subprograms, callbacks, maps, globals, externs, tags.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";
int VERSION SEC("version") = 0x060c07;

struct key {
	__u32 a;
	__u64 b;
};

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct key);
	__type(value, __u64);
	__uint(max_entries, 7);
};

struct inner first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 4);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &first, [3] = &second } };

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(key_size, 12);
	__uint(value_size, 20);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE);
	__uint(numa_node, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} lru SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__type(value, __u32);
	__uint(max_entries, 100);
	__uint(map_extra, 3);
} bloom SEC(".maps") __attribute__((btf_decl_tag("a tag"), btf_decl_tag("another")));

int tail_a(void *ctx);
int tail_b(void *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__uint(max_entries, 8);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [2] = (void *)&tail_a, [5] = (void *)&tail_b } };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 8);
} calls SEC(".maps");

const volatile __u32 limit = 10;
const volatile __u64 __config_mask = 0xff;
volatile __u32 counter = 5;
volatile __u32 zero;
static volatile __u32 hidden_zero;
const volatile __s16 in_named SEC(".rodata.named") = -2;
volatile __u32 in_data SEC(".data.named") = 3;
volatile struct key pair = { 1, 2 };
static volatile __u32 *volatile pointer = &counter;

extern unsigned LINUX_KERNEL_VERSION __kconfig;
extern _Bool CONFIG_BPF_SYSCALL __kconfig __weak;
extern const void schedule __ksym;
extern const int bpf_stats_enabled_key_missing __ksym __weak;
extern void bpf_rcu_read_lock_missing(void) __ksym __weak;

static __noinline int deepest(int x)
{
	return x * (int)limit + (int)hidden_zero;
}

static __noinline int deep(int x)
{
	return deepest(x) + deepest(x + 1);
}

__noinline int global_fn(int x)
{
	return deep(x) - 1;
}

static __noinline long visit(__u32 index, void *data)
{
	__u64 *sum = data;

	*sum += deep(index);
	return 0;
}

static long (*const loop)(__u32 nr, void *callback, void *ctx, __u64 flags) = (void *)181;

SEC("xdp")
int calls_functions(struct xdp_md *ctx)
{
	struct key key = { .a = zero };
	__u64 sum = 0;

	loop(4, visit, &sum, 0);
	if (bpf_map_lookup_elem(&first, &key))
		counter++;
	return global_fn(ctx->ingress_ifindex) + deep(3) + (int)sum;
}

SEC("xdp")
int second_in_section(struct xdp_md *ctx)
{
	__u32 index = 2;
	void *map = bpf_map_lookup_elem(&outer, &index);

	if (!map)
		bpf_tail_call(ctx, &jumps, 2);
	return in_named + in_data + pair.b + *pointer;
}

SEC("xdp.frags")
int frags(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &calls, 1);
	return __config_mask;
}

SEC("?kprobe/do_nothing")
int not_loaded(void *ctx)
{
	return LINUX_KERNEL_VERSION + CONFIG_BPF_SYSCALL;
}

SEC("socket")
int ksyms(void *ctx)
{
	if (bpf_rcu_read_lock_missing)
		bpf_rcu_read_lock_missing();
	return (long)&schedule + (long)&bpf_stats_enabled_key_missing;
}

SEC("xdp")
int tail_a(void *ctx)
{
	return deepest(1);
}

SEC("xdp")
int tail_b(void *ctx)
{
	return bpf_map_peek_elem(&bloom, ctx);
}

SEC("xdp")
__attribute__((btf_decl_tag("tail:calls/6")))
int tagged(void *ctx)
{
	return bpf_map_delete_elem(&lru, ctx);
}
