/* libbpf's calls on a hash map of the kernel: nanoseconds each, as `name value` lines.
 * usage: map-calls ENTRIES CALLS
 */
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	unsigned entries = argc > 1 ? atoi(argv[1]) : 10000;
	unsigned calls = argc > 2 ? atoi(argv[2]) : 200000;
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "calls", 4, 8, entries, NULL);
	unsigned *keys = calloc(entries, 4);
	unsigned long long *values = calloc(entries, 8), value, sum = 0;
	unsigned cursor, count = entries;
	double begin;

	if (fd < 0 || !keys || !values)
		return 1;
	for (unsigned i = 0; i < entries; i++) {
		value = i;
		if (bpf_map_update_elem(fd, &i, &value, BPF_ANY))
			return 1;
	}
	begin = now();
	for (unsigned i = 0; i < calls; i++) {
		unsigned key = i * 7919u % entries;

		if (bpf_map_lookup_elem(fd, &key, &value))
			return 1;
		sum += value;
	}
	printf("lookup %f\n", (now() - begin) / calls);
	begin = now();
	for (unsigned i = 0; i < calls; i++) {
		unsigned key = i * 7919u % entries;

		value = i;
		if (bpf_map_update_elem(fd, &key, &value, BPF_ANY))
			return 1;
	}
	printf("update %f\n", (now() - begin) / calls);
	begin = now();
	bpf_map_lookup_batch(fd, NULL, &cursor, keys, values, &count, NULL);
	printf("batch %f\n", (now() - begin) / count);
	return sum == 0;
}
