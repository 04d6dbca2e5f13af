// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
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

void file_fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}
