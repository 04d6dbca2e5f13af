// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: what /proc/sys/net shows is decided when a file is opened, by the namespace of the thread
 * that opens it; which /proc is mounted does not matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kern/sysctl.h"

static const char *root = "/proc/sys";

void sysctl_root(const char *directory)
{
	root = directory;
}

static int sysctl_open(const char *path, int flags, struct err *err)
{
	char full[256];
	int fd, n;

	n = snprintf(full, sizeof(full), "%s/%s", root, path);
	if (n < 0 || (size_t)n >= sizeof(full))
		return err_set(err, -ENAMETOOLONG, "open sysctl '%s'", path);
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? err_set(err, -errno, "open sysctl '%s'", path) : fd;
}

int sysctl_read(const char *path, char *buf, size_t size, struct err *err)
{
	_cleanup_close_ int fd = sysctl_open(path, O_RDONLY, err);
	char value[4096];
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, value, sizeof(value));
	if (n < 0)
		return err_set(err, -errno, "read sysctl '%s'", path);
	if (n && value[n - 1] == '\n')
		n--;
	if ((size_t)n >= size)
		return err_set(err, -ENOSPC, "read sysctl '%s'", path);
	memcpy(buf, value, n);
	buf[n] = '\0';
	return 0;
}

/* The kernel takes a value in one piece. */
int sysctl_write(const char *path, const char *value, struct err *err)
{
	_cleanup_close_ int fd = sysctl_open(path, O_WRONLY, err);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, value, strlen(value));
	if (n < 0)
		return err_set(err, -errno, "set sysctl '%s' to '%s'", path, value);
	return 0;
}
