/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* blast DEVICE TO_MAC FROM_MAC FROM TO COUNT LENGTH PORT: UDP frames as fast as a packet socket takes them. Prints how many were sent, how
 * many were refused, and seconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 128, IP = 14, UDP = 34, HEADERS = 42 };

static unsigned char frames[BATCH][2048];
static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];

static unsigned short checksum(const unsigned char *bytes, int length)
{
	unsigned sum = 0;

	for (int i = 0; i < length; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void put16(unsigned char *to, unsigned value)
{
	to[0] = value >> 8;
	to[1] = value;
}

static void mac(unsigned char *to, const char *text)
{
	unsigned v[6] = { 0 };

	sscanf(text, "%x:%x:%x:%x:%x:%x", v, v + 1, v + 2, v + 3, v + 4, v + 5);
	for (int i = 0; i < 6; i++)
		to[i] = v[i];
}

int main(int argc, char **argv)
{
	int one = 1;
	long sent = 0, refused = 0;
	struct timespec begin, end;

	if (argc != 9)
		return 2;
	long count = atol(argv[6]);
	int length = atoi(argv[7]), port = atoi(argv[8]);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1]) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (length < HEADERS || length > (int)sizeof(frames[0]))
		return 2;
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) || bind(fd, (void *)&to, sizeof(to))) {
		perror(argv[1]);
		return 1;
	}
	for (int i = 0; i < BATCH; i++) {
		unsigned char *frame = frames[i];

		mac(frame, argv[2]);
		mac(frame + ETH_ALEN, argv[3]);
		put16(frame + 12, ETH_P_IP);
		frame[IP] = 0x45;
		put16(frame + IP + 2, length - IP);
		frame[IP + 8] = 64;
		frame[IP + 9] = 17;
		inet_pton(AF_INET, argv[4], frame + IP + 12);
		inet_pton(AF_INET, argv[5], frame + IP + 16);
		put16(frame + IP + 10, checksum(frame + IP, 20));
		put16(frame + UDP, 12345);
		put16(frame + UDP + 2, port);
		put16(frame + UDP + 4, length - UDP);
		vectors[i] = (struct iovec){ frame, length };
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (sent + refused < count) {
		long left = count - sent - refused;
		int done = sendmmsg(fd, messages, left < BATCH ? left : BATCH, 0);

		if (done > 0)
			sent += done;
		else
			refused++;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%ld %ld %.6f\n", sent, refused, end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}
