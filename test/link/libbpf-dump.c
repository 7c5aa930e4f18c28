// Prints what libbpf makes of an object, for comparison: maps, BTF, and each program's instructions as they would go to
// BPF_PROG_LOAD. Built by libbpf.test.ts where cc and libbpf's headers are installed.
//
//   libbpf-dump gen  FILE [SECTION=PROG_TYPE,ATTACH_TYPE]...   no kernel: map references stay indices, no CO-RE
//   libbpf-dump type NAME...   program and attach type by section name; nothing for unknown names
//   libbpf-dump core FILE PROGRAM [SECTION=...]...             one program, CO-RE applied for the running kernel, or for
//                                                             the BTF (raw or in an ELF file) that TARGET_BTF names
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN)
		vfprintf(stderr, format, args);
	return 0;
}

static int print_program(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	const unsigned char *bytes = (const unsigned char *)bpf_program__insns(prog);
	size_t size = bpf_program__insn_cnt(prog) * sizeof(struct bpf_insn);

	printf("program %s ", bpf_program__name(prog));
	for (size_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
	printf("\n");
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, handler, .prog_prepare_load_fn = print_program);
	LIBBPF_OPTS(gen_loader_opts, gen);
	LIBBPF_OPTS(bpf_object_open_opts, open, .btf_custom_path = getenv("TARGET_BTF"));
	int is_core = argc > 3 && strcmp(argv[1], "core") == 0;
	struct bpf_program *prog;
	struct bpf_object *obj;
	struct bpf_map *map;

	libbpf_set_print(quiet);
	if (argc > 2 && strcmp(argv[1], "type") == 0) {
		for (int i = 2; i < argc; i++) {
			enum bpf_prog_type prog_type;
			enum bpf_attach_type attach_type;

			if (libbpf_prog_type_by_name(argv[i], &prog_type, &attach_type) == 0)
				printf("type %s %u %u\n", argv[i], prog_type, attach_type);
		}
		return 0;
	}
	for (int i = is_core ? 4 : 3; i < argc; i++) {
		char *types = strrchr(argv[i], '=');
		unsigned int prog_type, attach_type;

		if (!types || sscanf(types + 1, "%u,%u", &prog_type, &attach_type) != 2)
			return 2;
		*types = 0;
		if (libbpf_register_prog_handler(argv[i], prog_type, attach_type, &handler) < 0)
			return 2;
	}
	obj = bpf_object__open_file(argv[2], &open);
	if (!obj)
		return 3;
	bpf_object__for_each_map(map, obj) {
		printf("map %s %u %u %u %u %u %llu %u\n", bpf_map__name(map), bpf_map__type(map), bpf_map__key_size(map),
		       bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map),
		       (unsigned long long)bpf_map__map_extra(map), bpf_map__numa_node(map));
		bpf_map__set_pin_path(map, NULL);
		if (is_core && !bpf_map__is_internal(map) && !bpf_map__inner_map(map)) {
			// Only the code is asked for: any map will do.
			bpf_map__set_type(map, BPF_MAP_TYPE_ARRAY);
			bpf_map__set_key_size(map, 4);
			bpf_map__set_value_size(map, 4);
			bpf_map__set_max_entries(map, 1);
			bpf_map__set_map_flags(map, 0);
		}
	}
	if (bpf_object__btf(obj)) {
		__u32 size;
		const unsigned char *raw = btf__raw_data(bpf_object__btf(obj), &size);

		printf("btf ");
		for (__u32 i = 0; raw && i < size; i++)
			printf("%02x", raw[i]);
		printf("\n");
	}
	bpf_object__for_each_program(prog, obj) {
		printf("open %s %s %u\n", bpf_program__name(prog), bpf_program__section_name(prog), bpf_program__type(prog));
		bpf_program__set_autoload(prog, !is_core || strcmp(bpf_program__name(prog), argv[3]) == 0);
	}
	if (!is_core && bpf_object__gen_loader(obj, &gen) != 0)
		return 4;
	return bpf_object__load(obj) == 0 ? 0 : 5;
}
