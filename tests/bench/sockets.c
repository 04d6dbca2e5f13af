// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a socket's frame goes all its way within the system call that sends it, so this
 * process's own time around the calls holds it whole. UDP is counted, in segments, and dropped
 * where the uplink ends. TCP needs an answer: a process in the world reads all that comes, on the
 * same CPU, and says so; the wall's clock then holds the work of both ends, which is everybody's.
 *
 * The flow that UDP uses is established by injected frames first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "kern/netns.h"
#include "results.h"
#include "sockets.h"

#define UDP_SLICE   2400	/* segments */
#define BATCH	    50		/* datagrams */
#define SEGMENTS    16		/* of a datagram that the stack cuts */
#define SEGMENT     1200

#define BULK_PORT   9100
#define BULK_BYTES  (4 << 20)	/* of a slice */
#define BULK_BUFFER (256 << 10)

static const enum subject who[] = { NFT, NFT_AGAIN, ROUTING, IPTABLES, CTNAT, CTNAT_UNCACHED,
				    CTNAT_ASSISTED, WIRE };

#define WHO (sizeof(who) / sizeof(who[0]))

static const struct flows one_flow = { .n = 1 };

/* What a turn needs: the flow, and a socket of the pod. */
struct sender {
	struct stream stream;
	int fd;
};

static struct sockaddr_in end_of(const char *text, unsigned int port)
{
	struct sockaddr_in end = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct addr addr;

	if (text && !addr_parse(text, &addr))
		memcpy(&end.sin_addr, addr_bytes(&addr, NULL), sizeof(end.sin_addr));
	return end;
}

/* ---- UDP ------------------------------------------------------------------------------------- */

static int open_udp(void *data, struct err *err)
{
	struct sender *sender = data;
	struct sockaddr_in self = end_of(NULL, sender->stream.near.first);
	struct sockaddr_in server = end_of(SERVER4, sender->stream.far.first);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0 ||
	    connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		return err_set(err, -errno, "open a socket of the pod");
	sender->fd = TAKE_FD(fd);
	return 0;
}

static double own_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Of `bytes` each, which are `segments` frames. */
static int send_datagrams(const struct sender *sender, size_t bytes, unsigned int segments,
			  double *ns, struct err *err)
{
	static char payload[SEGMENTS * SEGMENT];
	struct iovec iov = { payload, bytes };
	struct mmsghdr batch[BATCH];
	double start, end;

	for (size_t i = 0; i < BATCH; i++)
		batch[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	expect(&sender->stream);
	start = own_ns();
	for (unsigned int sent = 0; sent < UDP_SLICE; sent += BATCH * segments) {
		if (sendmmsg(sender->fd, batch, BATCH, 0) != BATCH)
			return err_set(err, -errno, "send from the pod");
	}
	end = own_ns();
	*ns = (end - start) / UDP_SLICE;
	return expect_all(UDP_SLICE, err);
}

static int send_slices(struct entrant *entrant, size_t bytes, unsigned int segments,
		       struct err *err)
{
	double ns[SLICES];
	int ret = 0;

	for (size_t i = 0; !ret && i < SLICES; i++)
		ret = send_datagrams(entrant->what, bytes, segments, &ns[i], err);
	if (!ret)
		times_add(&entrant->ns, ns, SLICES);
	return ret;
}

static int datagrams(struct entrant *entrant, struct err *err)
{
	return send_slices(entrant, UDP_PAYLOAD, 1, err);
}

static int cut_datagrams(struct entrant *entrant, struct err *err)
{
	const struct sender *sender = entrant->what;
	int size = SEGMENT, none = 0, ret;

	if (setsockopt(sender->fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0)
		return err_set(err, -errno, "set UDP_SEGMENT");
	ret = send_slices(entrant, SEGMENTS * SEGMENT, SEGMENTS, err);
	setsockopt(sender->fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof(none));
	return ret;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* The server's life: reads all that comes, and says a byte for each slice. It ends with the one who
 * started it. */
static void serve(int listener)
{
	int fd = accept(listener, NULL, NULL);
	size_t unsaid = 0;
	ssize_t n;

	while ((n = recv(fd, NULL, BULK_BUFFER, MSG_TRUNC)) > 0) {
		for (unsaid += n; unsaid >= BULK_BYTES; unsaid -= BULK_BYTES) {
			if (send(fd, "", 1, MSG_NOSIGNAL) != 1)
				_exit(1);
		}
	}
	_exit(0);
}

static int start_server(void *data, struct err *err)
{
	struct sockaddr_in self = end_of(SERVER4, BULK_PORT);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	(void)data;
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0 || listen(fd, 1) < 0)
		return err_set(err, -errno, "listen in the world");
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "fork");
	if (pid)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	serve(fd);
	return 0;
}

static int open_tcp(void *data, struct err *err)
{
	struct sender *sender = data;
	struct sockaddr_in server = end_of(SERVER4, BULK_PORT);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		return err_set(err, -errno, "connect from the pod");
	sender->fd = TAKE_FD(fd);
	return 0;
}

static int send_bulk(const struct sender *sender, double *ns, struct err *err)
{
	static char buffer[BULK_BUFFER];
	double start = now_ns();
	char said;

	for (size_t sent = 0; sent < BULK_BYTES;) {
		size_t left = BULK_BYTES - sent;
		ssize_t n = send(sender->fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer),
				 MSG_NOSIGNAL);

		if (n < 0)
			return err_set(err, -errno, "send from the pod");
		sent += n;
	}
	if (recv(sender->fd, &said, 1, 0) != 1)
		return err_set(err, -EPROTO, "the server did not get all of it");
	*ns = now_ns() - start;
	return 0;
}

