// Calls libbpf on the kernel, in a network namespace of its own, and prints `label result` lines for libbpf-calls.test.ts, which makes the
// same calls of ours. A pointer prints 0, or -errno where it is NULL.
//
//   libbpf-calls DROP_PORT.o SAMPLER.o COUNTERS.o PIN_FOLDER
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define N(label, expression) printf("%s %lld\n", label, (long long)(expression))
#define P(label, expression) printf("%s %d\n", label, (errno = 0, (expression) ? 0 : -errno))
#define FD(label, expression) ({ int fd_ = (expression); printf("%s %d\n", label, fd_ < 0 ? fd_ : 0); fd_; })
#define S(label, expression) ({ const char *s_ = (expression); printf("%s %s\n", label, s_ ? s_ : "(null)"); })

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static const struct bpf_insn pass[] = { { .code = 0xb7, .imm = 2 }, { .code = 0x95 } };
static const struct bpf_insn drop[] = { { .code = 0xb7, .imm = 1 }, { .code = 0x95 } };
static const struct bpf_insn broken[] = { { .code = 0x95 } };

static void names(void)
{
	static const char *const sections[] = {
		"xdp", "xdp/devmap", "xdp.frags", "tc", "classifier", "action", "socket", "kprobe/f", "kprobe", "kretprobe/f", "uprobe/f",
		"tracepoint/a/b", "tp/a/b", "raw_tp/x", "raw_tracepoint", "fentry/f", "fexit/f", "fmod_ret/f", "lsm/f", "lsm_cgroup/f",
		"iter/task", "syscall", "perf_event", "sockops", "sk_skb", "sk_skb/stream_parser", "sk_msg", "cgroup/skb",
		"cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/connect4", "cgroup/bind6", "cgroup/sock", "cgroup/post_bind4",
		"cgroup/dev", "cgroup/sysctl", "cgroup/getsockopt", "sk_lookup", "sk_reuseport", "flow_dissector", "lwt_in", "lirc_mode2",
		"freplace/f", "struct_ops/f", "kprobe.multi/f", "usdt", "ksyscall/f", "nothing", "xdp_prog", "", "bind",
	};
	char label[64], text[64];

	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		enum bpf_prog_type type = 0;
		enum bpf_attach_type attach = 0;
		int result = libbpf_prog_type_by_name(sections[i], &type, &attach);

		snprintf(label, sizeof(label), "type:%s", sections[i]);
		N(label, result < 0 ? result : (long long)type * 1000 + attach);
		attach = 0;
		result = libbpf_attach_type_by_name(sections[i], &attach);
		snprintf(label, sizeof(label), "attach:%s", sections[i]);
		N(label, result < 0 ? result : (long long)attach);
	}
	for (int i = 0; i < 33; i++) {
		snprintf(label, sizeof(label), "map-name:%d", i);
		S(label, libbpf_bpf_map_type_str(i));
		snprintf(label, sizeof(label), "prog-name:%d", i);
		S(label, libbpf_bpf_prog_type_str(i));
	}
	for (int i = 0; i < 44; i++) {
		snprintf(label, sizeof(label), "attach-name:%d", i);
		S(label, libbpf_bpf_attach_type_str(i));
	}
	for (int i = 0; i < 10; i++) {
		snprintf(label, sizeof(label), "link-name:%d", i);
		S(label, libbpf_bpf_link_type_str(i));
	}
	for (int i = -1; i >= -130; i--) {
		// Numbers that only this table's owner's errors have are compared.
		static const int known[] = { 1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 16, 17, 18, 19, 20, 22, 24, 28, 30, 33, 34, 36,
					     38, 39, 40, 42, 67, 71, 74, 75, 84, 90, 91, 93, 94, 95, 97, 98, 99, 101, 111, 113, 114, 116 };
		int listed = 0;

		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			listed |= known[k] == -i;
		if (!listed)
			continue;
		libbpf_strerror(i, text, sizeof(text));
		snprintf(label, sizeof(label), "error:%d", i);
		S(label, text);
	}
	for (int i = 4000; i < 4016; i++) {
		snprintf(label, sizeof(label), "error-result:%d", i);
		N(label, libbpf_strerror(i, text, sizeof(text)));
		snprintf(label, sizeof(label), "error:%d", i);
		S(label, text);
	}
}

