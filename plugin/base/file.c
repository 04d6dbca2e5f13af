// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define FIRST_SIZE 4096

/* A pipe does not say how much will come: double, but never beyond one byte more than allowed,
 * which tells. */
int file_read_all(int fd, size_t max, char **out, size_t *len, struct err *err)
{
	_cleanup_free_ char *buf = NULL;
	size_t used = 0, size = 0;

	for (;;) {
		ssize_t n;

		if (used == size) {
			char *more;

			if (used > max)
				return err_set(err, -EFBIG, "read more than %zu bytes", max);
			size = size ? size * 2 : FIRST_SIZE;
			if (size > max + 1)
				size = max + 1;
			more = realloc(buf, size + 1);
			if (!more)
				return err_set(err, -ENOMEM, "read %zu bytes", size);
			buf = more;
		}
		n = read(fd, buf + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "read");
		if (n == 0)
			break;
		used += (size_t)n;
	}
	buf[used] = '\0';
	*out = TAKE_PTR(buf);
	*len = used;
	return 0;
}

int file_write_all(int fd, const void *buf, size_t len, struct err *err)
{
	const char *from = buf;

	while (len) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "write");
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_read(const char *path, size_t max, char **out, size_t *len, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, "open '%s'", path);
	ret = file_read_all(fd, max, out, len, err);
	return ret ? err_wrap(err, "'%s'", path) : 0;
}

static int write_durably(const char *path, const void *buf, size_t len, mode_t mode,
			 struct err *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, "create '%s'", path);
	ret = file_write_all(fd, buf, len, err);
	if (ret)
		return err_wrap(err, "'%s'", path);
	/* whatever the umask is, and whoever left the file there */
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return err_set(err, -errno, "write '%s'", path);
	return 0;
}

/* The directory is where the name is kept. */
static int sync_directory(const char *dir, struct err *err)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? err_set(err, -errno, "write directory '%s'", dir) : 0;
}

int file_replace(const char *path, const void *buf, size_t len, mode_t mode, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char dir[PATH_MAX], new[PATH_MAX];
	int ret;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	if (snprintf(new, sizeof(new), "%s/.%s.new", dir, name) >= (int)sizeof(new))
		return err_set(err, -ENAMETOOLONG, "'%s'", path);
	ret = write_durably(new, buf, len, mode, err);
	if (!ret && rename(new, path) < 0)
		ret = err_set(err, -errno, "put '%s' in its place", path);
	if (ret)
		unlink(new);
	return ret ? ret : sync_directory(dir, err);
}

void file_fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}
