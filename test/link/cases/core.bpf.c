// CO-RE relocations of every field kind against types that every kernel has, bitfields and subprograms included.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

#define KERNEL __attribute__((preserve_access_index))

struct list_head {
	struct list_head *next, *prev;
} KERNEL;

struct path {
	void *mnt;
	void *dentry;
} KERNEL;

struct file {
	struct path f_path;
	unsigned int f_flags;
	long long f_pos;
	int no_such_field;
} KERNEL;

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct list_head tasks;
	char comm[16];
	unsigned sched_reset_on_fork : 1;
	unsigned in_execve : 1;
} KERNEL;

struct sk_buff___ours {
	unsigned int len;
	__u8 cloned : 1;
	__u8 pkt_type : 3;
	__u8 ip_summed : 2;
	unsigned short protocol;
} KERNEL;

struct nothing_like_it {
	int x;
} KERNEL;

enum bpf_map_type___ours {
	BPF_MAP_TYPE_HASH___ours = 77,
	BPF_MAP_TYPE_NO_SUCH___ours = 78,
};

static __noinline int read_task(struct task_struct *task)
{
	return BPF_CORE_READ(task, real_parent, pid) + BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
}

SEC("kprobe/do_exit")
int fields(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	char comm[16];

	BPF_CORE_READ_INTO(&comm, task, comm);
	return read_task(task) + BPF_CORE_READ(task, tgid) + bpf_core_field_offset(task->comm[3]) +
	       bpf_core_field_size(task->comm) + bpf_core_field_exists(task->tasks.prev) +
	       (long)BPF_CORE_READ(task, tasks.next) + comm[0];
}

SEC("raw_tracepoint/sys_enter")
int direct(struct bpf_raw_tracepoint_args *ctx)
{
	struct file *file = (void *)ctx->args[0];
	struct sk_buff___ours *skb = (void *)ctx->args[1];

	if (bpf_core_field_exists(file->no_such_field))
		return file->no_such_field;
	return file->f_flags + file->f_pos + (long)file->f_path.dentry + skb->len + skb->protocol +
	       BPF_CORE_READ_BITFIELD(skb, pkt_type) + BPF_CORE_READ_BITFIELD(skb, ip_summed);
}

SEC("socket")
int types(void *ctx)
{
	return bpf_core_type_exists(struct nothing_like_it) + bpf_core_type_exists(struct task_struct) * 2 +
	       bpf_core_type_size(struct list_head) + bpf_core_type_id_kernel(struct path) * 4 +
	       bpf_core_enum_value_exists(enum bpf_map_type___ours, BPF_MAP_TYPE_HASH___ours) +
	       bpf_core_enum_value_exists(enum bpf_map_type___ours, BPF_MAP_TYPE_NO_SUCH___ours) +
	       bpf_core_enum_value(enum bpf_map_type___ours, BPF_MAP_TYPE_HASH___ours);
}

SEC("socket")
int missing(void *ctx)
{
	struct nothing_like_it *n = ctx;

	return BPF_CORE_READ(n, x) + bpf_core_enum_value(enum bpf_map_type___ours, BPF_MAP_TYPE_NO_SUCH___ours);
}