static void opening(char **files)
{
	char garbage[128] = "not an object";
	struct bpf_object *obj, *other;
	struct bpf_program *prog;
	struct bpf_map *map;
	size_t size = 0;

	P("open none", bpf_object__open_file("/none", NULL));
	P("open garbage", bpf_object__open_mem(garbage, sizeof(garbage), NULL));
	P("open nothing", bpf_object__open_mem(garbage, 0, NULL));
	obj = bpf_object__open_file(files[0], NULL);
	other = bpf_object__open_file(files[1], NULL);
	P("open", obj);
	S("name", bpf_object__name(obj));
	P("find program", bpf_object__find_program_by_name(obj, "drop_port"));
	P("find no program", bpf_object__find_program_by_name(obj, "none"));
	P("find map", bpf_object__find_map_by_name(obj, "blocked"));
	P("find section", bpf_object__find_map_by_name(obj, ".rodata"));
	P("find no section", bpf_object__find_map_by_name(obj, ".data"));
	P("find no map", bpf_object__find_map_by_name(obj, "none"));
	N("find no map fd", bpf_object__find_map_fd_by_name(obj, "none"));
	N("find map fd unloaded", bpf_object__find_map_fd_by_name(obj, "blocked"));
	map = NULL;
	bpf_object__for_each_map(map, obj)
		S("map", bpf_map__name(map));
	map = bpf_object__find_map_by_name(obj, "blocked");
	P("next map of another", bpf_object__next_map(other, map));
	prog = bpf_object__next_program(obj, NULL);
	P("next program of another", bpf_object__next_program(other, prog));
	N("prog type", bpf_program__type(prog));
	N("prog attach type", bpf_program__expected_attach_type(prog));
	S("prog section", bpf_program__section_name(prog));
	N("prog flags", bpf_program__flags(prog));
	N("prog autoload", bpf_program__autoload(prog));
	N("prog fd unloaded", bpf_program__fd(prog));
	N("prog fd null", bpf_program__fd(NULL));
	N("prog log level", bpf_program__log_level(prog));
	N("prog log buf", bpf_program__set_log_buf(prog, NULL, 5));
	P("attach unloaded", bpf_program__attach(prog));
	N("pin prog unloaded", bpf_program__pin(prog, "/sys/fs/bpf/none"));
	N("unpin prog unloaded", bpf_program__unpin(prog, "/sys/fs/bpf/none"));
	N("pin maps unloaded", bpf_object__pin_maps(obj, "/sys/fs/bpf/none"));
	N("pin maps null", bpf_object__pin_maps(NULL, "/sys/fs/bpf/none"));
	N("map fd null", bpf_map__fd(NULL));
	N("map type", bpf_map__type(map));
	N("map key", bpf_map__key_size(map));
	N("map value", bpf_map__value_size(map));
	N("map entries", bpf_map__max_entries(map));
	N("map flags", bpf_map__map_flags(map));
	N("map internal", bpf_map__is_internal(map));
	N("map pinned", bpf_map__is_pinned(map));
	N("pin map null", bpf_map__pin(NULL, "/sys/fs/bpf/none"));
	N("pin map nowhere", bpf_map__pin(map, NULL));
	N("unpin map nowhere", bpf_map__unpin(map, NULL));
	P("inner map", bpf_map__inner_map(map));
	N("inner map fd", bpf_map__set_inner_map_fd(map, 5));
	N("initial of plain", bpf_map__set_initial_value(map, garbage, 4));
	P("initial", bpf_map__initial_value(bpf_object__find_map_by_name(obj, ".rodata"), &size));
	N("initial size", size);
	N("initial wrong", bpf_map__set_initial_value(bpf_object__find_map_by_name(obj, ".rodata"), garbage, size + 1));
	map = bpf_object__find_map_by_name(other, "events");
	N("ring entries", bpf_map__set_max_entries(map, 5000));
	N("ring entries then", bpf_map__max_entries(map));
	N("attach target", bpf_program__set_attach_target(prog, -1, "x"));
	N("autoload", bpf_program__set_autoload(prog, true));
	bpf_object__close(obj);
	bpf_object__close(other);
}

