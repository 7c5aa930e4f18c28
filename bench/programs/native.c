/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A program of this folder as native code with a loop that times itself: cc -shared -DPROGRAM_FILE='"nop.bpf.c"'. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <time.h>
/* The C library has one of its own. */
#undef __always_inline
#include PROGRAM_FILE

#define ROOM 2048
#define ALL_ROOM (PACKETS * ROOM)

static struct xdp_md contexts[PACKETS];
static unsigned int results[PACKETS];
static __u8 *packets;
/* Read anew for each batch: the compiler must not know what it calls. */
static int (*volatile target)(struct xdp_md *) = program;

/* Memory below 4 GiB, as the context holds addresses of 32 bits; NULL where all of it is taken. */
static void *low_memory(void)
{
	for (unsigned long at = 0x20000000; at < 0xf0000000; at += ALL_ROOM) {
		void *got = mmap((void *)at, ALL_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (got == (void *)at)
			return got;
		if (got != MAP_FAILED)
			munmap(got, ALL_ROOM);
	}
	return 0;
}

/* 0, or -1 where there is no room. */
int bench_packet(int index, const void *bytes, int size)
{
	if (!packets && !(packets = low_memory()))
		return -1;

	__u8 *at = packets + index * ROOM;

	__builtin_memcpy(at, bytes, size);
	contexts[index].data = contexts[index].data_meta = (unsigned long)at;
	contexts[index].data_end = (unsigned long)at + size;
	return 0;
}

unsigned int bench_verdict(int index)
{
	return target(&contexts[index]);
}

/* Nanoseconds that so many runs take, a multiple of PACKETS. */
double bench_batch(unsigned int runs)
{
	int (*run)(struct xdp_md *) = target;
	struct timespec before, after;

	clock_gettime(CLOCK_MONOTONIC, &before);
	for (unsigned int done = 0; done < runs; done += PACKETS)
		for (int i = 0; i < PACKETS; i++)
			results[i] = run(&contexts[i]);
	clock_gettime(CLOCK_MONOTONIC, &after);
	return (after.tv_sec - before.tv_sec) * 1e9 + (after.tv_nsec - before.tv_nsec);
}
