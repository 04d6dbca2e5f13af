// SPDX-License-Identifier: Apache-2.0
/*
 *	stream tcp|udp BYTES NETNS ADDRESS PORT SERVER-NETNS SERVER-ADDRESS SERVER-PORT
 *
 * Half of BYTES from one namespace to ADDRESS and PORT, and then the other half back from who
 * listens in another one, by that name or, with NAT between them, by its own. Both ends make a
 * digest of what they sent or received, and these are compared. No two words of the payload are
 * alike, and the digest knows their order, as an internet checksum does not: nothing that is
 * exchanged, repeated or lost cancels out.
 *
 * TCP: a megabyte at a time, by turns written and sent from a file (packets with pages that are not
 * their own).
 *
 * UDP: datagrams of an odd length, many in one call (UDP_SEGMENT): one large packet until somebody
 * has to cut it. Nobody repeats what is lost, so no more is under way than a socket has room for.
 * A few datagrams go to and fro before, until conntrack takes the flow for a stream.
 *
 * Prints a line for each direction. Exit status 1: the digests differ, or something is missing.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK	    (1 << 20)	/* of TCP: both ends count in them */
#define DATAGRAM    1219	/* below the smallest MTU of a tunnel, and odd */
#define AT_ONCE	    50		/* datagrams in a call: below 64 kB */
#define UNDER_WAY   (1 << 16)	/* bytes of datagrams, and a call's: of ten flows below a CPU's backlog */
#define RECEIVE_BUF (16 << 20)	/* far more than that, with all that the kernel adds to each */
#define ROUNDS	    6		/* of 400 ms: conntrack believes in streams after 2 s */
#define ROUND_NS    400000000
#define PATIENCE_S  10

/* What has crossed, and what it comes to. */
struct tally {
	_Atomic uint64_t bytes;
	_Atomic uint64_t digest;
};

/* One direction, in memory that both ends share. */
struct direction {
	struct tally sent, received;
};

static struct direction *there, *back;

/* FNV-1a, but a word at a time: a byte at a time would be slower than the network. */
static uint64_t digest(uint64_t sum, const void *data, size_t len)
{
	uint64_t word;

	for (size_t at = 0; at < len; at += sizeof(word)) {
		word = 0;
		memcpy(&word, data + at, len - at < sizeof(word) ? len - at : sizeof(word));
		sum = (sum ^ word) * 0x100000001b3ull;
		sum ^= sum >> 32;	/* a multiplication carries upwards only */
	}
	return sum;
}

static uint64_t digest_alone(const void *data, size_t len)
{
	return digest(0xcbf29ce484222325ull, data, len);
}