static void loaded(char **files, const char *pins)
{
	struct bpf_object *obj = bpf_object__open_file(files[0], NULL);
	struct bpf_program *prog = bpf_object__next_program(obj, NULL);
	struct bpf_map *map = bpf_object__find_map_by_name(obj, "blocked");
	char path[256], other[256];
	__u32 key_size = bpf_map__key_size(map), value_size = bpf_map__value_size(map);
	unsigned char key[64] = {}, value[4096] = {};

	N("load", bpf_object__load(obj));
	N("load again", bpf_object__load(obj));
	N("set type loaded", bpf_map__set_type(map, BPF_MAP_TYPE_ARRAY));
	N("set entries loaded", bpf_map__set_max_entries(map, 9));
	N("set key loaded", bpf_map__set_key_size(map, 9));
	N("set ifindex loaded", bpf_map__set_ifindex(map, 0));
	N("set autocreate loaded", bpf_map__set_autocreate(map, true));
	N("set prog type loaded", bpf_program__set_type(prog, BPF_PROG_TYPE_SCHED_CLS));
	N("set attach type loaded", bpf_program__set_expected_attach_type(prog, BPF_XDP));
	N("set flags loaded", bpf_program__set_flags(prog, 0));
	N("set autoload loaded", bpf_program__set_autoload(prog, false));
	N("set log level loaded", bpf_program__set_log_level(prog, 1));
	N("set attach target loaded", bpf_program__set_attach_target(prog, 0, "x"));
	N("set initial loaded", bpf_map__set_initial_value(bpf_object__find_map_by_name(obj, ".rodata"), value, 2));
	P("attach xdp by section", bpf_program__attach(prog));

	N("elem update", bpf_map__update_elem(map, key, key_size, value, value_size, BPF_ANY));
	N("elem lookup", bpf_map__lookup_elem(map, key, key_size, value, value_size, 0));
	N("elem lookup key size", bpf_map__lookup_elem(map, key, key_size + 1, value, value_size, 0));
	N("elem lookup value size", bpf_map__lookup_elem(map, key, key_size, value, value_size + 1, 0));
	N("elem next", bpf_map__get_next_key(map, NULL, key, key_size));
	N("elem take", bpf_map__lookup_and_delete_elem(map, key, key_size, value, value_size, 0));
	N("elem delete none", bpf_map__delete_elem(map, key, key_size, 0));
	N("elem next none", bpf_map__get_next_key(map, NULL, key, key_size));

	snprintf(path, sizeof(path), "%s/map", pins);
	snprintf(other, sizeof(other), "%s/other", pins);
	N("pin map", bpf_map__pin(map, path));
	N("pin map again", bpf_map__pin(map, path));
	N("pin map elsewhere", bpf_map__pin(map, other));
	N("pinned", bpf_map__is_pinned(map));
	N("pin taken", bpf_obj_pin(bpf_program__fd(prog), path));
	N("pin bad fd", bpf_obj_pin(9999, other));
	N("get", FD("get fd", bpf_obj_get(path)) > 0);
	N("get none", bpf_obj_get(other));
	N("unpin map elsewhere", bpf_map__unpin(map, other));
	N("unpin map", bpf_map__unpin(map, NULL));
	N("unpin map twice", bpf_map__unpin(map, NULL));
	snprintf(path, sizeof(path), "%s/prog", pins);
	N("pin prog", bpf_program__pin(prog, path));
	N("pin prog twice", bpf_program__pin(prog, path));
	N("unpin prog", bpf_program__unpin(prog, path));
	N("unpin prog twice", bpf_program__unpin(prog, path));
	bpf_object__close(obj);

	// Without the paths that the calls before left.
	obj = bpf_object__open_file(files[0], NULL);
	N("load second", bpf_object__load(obj));
	N("pin all", bpf_object__pin(obj, pins));
	N("pin all twice", bpf_object__pin(obj, pins));
	N("unpin maps", bpf_object__unpin_maps(obj, pins));
	N("unpin maps twice", bpf_object__unpin_maps(obj, pins));
	N("unpin progs", bpf_object__unpin_programs(obj, pins));
	N("unpin progs twice", bpf_object__unpin_programs(obj, pins));
	bpf_object__close(obj);
}

