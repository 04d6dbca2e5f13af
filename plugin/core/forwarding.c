// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a node that forwards IPv6 stops to accept router advertisements, and loses the default
 * route it has from one, unless accept_ra is 2. So every device that accepts them (1) gets 2
 * *before* forwarding is switched on; not `default`, which would let every later veth of anybody
 * accept them too.
 *
 * The short way hides the data of a TCP connection from conntrack, which then knows neither side's
 * window any more: to it a FIN is out of window, and after more than 2 GB an RST too. Such packets
 * are INVALID, so nobody translates them, and the connection cannot end. tcp_be_liberal and
 * tcp_ignore_invalid_rst tell it not to mind. Without a short way they are left as they are. They
 * appear with nf_conntrack, which on a modular kernel the base table loads.
 *
 * Nothing else is changed node-wide. Each change is recorded with what was before, once.
 *
 * Sysctls are set together with what wants them: by the first ADD after a boot, and by one that
 * changes the settings or loads the programs anew. Whoever turns one back later has a reason that
 * we do not know, so no other ADD does it again; STATUS and CHECK name it until he returns it.
 * (Every ADD that builds sees to accept_ra: devices come later, too.)
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/forwarding.h"
#include "kern/rtnl_link.h"
#include "kern/sysctl.h"

static const char *const forwarding[2] = { "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding" };
static const char *const tracking[2] = { "net/netfilter/nf_conntrack_tcp_be_liberal",
					 "net/netfilter/nf_conntrack_tcp_ignore_invalid_rst" };

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

static int switch_on(struct node *node, const char *const paths[2], struct err *err)
{
	int ret = want(node, paths[0], NULL, "1", err);

	return ret < 0 ? ret : want(node, paths[1], NULL, "1", err);
}

int forwarding_enable(struct node *node, bool apply, struct err *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t n;
	int ret = rtnl_link_list(&node->rt, &links, &n, err);

	for (size_t i = 0; i < n && !ret; i++)
		ret = keep_ra(node, links[i].name, err);
	return ret < 0 || !apply ? ret : switch_on(node, forwarding, err);
}

static bool has_short_way(const struct node *node)
{
	return node->config.short_way != SHORT_OFF && node->config.level < LEVEL_NFTABLES;
}

int tracking_relax(struct node *node, struct err *err)
{
	return has_short_way(node) ? switch_on(node, tracking, err) : 0;
}

static int verify_on(const char *const paths[2], const char *advice, struct err *err)
{
	char now[16];

	for (size_t i = 0; i < 2; i++) {
		int ret = sysctl_read(paths[i], now, sizeof(now), err);

		if (ret == -ENOENT)
			continue;
		if (ret < 0)
			return ret;
		if (strcmp(now, "1"))
			return err_cni(err, CNI_CHECK_FAILED, "sysctl '%s' is %s, not 1: %s",
				       paths[i], now, advice);
	}
	return 0;
}

int sysctls_verify(const struct node *node, struct err *err)
{
	int ret = verify_on(forwarding, "pods reach nobody until it is set again", err);

	return ret < 0 || !has_short_way(node) ? ret :
		verify_on(tracking, "TCP connections that took the short way may hang; set it "
			  "again, or give \"shortWay\": \"off\"", err);
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
