// SPDX-License-Identifier: Apache-2.0
/*
 *	flows tcp|udp ADDRESS PORT FIRST-LAST NETNS...
 *
 * Many flows to one server: from each of the namespaces one of each source port. All sockets are
 * made first, each in its namespace, where it stays when we go on to the next. Then every flow asks
 * for the "address port" that the server sees, and when all have been answered or nothing has come
 * for a while, those that were answered ask again: by then whoever took a port that was in use
 * would have it.
 *
 * Prints a line for each flow: the answer, "silence", or "lost" if only the first question was
 * answered, or not by the same.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SILENCE_MS 800		/* TCP repeats itself after 1000 */
#define AT_ONCE	   100		/* what the server's socket has room for */

struct flow {
	int fd;
	char seen[64];		/* the answer; "" before it is here */
	char again[64];
};

/* Every socket costs a file descriptor, and 1,000 pods are more than the usual limit. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		err(1, "limit of open files");
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void enter(const char *netns)
{
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "enter %s", netns);
	close(fd);
}

static int open_flow(const struct addrinfo *server, unsigned int port)
{
	struct sockaddr_in6 self = { .sin6_family = server->ai_family, .sin6_port = htons(port) };
	int fd = socket(server->ai_family, server->ai_socktype | SOCK_NONBLOCK, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* sockaddr_in begins alike, and its address is 0 too */
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, server->ai_addrlen))
		err(1, "source port %u", port);
	return fd;
}

static void ask(struct flow *flow, const struct addrinfo *server)
{
	if (connect(flow->fd, server->ai_addr, server->ai_addrlen) && errno != EINPROGRESS)
		err(1, "connect");
	/* over TCP the server speaks first */
	if (server->ai_socktype == SOCK_DGRAM && send(flow->fd, "?", 1, 0) < 0)
		warn("send");
}

/* The server sends back what it was sent, or "address port" again: in either case
 * the first answer. */
static void ask_again(struct flow *flow)
{
	if (*flow->seen && send(flow->fd, flow->seen, strlen(flow->seen), 0) < 0)
		warn("send again");
}

/* Is the answer here now, or will it never be? */
static bool hear(int fd, char *answer, size_t size)
{
	size_t len = strlen(answer);
	ssize_t n = recv(fd, answer + len, size - 1 - len, 0);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		*answer = '\0';
		return true;
	}
	answer[len + n] = '\0';
	return strchr(answer, '\n') != NULL;
}

/* Until all of these have been answered, or nothing has come for a while. */
static void collect(struct flow *flows, size_t n, bool again)
{
	struct pollfd polls[AT_ONCE];
	size_t waiting = 0;

	for (size_t i = 0; i < n; i++) {
		bool asked = !again || *flows[i].seen;

		polls[i] = (struct pollfd){ .fd = asked ? flows[i].fd : -1, .events = POLLIN };
		waiting += asked;
	}
	while (waiting && poll(polls, n, SILENCE_MS) > 0) {
		for (size_t i = 0; i < n; i++) {
			char *answer = again ? flows[i].again : flows[i].seen;

			if (!polls[i].revents || !hear(polls[i].fd, answer, sizeof(flows[i].seen)))
				continue;
			polls[i].fd = -1;
			waiting--;
		}
	}
}

static void ask_all(struct flow *flows, size_t n, const struct addrinfo *server, bool again)
{
	for (size_t done = 0, some; done < n; done += some) {
		some = n - done < AT_ONCE ? n - done : AT_ONCE;
		for (size_t i = done; i < done + some; i++) {
			if (again)
				ask_again(&flows[i]);
			else
				ask(&flows[i], server);
		}
		collect(flows + done, some, again);
	}
}

static void report(const struct flow *flow)
{
	if (!*flow->seen)
		puts("silence");
	else if (strcmp(flow->seen, flow->again))
		puts("lost");
	else
		fputs(flow->seen, stdout);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *server;
	struct flow *flows;
	unsigned int first, last;
	size_t n = 0;

	if (argc < 6 || sscanf(argv[4], "%u-%u", &first, &last) != 2 || first > last)
		errx(2, "usage: flows tcp|udp ADDRESS PORT FIRST-LAST NETNS...");
	hints.ai_socktype = strcmp(argv[1], "tcp") ? SOCK_DGRAM : SOCK_STREAM;
	if (getaddrinfo(argv[2], argv[3], &hints, &server))
		errx(2, "%s %s: not an address and a port", argv[2], argv[3]);
	flows = calloc((last - first + 1) * (size_t)(argc - 5), sizeof(*flows));
	if (!flows)
		err(1, "flows");

	raise_limit();
	for (int i = 5; i < argc; i++) {
		enter(argv[i]);
		for (unsigned int port = first; port <= last; port++)
			flows[n++].fd = open_flow(server, port);
	}
	ask_all(flows, n, server, false);
	ask_all(flows, n, server, true);
	for (size_t i = 0; i < n; i++)
		report(&flows[i]);
	free(flows);
	freeaddrinfo(server);
	return 0;
}
