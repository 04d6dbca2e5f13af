// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: /sys/fs/bpf is a directory of sysfs until somebody mounts bpffs on it. Two first ADDs at
 * once must not mount twice: the second mount would cover the first and hide its pins. Both open
 * the path before they mount, so both hold the *sysfs* directory, lock that, and the one that comes
 * second sees, by its path, that bpffs is there. Whoever opens the path later gets bpffs at once.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/cleanup.h"
#include "kern/bpffs.h"

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static int lock_fd(int fd, bool wait)
{
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int mount_once(struct err *err)
{
	_cleanup_close_ int fd = open(BPFFS_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, "open '%s' (is sysfs mounted?)", BPFFS_PATH);
	ret = lock_fd(fd, true);
	if (ret < 0)
		return err_set(err, ret, "lock '%s'", BPFFS_PATH);
	if (!is_bpffs(BPFFS_PATH) && mount("bpf", BPFFS_PATH, "bpf", 0, "mode=0700") < 0)
		return err_set(err, -errno, "mount bpffs on '%s'", BPFFS_PATH);
	return 0;
}

static int ensure_dir(const char *path, struct err *err)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "create directory '%s'", path);
	return 0;
}

int bpffs_mount(struct err *err)
{
	return is_bpffs(BPFFS_PATH) ? 0 : mount_once(err);
}

int bpffs_make_dirs(struct err *err)
{
	static const char *const dirs[] = { PIN_ROOT, PIN_RECORDS, PIN_DATAPATH, PIN_LOCKS };
	int ret = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !ret; i++)
		ret = ensure_dir(dirs[i], err);
	return ret;
}

unsigned int bpffs_newest(void)
{
	DIR *dir = opendir(PIN_ROOT);
	unsigned int newest = 0, version;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "v%u", &version) == 1 && version > newest)
			newest = version;
	if (dir)
		closedir(dir);
	return newest;
}

void bpffs_pin_path(unsigned int version, const char *name, char out[PIN_PATH_MAX])
{
	snprintf(out, PIN_PATH_MAX, "%s/v%u%s%s", PIN_ROOT, version, *name ? "/" : "", name);
}

int bpffs_lock(const char *dir, bool wait, struct err *err)
{
	_cleanup_close_ int fd = -1;
	int ret = ensure_dir(dir, err);

	if (ret < 0)
		return ret;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "open '%s'", dir);
	ret = lock_fd(fd, wait);
	if (ret < 0)
		return err_set(err, ret, "lock '%s'", dir);
	return TAKE_FD(fd);
}

int bpffs_instance(dev_t *out, struct err *err)
{
	struct stat st;

	if (!is_bpffs(BPFFS_PATH) || stat(PIN_ROOT, &st) < 0)
		return err_set(err, -ENOENT, "'%s'", PIN_ROOT);
	*out = st.st_dev;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_below(const char *path, struct err *err)
{
	int ret;

	if (!is_bpffs(BPFFS_PATH))
		return 0;
	ret = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (ret == -1)
		ret = -errno;
	if (ret < 0 && ret != -ENOENT)
		return err_set(err, ret, "remove '%s'", path);
	return 0;
}

int bpffs_remove_version(unsigned int version, struct err *err)
{
	char path[PIN_PATH_MAX];

	bpffs_pin_path(version, "", path);
	return remove_below(path, err);
}

int bpffs_remove(struct err *err)
{
	return remove_below(PIN_ROOT, err);
}
