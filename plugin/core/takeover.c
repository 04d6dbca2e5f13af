// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: another layout of the datapath's maps has another number, ABI_DATAPATH, and so a
 * directory of its own. The records stay where they are, for every version. A node whose pods an
 * older version made is taken over by the first ADD or STATUS of a newer one, under the lock that
 * spans all versions, as a node without base state is made: maps, table, programs; each program
 * takes the place of the older one in one step, so no packet meets none.
 *
 *	the older one's `config` goes first	its plugin finds no base state from here on, waits
 *						for the lock, and then sees the newer directory,
 *						and refuses
 *	its `sysctls` are copied		uninstall must know what was before
 *	...					as for a first ADD (node_build.c)
 *	its directory goes last			killed before that: the next ADD begins again
 *
 * An ADD of the older plugin that is under way when `config` goes may have looked before: it looks
 * again before it succeeds (node_same_instance()), and is undone. If it looked in time, its link
 * was there in time for its programs to be replaced.
 *
 * Lost are counters, journal and cursors; and the pod ranges of other networks until their next
 * ADD.
 */
#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/takeover.h"
#include "kern/bpffs.h"

static int copy_sysctl(const void *key, const void *value, void *data)
{
	int ret = map_create(*(const int *)data, key, value);

	return ret == -EEXIST ? 0 : ret;
}

/* A version that kept them in another layout restores nothing. */
static int copy_sysctls(struct node *node, unsigned int version, struct err *err)
{
	_cleanup_close_ int fd = -1;
	char path[PIN_PATH_MAX];
	int ret;

	bpffs_pin_path(version, map_name(MAP_SYSCTLS), path);
	fd = map_open(path, sizeof(struct sysctl_key), sizeof(struct sysctl_value));
	if (fd == -ENOENT || fd == -EINVAL)
		return 0;
	ret = fd < 0 ? fd : map_each(fd, sizeof(struct sysctl_key), sizeof(struct sysctl_value),
				     copy_sysctl, &node->maps.fd[MAP_SYSCTLS]);
	return ret < 0 ? err_set(err, ret, "copy '%s'", path) : 0;
}

int takeover_begin(struct node *node, struct err *err)
{
	char path[PIN_PATH_MAX];
	int ret = 0;

	for (unsigned int version = 1; version < ABI_DATAPATH && !ret; version++) {
		bpffs_pin_path(version, map_name(MAP_CONFIG), path);
		if (unlink(path) < 0 && errno != ENOENT)
			return err_set(err, -errno, "remove '%s'", path);
		ret = copy_sysctls(node, version, err);
	}
	return ret;
}

int takeover_end(struct err *err)
{
	int ret = 0;

	for (unsigned int version = 1; version < ABI_DATAPATH && !ret; version++)
		ret = bpffs_remove_version(version, err);
	return ret;
}