static void maps(void)
{
	LIBBPF_OPTS(bpf_map_batch_opts, locked, .elem_flags = BPF_NOEXIST);
	LIBBPF_OPTS(bpf_map_batch_opts, flagged, .flags = 1);
	__u32 key = 1, value = 10, next = 0, count, cursor = 0, keys[16], values[16];
	int hash = FD("create hash", bpf_map_create(BPF_MAP_TYPE_HASH, "hash", 4, 4, 8, NULL));
	int array = FD("create array", bpf_map_create(BPF_MAP_TYPE_ARRAY, "array", 4, 4, 4, NULL));
	int queue = FD("create queue", bpf_map_create(BPF_MAP_TYPE_QUEUE, "queue", 0, 4, 2, NULL));

	FD("create no type", bpf_map_create(1000, "x", 4, 4, 8, NULL));
	FD("create no key", bpf_map_create(BPF_MAP_TYPE_HASH, "x", 0, 4, 8, NULL));
	FD("create no entries", bpf_map_create(BPF_MAP_TYPE_HASH, "x", 4, 4, 0, NULL));
	FD("create array key", bpf_map_create(BPF_MAP_TYPE_ARRAY, "x", 8, 4, 8, NULL));
	FD("create bad name", bpf_map_create(BPF_MAP_TYPE_ARRAY, "a b", 4, 4, 8, NULL));
	N("update", bpf_map_update_elem(hash, &key, &value, BPF_ANY));
	N("update noexist", bpf_map_update_elem(hash, &key, &value, BPF_NOEXIST));
	N("update flags", bpf_map_update_elem(hash, &key, &value, 77));
	key = 2;
	N("update exist", bpf_map_update_elem(hash, &key, &value, BPF_EXIST));
	N("lookup none", bpf_map_lookup_elem(hash, &key, &value));
	N("delete none", bpf_map_delete_elem(hash, &key));
	N("take none", bpf_map_lookup_and_delete_elem(hash, &key, &value));
	N("next unknown", bpf_map_get_next_key(hash, &key, &next));
	N("next is", next);
	N("next last", bpf_map_get_next_key(hash, &next, &next));
	key = 4;
	N("array lookup beyond", bpf_map_lookup_elem(array, &key, &value));
	N("array update beyond", bpf_map_update_elem(array, &key, &value, BPF_ANY));
	key = 0;
	N("array noexist", bpf_map_update_elem(array, &key, &value, BPF_NOEXIST));
	N("array delete", bpf_map_delete_elem(array, &key));
	N("array take", bpf_map_lookup_and_delete_elem(array, &key, &value));
	N("push", bpf_map_update_elem(queue, NULL, &value, BPF_ANY));
	N("push 2", bpf_map_update_elem(queue, NULL, &value, BPF_ANY));
	N("push full", bpf_map_update_elem(queue, NULL, &value, BPF_ANY));
	N("push over", bpf_map_update_elem(queue, NULL, &value, BPF_EXIST));
	N("peek", bpf_map_lookup_elem(queue, NULL, &value));
	N("pop", bpf_map_lookup_and_delete_elem(queue, NULL, &value));
	N("queue next", bpf_map_get_next_key(queue, NULL, &key));
	N("bad fd lookup", bpf_map_lookup_elem(9999, &key, &value));
	N("bad fd update", bpf_map_update_elem(9999, &key, &value, 0));
	N("bad fd freeze", bpf_map_freeze(9999));

	for (int i = 0; i < 5; i++)
		keys[i] = 10 + i, values[i] = i;
	count = 5;
	N("batch update", bpf_map_update_batch(hash, keys, values, &count, NULL));
	N("batch update count", count);
	count = 5;
	N("batch update flags", bpf_map_update_batch(hash, keys, values, &count, &locked));
	N("batch update opts", bpf_map_update_batch(hash, keys, values, &count, &flagged));
	count = 0;
	N("batch update none", bpf_map_update_batch(hash, keys, values, &count, NULL));
	count = 16;
	N("batch lookup", bpf_map_lookup_batch(hash, NULL, &cursor, keys, values, &count, NULL));
	N("batch lookup count", count);
	keys[0] = 10, keys[1] = 99, keys[2] = 11;
	count = 3;
	N("batch delete", bpf_map_delete_batch(hash, keys, &count, NULL));
	N("batch delete count", count);
	count = 16;
	N("batch take", bpf_map_lookup_and_delete_batch(hash, NULL, &cursor, keys, values, &count, NULL));
	N("batch take count", count);
	count = 16;
	N("batch empty", bpf_map_lookup_batch(hash, NULL, &cursor, keys, values, &count, NULL));
	N("batch empty count", count);
	count = 3;
	N("batch array", bpf_map_lookup_batch(array, NULL, &cursor, keys, values, &count, NULL));
	N("batch array count", count);
	count = 3;
	N("batch array rest", bpf_map_lookup_batch(array, &cursor, &cursor, keys, values, &count, NULL));
	N("batch array rest count", count);
	count = 3;
	N("batch array take", bpf_map_lookup_and_delete_batch(array, NULL, &cursor, keys, values, &count, NULL));
	count = 3;
	N("batch queue", bpf_map_lookup_batch(queue, NULL, &cursor, keys, values, &count, NULL));
	N("freeze", bpf_map_freeze(array));
	N("freeze twice", bpf_map_freeze(array));
	key = 0;
	N("frozen update", bpf_map_update_elem(array, &key, &value, BPF_ANY));
	N("frozen lookup", bpf_map_lookup_elem(array, &key, &value));
	N("batch frozen", (count = 1, bpf_map_update_batch(array, keys, values, &count, NULL)));
}

