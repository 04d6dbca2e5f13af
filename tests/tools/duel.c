// SPDX-License-Identifier: Apache-2.0
/*
 *	duel ADDRESS PORT FIRST-SOURCE-PORT ROUNDS
 *
 * The race of every resolver that asks for A and AAAA: two threads, each on a CPU of its own, send
 * from one UDP socket at the same instant. Each round is a new flow, for it has a source port of
 * its own; the two datagrams differ in length, and the server answers in kind, so it is known which
 * of them was lost. Prints how many answers came.
 *
 * Threads that are woken by the kernel start microseconds apart, which is too much. So both are
 * woken first, and then wait for each other without sleeping.
 */
#define _GNU_SOURCE
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 5000
#define SHORTEST 64		/* of the questions: more than an answer's text */

struct duel {
	struct addrinfo *server;
	unsigned int rounds;
	unsigned int cpu[2];
	pthread_barrier_t awake;
	atomic_uint here;	/* threads that ever were ready to send */
	int fd;			/* of this round */
};

/* Sends the question `number` in the same moment as the other one does. */
static void shoot(struct duel *duel, unsigned int number, unsigned int round)
{
	char question[SHORTEST + 1];

	memset(question, '?', sizeof(question));
	pthread_barrier_wait(&duel->awake);
	atomic_fetch_add(&duel->here, 1);
	while (atomic_load(&duel->here) < 2 * (round + 1))
		;
	if (send(duel->fd, question, SHORTEST + number, 0) < 0)
		warn("round %u: send", round);
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "run on CPU %u", cpu);
}

static void *second(void *arg)
{
	struct duel *duel = arg;

	pin(duel->cpu[1]);
	for (unsigned int round = 0; round < duel->rounds; round++)
		shoot(duel, 1, round);
	return NULL;
}

static int open_flow(const struct addrinfo *server, unsigned int port)
{
	struct sockaddr_in6 self = { .sin6_family = server->ai_family, .sin6_port = htons(port) };
	int fd = socket(server->ai_family, SOCK_DGRAM, 0);

	/* sockaddr_in begins alike, and its address is 0 too */
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, server->ai_addrlen) ||
	    connect(fd, server->ai_addr, server->ai_addrlen))
		err(1, "source port %u", port);
	return fd;
}

/* How many of the two were answered. */
static unsigned int await(int fd, unsigned int round)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	bool answered[2] = { false, false };

	while (!answered[0] || !answered[1]) {
		char answer[SHORTEST + 2];
		ssize_t len;

		if (poll(&pollfd, 1, ANSWER_TIMEOUT_MS) <= 0) {
			warnx("round %u: %s lost", round,
			      answered[0] ? "the second is" : answered[1] ? "the first is" : "both are");
			break;
		}
		len = recv(fd, answer, sizeof(answer), 0);
		if (len == SHORTEST || len == SHORTEST + 1)
			answered[len - SHORTEST] = true;
		else
			warn("round %u: an answer of %zd bytes", round, len);
	}
	return answered[0] + answered[1];
}

static void choose_cpus(unsigned int cpu[2])
{
	unsigned int found = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "ask for CPUs");
	for (unsigned int i = 0; i < CPU_SETSIZE && found < 2; i++)
		if (CPU_ISSET(i, &set))
			cpu[found++] = i;
	if (found < 2)
		errx(1, "there is only one CPU");
}

int main(int argc, char **argv)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM };
	struct duel duel = { .fd = -1 };
	unsigned int port, answers = 0;
	pthread_t thread;

	if (argc != 5 || getaddrinfo(argv[1], argv[2], &hints, &duel.server))
		errx(2, "usage: duel ADDRESS PORT FIRST-SOURCE-PORT ROUNDS");
	port = strtoul(argv[3], NULL, 10);
	duel.rounds = strtoul(argv[4], NULL, 10);
	choose_cpus(duel.cpu);
	pthread_barrier_init(&duel.awake, NULL, 2);
	if (pthread_create(&thread, NULL, second, &duel))
		errx(1, "no second thread");
	pin(duel.cpu[0]);

	for (unsigned int round = 0; round < duel.rounds; round++) {
		duel.fd = open_flow(duel.server, port + round);
		shoot(&duel, 0, round);
		answers += await(duel.fd, round);
		close(duel.fd);
	}
	pthread_join(thread, NULL);
	freeaddrinfo(duel.server);
	printf("%u\n", answers);
	return 0;
}