static int bulk(struct entrant *entrant, struct err *err)
{
	double ns[SLICES];
	int ret = 0;

	for (size_t i = 0; !ret && i < SLICES; i++)
		ret = send_bulk(entrant->what, &ns[i], err);
	if (!ret)
		times_add(&entrant->ns, ns, SLICES);
	return ret;
}

/* ---- both ------------------------------------------------------------------------------------ */

static int open_senders(struct sender senders[WHO], bool tcp, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < WHO; i++) {
		struct site *site = &sites[who[i]];
		_cleanup_close_ int self = -1;

		senders[i].stream = flows_out(site, &one_flow);
		if ((ret = node_enter(&site->node, err)) || (ret = self = netns_open_self(err)) < 0)
			return ret;
		ret = 0;
		if (tcp)
			ret = netns_run(site->uplink.far_netns, self, start_server, NULL, err);
		if (!ret)
			ret = netns_run(site->veth.far_netns, self, tcp ? open_tcp : open_udp,
					&senders[i], err);
		if (ret)
			return err_wrap(err, "%s", site->label);
	}
	return ret;
}

static int measure(struct sender senders[WHO], const char *title,
		   int (*turn)(struct entrant *entrant, struct err *err),
		   unsigned int rounds, struct err *err)
{
	static struct entrant entrants[WHO];
	int ret;

	for (size_t i = 0; i < WHO; i++)
		entrants[i] = entrant_of(who[i], turn, &senders[i]);
	ret = take_turns(entrants, WHO, rounds, title, err);
	if (ret)
		return ret;
	note_ratios(title, entrants, WHO);
	return 0;
}

int sockets_measure(unsigned int rounds, struct err *err)
{
	static struct sender udp[WHO], tcp[WHO];
	struct site *at[WHO];
	int ret;

	for (size_t i = 0; i < WHO; i++)
		at[i] = &sites[who[i]];
	ret = flows_open(at, WHO, &one_flow, err);
	if (!ret)
		ret = subjects_disarm(err);
	if (!ret)
		ret = open_senders(udp, false, err);
	if (!ret)
		ret = open_senders(tcp, true, err);
	if (!ret)
		ret = measure(udp, "UDP of a socket, 60 bytes", datagrams, rounds, err);
	if (!ret)
		ret = measure(udp, "UDP of a socket, 16 segments at once", cut_datagrams, rounds,
			      err);
	if (!ret)
		ret = measure(tcp, "TCP of a socket, 40 MB, both ends", bulk, rounds, err);
	for (size_t i = 0; !ret && i < WHO; i++) {
		close(udp[i].fd);
		close(tcp[i].fd);
	}
	return ret ? err_wrap(err, "sockets") : subjects_arm(err);
}