static void programs(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, level, .log_level = 1);
	LIBBPF_OPTS(bpf_link_create_opts, link_flags, .flags = 0x80);
	LIBBPF_OPTS(bpf_link_update_opts, replace, .flags = BPF_F_REPLACE);
	LIBBPF_OPTS(bpf_link_update_opts, old_only);
	char in[64] = {}, small[8], info[512];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_size_in = sizeof(in), .data_out = info, .data_size_out = 64);
	LIBBPF_OPTS(bpf_test_run_opts, tiny, .data_in = in, .data_size_in = sizeof(in), .data_out = small, .data_size_out = 8);
	LIBBPF_OPTS(bpf_test_run_opts, brief, .data_in = in, .data_size_in = 4);
	int one = FD("prog load", bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL));
	int two = FD("prog load 2", bpf_prog_load(BPF_PROG_TYPE_XDP, "drop", "GPL", drop, 2, NULL));
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "array", 4, 4, 4, NULL);
	__u32 id = 0, length = sizeof(info);
	int link;

	FD("prog broken", bpf_prog_load(BPF_PROG_TYPE_XDP, "broken", "GPL", broken, 1, NULL) < 0 ? 0 : -1);
	FD("prog no type", bpf_prog_load(1000, "x", "GPL", pass, 2, NULL));
	FD("prog empty", bpf_prog_load(BPF_PROG_TYPE_XDP, "x", "GPL", pass, 0, NULL));
	N("run", bpf_prog_test_run_opts(one, &run));
	N("run retval", run.retval);
	N("run size", run.data_size_out);
	N("run small", bpf_prog_test_run_opts(one, &tiny));
	N("run small size", tiny.data_size_out);
	N("run brief", bpf_prog_test_run_opts(one, &brief));
	N("run map", bpf_prog_test_run_opts(map, &run));
	N("bind", bpf_prog_bind_map(one, map, NULL));
	N("bind bad", bpf_prog_bind_map(one, 9999, NULL));
	memset(info, 0, sizeof(info));
	N("info", bpf_obj_get_info_by_fd(map, info, &length));
	length = 8;
	N("info short", bpf_obj_get_info_by_fd(map, info, &length));
	N("info short length", length);
	memset(info, 0xff, sizeof(info));
	length = sizeof(info);
	N("info dirty", bpf_obj_get_info_by_fd(map, info, &length));
	N("info bad", bpf_obj_get_info_by_fd(9999, info, &length));
	N("by id none", bpf_map_get_fd_by_id(0xfffffff));
	N("prog by id none", bpf_prog_get_fd_by_id(0xfffffff));
	N("link by id none", bpf_link_get_fd_by_id(0xfffffff));
	N("btf by id none", bpf_btf_get_fd_by_id(0xfffffff));
	N("next id end", bpf_map_get_next_id(0xfffffff, &id));

	// Loopback of this namespace.
	link = FD("link", bpf_link_create(one, 1, BPF_XDP, NULL));
	FD("link busy", bpf_link_create(two, 1, BPF_XDP, NULL));
	FD("link flags", bpf_link_create(two, 1, BPF_XDP, &link_flags));
	FD("link bad fd", bpf_link_create(9999, 1, BPF_XDP, NULL));
	FD("link map fd", bpf_link_create(map, 1, BPF_XDP, NULL));
	N("link update", bpf_link_update(link, two, NULL));
	replace.old_prog_fd = one;
	N("link update other", bpf_link_update(link, one, &replace));
	replace.old_prog_fd = two;
	N("link update right", bpf_link_update(link, one, &replace));
	old_only.old_prog_fd = one;
	N("link update old only", bpf_link_update(link, one, &old_only));
	N("link update bad", bpf_link_update(9999, one, NULL));
	N("link detach", bpf_link_detach(link));
	N("link detach twice", bpf_link_detach(link));
	N("link detach prog", bpf_link_detach(one));
	N("xdp none", bpf_xdp_query_id(1, 0, &id));
	N("xdp none id", id);
	N("xdp attach", bpf_xdp_attach(1, one, 0, NULL));
	N("xdp id", (bpf_xdp_query_id(1, 0, &id), id != 0));
	N("xdp busy link", bpf_link_create(two, 1, BPF_XDP, NULL));
	N("xdp detach", bpf_xdp_detach(1, 0, NULL));
	N("prog attach xdp", bpf_prog_attach(one, 1, BPF_XDP, 0));
	N("prog attach no type", bpf_prog_attach(one, 0, 1000, 0));
	FD("stats", bpf_enable_stats(BPF_STATS_RUN_TIME));
	FD("stats bad", bpf_enable_stats(7));
}

