// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the temporary file has one name for each file, so whoever died while he wrote it has left
 * one file at most, which the next one writes over. That two never write at once is a lock's
 * business, not that of process ids: two ctnatd may have the same in namespaces of their own. The
 * lock, a flock() on the temporary file, is given back by death. A file that was locked may have
 * been renamed or removed meanwhile: then the lock is worth nothing, and all begins anew.
 *
 * The descriptor that writes is closed before the rename, because a program that is open for
 * writing cannot be executed (ETXTBSY); the lock is another descriptor's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/replace.h"

#define ATTEMPTS 10

static int name_temp(const char *name, char temp[NAME_MAX + 1], struct err *err)
{
	if ((size_t)snprintf(temp, NAME_MAX + 1, ".%s.new", name) > NAME_MAX)
		return err_set(err, -ENAMETOOLONG, "replace '%s'", name);
	return 0;
}

/* Is it still the file of that name? */
static bool is_at(int fd, int dir, const char *name)
{
	struct stat mine, there;

	return !fstat(fd, &mine) && !fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) &&
	       mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

/* A descriptor of the temporary file, locked. flags: O_CREAT or 0. -EWOULDBLOCK: somebody else has
 * the lock. */
static int lock(int dir, const char *temp, int flags)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		_cleanup_close_ int fd =
			openat(dir, temp, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0600);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return -errno;
		if (is_at(fd, dir, temp))
			return TAKE_FD(fd);
	}
	return -EWOULDBLOCK;
}

static int write_temp(const struct replacement *r, const void *bytes, size_t len, mode_t mode,
		      struct err *err)
{
	_cleanup_close_ int fd =
		openat(r->dir, r->temp, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, "open '%s' for writing", r->temp);
	ret = file_write_all(fd, bytes, len, err);
	if (ret < 0)
		return err_wrap(err, "'%s'", r->temp);
	if (fchmod(fd, mode) < 0)
		return err_set(err, -errno, "chmod '%s'", r->temp);
	return fsync(fd) < 0 ? err_set(err, -errno, "sync '%s'", r->temp) : 0;
}

int replace_begin(struct replacement *r, int dir, const char *name, const void *bytes, size_t len,
		  mode_t mode, struct err *err)
{
	int ret = name_temp(name, r->temp, err);

	if (ret)
		return ret;
	strcpy(r->name, name);
	r->dir = dir;
	ret = lock(dir, r->temp, O_CREAT);
	if (ret == -EWOULDBLOCK)
		return err_cni(err, CNI_TRY_AGAIN, "'%s' is being written by another process",
			       name);
	if (ret < 0)
		return err_set(err, ret, "make '%s'", r->temp);
	r->lock = ret;
	return write_temp(r, bytes, len, mode, err);
}

int replace_commit(struct replacement *r, struct err *err)
{
	if (renameat(r->dir, r->temp, r->dir, r->name) < 0)
		return err_set(err, -errno, "rename '%s' to '%s'", r->temp, r->name);
	cleanup_close(&r->lock);
	r->lock = -1;
	return fsync(r->dir) < 0 ? err_set(err, -errno, "sync the directory of '%s'", r->name) : 0;
}

void replace_abandon(struct replacement *r)
{
	if (r->lock < 0)
		return;
	unlinkat(r->dir, r->temp, 0);
	close(r->lock);
	r->lock = -1;
}

int replace_file(int dir, const char *name, const void *bytes, size_t len, mode_t mode,
		 struct err *err)
{
	_cleanup_replace_ struct replacement r = REPLACEMENT_NONE;
	int ret = replace_begin(&r, dir, name, bytes, len, mode, err);

	return ret < 0 ? ret : replace_commit(&r, err);
}

void replace_sweep(int dir, const char *name)
{
	char temp[NAME_MAX + 1];
	int fd = name_temp(name, temp, NULL) ? -1 : lock(dir, temp, 0);

	if (fd < 0)
		return;
	unlinkat(dir, temp, 0);
	close(fd);
}
