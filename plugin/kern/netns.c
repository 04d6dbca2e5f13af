// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: work in another namespace is done by entering it, opening what keeps it (a socket stays
 * in the namespace it was made in) and coming back. The way back may not fail: a process that goes
 * on in the wrong namespace would configure the pod as the node, or the node as the pod. So it
 * dies.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kern/netns.h"

int netns_open(const char *path, struct err *err)
{
	/* O_NONBLOCK: were it a FIFO, open() would wait for a writer. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_set(err, -errno, "open netns '%s'", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(err, -EINVAL, "open netns '%s': no network namespace", path);
	return TAKE_FD(fd);
}

int netns_open_self(struct err *err)
{
	/* Of the thread, not of the process: they may differ. */
	return netns_open("/proc/thread-self/ns/net", err);
}

int netns_inode(int fd, unsigned long long *out, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "stat netns");
	*out = st.st_ino;
	return 0;
}

int netns_cookie(unsigned long long *out, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned long long cookie;
	socklen_t len = sizeof(cookie);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		return err_set(err, -errno, "ask for the cookie of the netns");
	*out = cookie;
	return 0;
}

int netns_run(int fd, int self, int (*fn)(void *data, struct err *err), void *data,
	      struct err *err)
{
	int rc;

	if (setns(fd, CLONE_NEWNET) < 0)
		return err_set(err, -errno, "enter the netns");
	rc = fn(data, err);
	if (setns(self, CLONE_NEWNET) < 0)
		abort();
	return rc;
}

static int open_route_socket(void *data, struct err *err)
{
	return nl_open(data, NETLINK_ROUTE, err);
}

int netns_nl_open(struct nl *nl, int fd, int self, struct err *err)
{
	return netns_run(fd, self, open_route_socket, nl, err);
}
