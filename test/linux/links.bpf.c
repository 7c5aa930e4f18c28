/* A program of each kind that can be attached, each counting its runs in `hits` at a place of its own. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct bpf_nf_ctx;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 32);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} socks SEC(".maps");

/* Only what this thread group does is counted, where it is set. */
volatile const __u32 only = 0;
/* The number of getppid(2) here. */
volatile const __u32 getppid_number = 0;

static __always_inline void hit(__u32 place)
{
	__u64 *count = bpf_map_lookup_elem(&hits, &place);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline int mine(void)
{
	return only == 0 || (bpf_get_current_pid_tgid() >> 32) == only;
}

SEC("xdp") int on_xdp(struct xdp_md *ctx) { hit(0); return XDP_PASS; }
SEC("xdp") int drop(struct xdp_md *ctx) { hit(1); return XDP_DROP; }
SEC("tcx/ingress") int on_ingress(struct __sk_buff *skb) { hit(2); return -1; }
SEC("tcx/egress") int on_egress(struct __sk_buff *skb) { hit(3); return -1; }
SEC("netfilter") int on_netfilter(struct bpf_nf_ctx *ctx) { hit(4); return 1; }
SEC("sk_lookup") int on_lookup(struct bpf_sk_lookup *ctx) { hit(5); return 1; }
SEC("flow_dissector") int on_flow(struct __sk_buff *skb) { hit(6); return 0; }
SEC("tp/syscalls/sys_enter_getppid") int on_tracepoint(void *ctx) { if (mine()) hit(7); return 0; }
SEC("raw_tp/sys_enter") int on_raw(struct bpf_raw_tracepoint_args *ctx) { if (mine() && ctx->args[1] == getppid_number) hit(8); return 0; }
SEC("tp_btf/sys_enter") int on_tp_btf(__u64 *ctx) { if (mine() && ctx[1] == getppid_number) hit(9); return 0; }
SEC("uprobe") int on_uprobe(void *ctx) { if (mine()) hit(10); return 0; }
SEC("uprobe.multi") int on_uprobes(void *ctx) { if (mine()) hit(11); return 0; }
SEC("perf_event") int on_clock(void *ctx) { hit(12); return 0; }
SEC("cgroup_skb/egress") int on_skb(struct __sk_buff *skb) { hit(13); return 1; }
SEC("cgroup/sock_create") int on_sock(struct bpf_sock *sk) { hit(14); return sk->type != 2; }
SEC("cgroup/connect4") int on_connect(struct bpf_sock_addr *ctx) { hit(15); return 0; }
SEC("cgroup/bind4") int on_bind(struct bpf_sock_addr *ctx) { hit(16); return 0; }
SEC("sockops") int on_sockops(struct bpf_sock_ops *ctx) { hit(17); return 1; }
SEC("cgroup/dev") int on_device(struct bpf_cgroup_dev_ctx *ctx) { hit(18); return !(ctx->major == 1 && ctx->minor == 5); }
SEC("cgroup/sysctl") int on_sysctl(struct bpf_sysctl *ctx) { hit(19); return 0; }
SEC("cgroup/getsockopt") int on_getsockopt(struct bpf_sockopt *ctx) { hit(20); return 1; }
SEC("cgroup/setsockopt") int on_setsockopt(struct bpf_sockopt *ctx) { hit(21); return 1; }
SEC("sk_skb/verdict") int on_verdict(struct __sk_buff *skb) { hit(22); return SK_PASS; }
SEC("sk_msg") int on_msg(struct sk_msg_md *msg) { hit(23); return SK_PASS; }
SEC("?fentry/bpf_fentry_test1") int on_fentry(__u64 *ctx) { hit(24); return 0; }
SEC("?lsm/file_open") int on_lsm(__u64 *ctx) { hit(25); return 0; }
SEC("?kprobe.multi") int on_kprobes(void *ctx) { hit(26); return 0; }
SEC("?kprobe") int on_kprobe(void *ctx) { hit(27); return 0; }

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} __attribute__((preserve_access_index));
struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));
struct bpf_iter__task {
	union { struct bpf_iter_meta *meta; };
	union { struct task_struct *task; };
} __attribute__((preserve_access_index));

SEC("iter/task") int each_task(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	static const char format[] = "task %d\n";
	__u64 args[1];

	if (!task)
		return 0;
	args[0] = task->tgid;
	bpf_seq_printf(seq, format, sizeof(format), args, sizeof(args));
	hit(28);
	return 0;
}