/* Words that do not come twice (xorshift64). */
static void make_payload(void *data, size_t len)
{
	static uint64_t x = 88172645463325252ull;

	for (size_t at = 0; at < len; at += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(data + at, &x, len - at < sizeof(x) ? len - at : sizeof(x));
	}
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* Never changed after: TCP refers to its pages until they have been acknowledged. */
static int make_file(void *block)
{
	int file = memfd_create("payload", MFD_CLOEXEC);

	make_payload(block, BLOCK);
	if (file < 0 || write(file, block, BLOCK) != BLOCK)
		err(1, "a file to send");
	return file;
}

static void tcp_send(int fd, uint64_t bytes, struct tally *tally)
{
	static char written[BLOCK], filed[BLOCK];
	int file = make_file(filed);
	bool from_file = false;

	while (tally->bytes < bytes) {
		size_t len = bytes - tally->bytes < BLOCK ? bytes - tally->bytes : BLOCK;
		ssize_t n = 1;

		if (!from_file)
			make_payload(written, len);
		for (off_t at = 0; at < (off_t)len && n > 0;) {
			if (from_file)
				n = sendfile(fd, file, &at, len - at);
			else
				at += n = send(fd, written + at, len - at, MSG_NOSIGNAL);
		}
		if (n <= 0)
			err(1, "send after %lu bytes", (unsigned long)tally->bytes);
		tally->digest = digest(tally->digest, from_file ? filed : written, len);
		tally->bytes += len;
		from_file = !from_file;
	}
	close(file);
}

static void tcp_receive(int fd, uint64_t bytes, struct tally *tally)
{
	static char block[BLOCK];

	while (tally->bytes < bytes) {
		size_t len = bytes - tally->bytes < BLOCK ? bytes - tally->bytes : BLOCK;
		ssize_t n = recv(fd, block, len, MSG_WAITALL);

		if (n < 0)
			err(1, "receive after %lu bytes", (unsigned long)tally->bytes);
		if ((size_t)n != len)
			errx(1, "%zd bytes where %zu should come", n, len);
		tally->digest = digest(tally->digest, block, len);
		tally->bytes += len;
	}
}

/* ---- UDP ------------------------------------------------------------------------------------- */

/* All at once; or each alone, where the device does not sum datagrams (kernels before 6.11). */
static void send_some(int fd, char some[][DATAGRAM], size_t n)
{
	ssize_t sent = send(fd, some, n * DATAGRAM, 0);

	if (sent < 0 && errno == EIO)
		for (size_t i = 0; i < n; i++)
			sent = send(fd, some[i], DATAGRAM, 0);
	if (sent < 0)
		err(1, "send");
}

/* Until no more than that is between the ends. */
static void wait_for(const struct direction *direction, uint64_t under_way)
{
	time_t end = time(NULL) + PATIENCE_S;

	while (direction->sent.bytes - direction->received.bytes > under_way) {
		if (time(NULL) > end)
			errx(1, "%lu bytes sent, %lu arrived",
			     (unsigned long)direction->sent.bytes,
			     (unsigned long)direction->received.bytes);
		nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
	}
}

/* Each datagram has a digest of its own, and a sum has no order. */
static void udp_send(int fd, uint64_t bytes, struct direction *direction)
{
	static char some[AT_ONCE][DATAGRAM];

	while (direction->sent.bytes < bytes) {
		for (size_t i = 0; i < AT_ONCE; i++) {
			make_payload(some[i], DATAGRAM);
			direction->sent.digest += digest_alone(some[i], DATAGRAM);
		}
		direction->sent.bytes += sizeof(some);
		send_some(fd, some, AT_ONCE);
		wait_for(direction, UNDER_WAY);
	}
	wait_for(direction, 0);
}

static void udp_receive(int fd, uint64_t bytes, struct tally *tally)
{
	char datagram[DATAGRAM + 1];

	while (tally->bytes < bytes) {
		ssize_t n = recv(fd, datagram, sizeof(datagram), 0);

		if (n < 0)
			err(1, "receive after %lu bytes", (unsigned long)tally->bytes);
		tally->digest += digest_alone(datagram, n);
		tally->bytes += n;
	}
}

static void udp_options(int fd)
{
	int segment = DATAGRAM, size = RECEIVE_BUF;

	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		err(1, "options of a UDP socket");
}

static void go_to_and_fro(int fd)
{
	char c = '?';

	for (int i = 0; i < ROUNDS; i++) {
		if (send(fd, &c, 1, 0) < 0 || recv(fd, &c, 1, 0) < 0)
			err(1, "round %d", i);
		nanosleep(&(struct timespec){ .tv_nsec = ROUND_NS }, NULL);
	}
}

static void come_and_go(int fd)
{
	struct sockaddr_storage client;
	socklen_t len = sizeof(client);
	char c;

	if (recvfrom(fd, &c, 1, MSG_PEEK, (void *)&client, &len) < 0 ||
	    connect(fd, (void *)&client, len))
		err(1, "first datagram");
	for (int i = 0; i < ROUNDS; i++)
		if (recv(fd, &c, 1, 0) < 0 || send(fd, &c, 1, 0) < 0)
			err(1, "round %d", i);
}

/* ---- both ends ------------------------------------------------------------------------------- */

static void serve(int fd, bool udp, uint64_t bytes)
{
	if (udp) {
		come_and_go(fd);
		udp_receive(fd, bytes, &there->received);
		udp_send(fd, bytes, back);
		return;
	}
	fd = accept(fd, NULL, NULL);
	if (fd < 0)
		err(1, "nobody came");
	tcp_receive(fd, bytes, &there->received);
	tcp_send(fd, bytes, &back->sent);
}

static void ask(int fd, bool udp, uint64_t bytes)
{
	if (udp) {
		go_to_and_fro(fd);
		udp_send(fd, bytes, there);
		udp_receive(fd, bytes, &back->received);
	} else {
		tcp_send(fd, bytes, &there->sent);
		tcp_receive(fd, bytes, &back->received);
	}
}

/* A socket in that namespace, bound to the address or connected to it. */
static int open_end(char **args, bool udp, bool server)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *to;
	int fd, netns = open(args[0], O_RDONLY | O_CLOEXEC), one = 1;
	struct timeval patience = { .tv_sec = PATIENCE_S };

	hints.ai_socktype = udp ? SOCK_DGRAM : SOCK_STREAM;
	if (getaddrinfo(args[1], args[2], &hints, &to))
		errx(2, "%s %s: not an address and a port", args[1], args[2]);
	if (netns < 0 || setns(netns, CLONE_NEWNET))
		err(1, "enter %s", args[0]);
	fd = socket(to->ai_family, to->ai_socktype, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (udp)
		udp_options(fd);
	if (server ? bind(fd, to->ai_addr, to->ai_addrlen) || (!udp && listen(fd, 1)) :
		     connect(fd, to->ai_addr, to->ai_addrlen))
		err(1, "%s %s %s", args[0], args[1], args[2]);
	close(netns);
	freeaddrinfo(to);
	return fd;
}

/* Did all arrive, and as it was sent? */
static bool report(const char *name, const struct direction *direction)
{
	printf("%s: %lu bytes sent (%016lx), %lu received (%016lx)\n", name,
	       (unsigned long)direction->sent.bytes, (unsigned long)direction->sent.digest,
	       (unsigned long)direction->received.bytes, (unsigned long)direction->received.digest);
	return direction->sent.bytes == direction->received.bytes &&
	       direction->sent.digest == direction->received.digest;
}

int main(int argc, char **argv)
{
	int client, server, status = 0;
	uint64_t bytes;
	bool udp, same;

	if (argc != 9)
		errx(2, "usage: stream tcp|udp BYTES NETNS ADDRESS PORT "
			"SERVER-NETNS SERVER-ADDRESS SERVER-PORT");
	udp = !strcmp(argv[1], "udp");
	bytes = strtoull(argv[2], NULL, 10) / 2;
	if (udp)	/* whole calls */
		bytes = (bytes / (AT_ONCE * DATAGRAM) + 1) * (AT_ONCE * DATAGRAM);
	there = mmap(NULL, 2 * sizeof(*there), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (there == MAP_FAILED)
		err(1, "shared memory");
	back = there + 1;

	server = open_end(argv + 6, udp, true);
	client = open_end(argv + 3, udp, false);
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(server, udp, bytes);
		_exit(0);
	}
	ask(client, udp, bytes);
	wait(&status);
	same = report("there", there);
	same = report("back", back) && same;
	return !same || status;
}
