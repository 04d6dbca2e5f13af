// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a node that forwards IPv6 stops to accept router advertisements, and loses the default
 * route it has from one, unless accept_ra is 2. So every device that accepts them (1) gets 2
 * *before* forwarding is switched on; not `default`, which would let every later veth of anybody
 * accept them too. Nothing else is changed node-wide. Each change is recorded with what was before,
 * once: a second ADD finds the wished value and writes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/forwarding.h"
#include "kern/rtnl_link.h"
#include "kern/sysctl.h"

static const char *const forwarding[] = { "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding" };

static int change(struct node *node, const char *path, const char *from, const char *to,
		  struct err *err)
{
	struct sysctl_key key = { { 0 } };
	struct sysctl_value value = { { 0 }, { 0 } };
	int ret;

	snprintf(key.path, sizeof(key.path), "%s", path);
	snprintf(value.before, sizeof(value.before), "%s", from);
	snprintf(value.after, sizeof(value.after), "%s", to);
	ret = map_create(node->maps.fd[MAP_SYSCTLS], &key, &value);
	if (ret < 0 && ret != -EEXIST)
		return err_set(err, ret, "record sysctl '%s'", path);
	return sysctl_write(path, to, err);
}

/* Sets the sysctl to `to` if it is `from`, or whatever it is with from NULL. One that is not there
 * (IPv6 switched off) is as it should be. */
static int want(struct node *node, const char *path, const char *from, const char *to,
		struct err *err)
{
	char now[16];
	int ret = sysctl_read(path, now, sizeof(now), err);

	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		return ret;
	if (!strcmp(now, to) || (from && strcmp(now, from)))
		return 0;
	return change(node, path, now, to, err);
}

static int keep_ra(struct node *node, const char *device, struct err *err)
{
	char path[96];

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", device);
	return want(node, path, "1", "2", err);
}

int forwarding_enable(struct node *node, struct err *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t n;
	int ret = rtnl_link_list(&node->rt, &links, &n, err);

	for (size_t i = 0; i < n && !ret; i++)
		ret = keep_ra(node, links[i].name, err);
	for (size_t i = 0; i < 2 && !ret; i++)
		ret = want(node, forwarding[i], NULL, "1", err);
	return ret;
}

int forwarding_verify(struct node *node, struct err *err)
{
	char now[16];

	(void)node;
	for (size_t i = 0; i < 2; i++) {
		int ret = sysctl_read(forwarding[i], now, sizeof(now), err);

		if (ret == -ENOENT)
			continue;
		if (ret < 0)
			return ret;
		if (strcmp(now, "1"))
			return err_cni(err, CNI_CHECK_FAILED, "sysctl '%s' is %s, not 1",
				       forwarding[i], now);
	}
	return 0;
}

static int restore(const void *key, const void *value, void *data)
{
	const struct sysctl_key *k = key;
	const struct sysctl_value *v = value;
	char now[16];

	for (size_t i = 0; i < 2; i++)
		if (!strcmp(k->path, forwarding[i]))
			return 0;
	/* with forwarding left on, accept_ra 1 would cost the node its route from advertisements */
	if (*(const bool *)data && strstr(k->path, "/accept_ra"))
		return 0;
	/* changed by somebody else since, or gone with its device: not ours any more */
	if (sysctl_read(k->path, now, sizeof(now), NULL) < 0 || strcmp(now, v->after))
		return 0;
	return sysctl_write(k->path, v->before, NULL);
}

int sysctls_restore(struct node *node, struct err *err)
{
	int fd = node->maps.fd[MAP_SYSCTLS], ret;
	struct sysctl_key ipv6 = { { 0 } };
	struct sysctl_value value;
	bool forwards_since_us;

	snprintf(ipv6.path, sizeof(ipv6.path), "%s", forwarding[1]);
	forwards_since_us = !map_get(fd, &ipv6, &value);
	ret = map_each(fd, sizeof(struct sysctl_key), sizeof(struct sysctl_value), restore,
		       &forwards_since_us);
	return ret < 0 ? err_set(err, ret, "restore recorded sysctls") : 0;
}
