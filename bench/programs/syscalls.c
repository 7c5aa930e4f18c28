/* What libbpf's calls take: lookups and updates one by one and in batches, in a hash of `entries` elements of 4 and 8 bytes.
 * Prints nanoseconds an element, the least of `rounds`: lookup, update, lookup batch, update batch. */
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

static void least(double *best, double begin, unsigned count)
{
	double each = (now() - begin) / count;

	if (*best == 0 || each < *best)
		*best = each;
}

int main(int argc, char **argv)
{
	unsigned entries = argc > 1 ? atoi(argv[1]) : 10000, rounds = argc > 2 ? atoi(argv[2]) : 10;
	unsigned *keys = malloc(entries * sizeof(*keys));
	unsigned long long *values = malloc(entries * sizeof(*values));
	double best[4] = { 0 };
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "bench", 4, 8, entries, NULL);

	if (fd < 0) {
		perror("bpf_map_create");
		return 1;
	}
	for (unsigned i = 0; i < entries; i++) {
		keys[i] = i;
		values[i] = i;
	}
	for (unsigned round = 0; round < rounds; round++) {
		unsigned long long value, sum = 0;
		unsigned count = entries, cursor = 0;
		double begin = now();

		if (bpf_map_update_batch(fd, keys, values, &count, NULL))
			return 1;
		least(&best[3], begin, entries);
		begin = now();
		for (unsigned i = 0; i < entries; i++)
			if (bpf_map_update_elem(fd, &keys[i], &values[i], BPF_ANY))
				return 1;
		least(&best[1], begin, entries);
		begin = now();
		for (unsigned i = 0; i < entries; i++) {
			if (bpf_map_lookup_elem(fd, &keys[i], &value))
				return 1;
			sum += value;
		}
		least(&best[0], begin, entries);
		begin = now();
		count = entries;
		bpf_map_lookup_batch(fd, NULL, &cursor, keys, values, &count, NULL);
		least(&best[2], begin, count);
		if (count != entries || sum != (unsigned long long)entries * (entries - 1) / 2)
			return 1;
	}
	printf("%f %f %f %f\n", best[0], best[1], best[2], best[3]);
	return 0;
}