static void types(char **files)
{
	struct btf *btf = btf__new_empty(), *file;
	char garbage[32] = "x";

	P("btf garbage", btf__new(garbage, sizeof(garbage)));
	P("btf none", btf__parse("/none", NULL));
	P("btf raw of elf", btf__parse_raw(files[0]));
	P("btf elf", btf__parse_elf(files[0], NULL));
	N("btf empty", btf__type_cnt(btf));
	N("add int", btf__add_int(btf, "int", 4, BTF_INT_SIGNED));
	N("add int unnamed", btf__add_int(btf, "", 4, 0));
	N("add int size", btf__add_int(btf, "x", 3, 0));
	N("add int big", btf__add_int(btf, "x", 32, 0));
	N("add int encoding", btf__add_int(btf, "x", 4, 8));
	N("add float", btf__add_float(btf, "f", 8));
	N("add float size", btf__add_float(btf, "f", 3));
	N("add ptr", btf__add_ptr(btf, 1));
	N("add ptr bad", btf__add_ptr(btf, -1));
	N("add field early", btf__add_field(btf, "x", 1, 0, 0));
	N("add struct", btf__add_struct(btf, "s", 12));
	N("add field", btf__add_field(btf, "a", 1, 0, 0));
	N("add bitfield", btf__add_field(btf, "b", 1, 33, 3));
	N("add bitfield size", btf__add_field(btf, "b", 1, 33, 0));
	N("add bitfield far", btf__add_field(btf, "b", 1, 0x1000000, 3));
	N("add union", btf__add_union(btf, "u", 4));
	N("add union field", btf__add_field(btf, "a", 1, 8, 0));
	N("add enum", btf__add_enum(btf, "e", 4));
	N("add enum size", btf__add_enum(btf, "e", 3));
	N("add enum unnamed", btf__add_enum(btf, NULL, 4));
	N("add value", btf__add_enum_value(btf, "A", 1));
	N("add value big", btf__add_enum_value(btf, "B", 0x100000000));
	N("add value unnamed", btf__add_enum_value(btf, "", 1));
	N("add enum64", btf__add_enum64(btf, "e64", 8, false));
	N("add value64", btf__add_enum64_value(btf, "C", 0x100000000));
	N("add value of enum64", btf__add_enum_value(btf, "D", 1));
	N("add fwd", btf__add_fwd(btf, "f", BTF_FWD_STRUCT));
	N("add fwd enum", btf__add_fwd(btf, "fe", BTF_FWD_ENUM));
	N("add fwd bad", btf__add_fwd(btf, "f", 7));
	N("add fwd unnamed", btf__add_fwd(btf, "", BTF_FWD_STRUCT));
	N("add typedef", btf__add_typedef(btf, "t", 1));
	N("add typedef unnamed", btf__add_typedef(btf, "", 1));
	N("add const", btf__add_const(btf, 1));
	N("add proto", btf__add_func_proto(btf, 1));
	N("add param", btf__add_func_param(btf, "p", 1));
	N("add func", btf__add_func(btf, "f", BTF_FUNC_GLOBAL, 14));
	N("add func linkage", btf__add_func(btf, "f", 5, 14));
	N("add param late", btf__add_func_param(btf, "p", 1));
	N("add var", btf__add_var(btf, "v", BTF_VAR_STATIC, 1));
	N("add var linkage", btf__add_var(btf, "v", 9, 1));
	N("add datasec", btf__add_datasec(btf, ".data", 4));
	N("add secinfo", btf__add_datasec_var_info(btf, 16, 0, 4));
	N("add tag", btf__add_decl_tag(btf, "tag", 16, -1));
	N("add tag component", btf__add_decl_tag(btf, "tag", 16, -2));
	N("find str", btf__find_str(btf, "tag") > 0);
	N("find no str", btf__find_str(btf, "none"));
	N("count", btf__type_cnt(btf));
	N("by name", btf__find_by_name(btf, "s"));
	N("by no name", btf__find_by_name(btf, "none"));
	N("by kind", btf__find_by_name_kind(btf, "s", BTF_KIND_STRUCT));
	N("by other kind", btf__find_by_name_kind(btf, "s", BTF_KIND_UNION));
	N("void", btf__find_by_name(btf, "void"));
	P("type", btf__type_by_id(btf, 4));
	P("no type", btf__type_by_id(btf, 999));
	N("size", btf__resolve_size(btf, 4));
	N("size of typedef", btf__resolve_size(btf, btf__find_by_name(btf, "t")));
	N("size of none", btf__resolve_size(btf, 999));
	N("align", btf__align_of(btf, 4));
	N("resolve", btf__resolve_type(btf, btf__find_by_name(btf, "t")));
	N("pointer size bad", btf__set_pointer_size(btf, 3));
	N("endian bad", btf__set_endianness(btf, 7));
	P("string", btf__str_by_offset(btf, 1));
	P("no string", btf__str_by_offset(btf, 99999));
	file = btf__parse(files[0], NULL);
	N("file count", btf__type_cnt(file));
	N("file map", btf__find_by_name_kind(file, "blocked", BTF_KIND_VAR));
	N("add btf", btf__add_btf(btf, file));
}

static void calls(void)
{
	union bpf_attr attr;
	char large[5000];

#define BPF(label, cmd, pointer, size) \
	({ long r_ = syscall(__NR_bpf, cmd, pointer, size); printf("%s %ld\n", label, r_ < 0 ? -(long)errno : r_ > 0 ? 1 : 0); })
	memset(large, 0, sizeof(large));
	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = attr.value_size = 4;
	attr.max_entries = 1;
	BPF("sys create", BPF_MAP_CREATE, &attr, sizeof(attr));
	BPF("sys create short", BPF_MAP_CREATE, &attr, 16);
	BPF("sys create shorter", BPF_MAP_CREATE, &attr, 12);
	memcpy(large, &attr, sizeof(attr));
	BPF("sys create long", BPF_MAP_CREATE, large, 1000);
	large[999] = 1;
	BPF("sys create dirty", BPF_MAP_CREATE, large, 1000);
	BPF("sys create huge", BPF_MAP_CREATE, large, 5000);
	memset(&attr, 0, sizeof(attr));
	BPF("sys unknown", 999, &attr, sizeof(attr));
	attr.map_fd = 9999;
	BPF("sys lookup bad fd", BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr));
	attr.map_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "h", 4, 4, 4, NULL);
	BPF("sys lookup null", BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr));
	BPF("sys update null", BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
	BPF("sys delete null", BPF_MAP_DELETE_ELEM, &attr, sizeof(attr));
	attr.flags = 1;
	BPF("sys delete flags", BPF_MAP_DELETE_ELEM, &attr, sizeof(attr));
	memset(&attr, 0, sizeof(attr));
	BPF("sys get null", BPF_OBJ_GET, &attr, sizeof(attr));
	BPF("sys pin null", BPF_OBJ_PIN, &attr, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insn_cnt = 2;
	attr.license = (long)"GPL";
	BPF("sys load null", BPF_PROG_LOAD, &attr, sizeof(attr));
	attr.insns = (long)pass;
	BPF("sys load", BPF_PROG_LOAD, &attr, sizeof(attr));
	attr.license = 0;
	BPF("sys load no license", BPF_PROG_LOAD, &attr, sizeof(attr));
}

int main(int argc, char **argv)
{
	if (argc != 5 || unshare(CLONE_NEWNET) != 0)
		return 2;
	libbpf_set_print(quiet);
	names();
	opening(argv + 1);
	loaded(argv + 1, argv[4]);
	maps();
	programs();
	types(argv + 1);
	calls();
	return 0;
}
