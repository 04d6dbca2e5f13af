// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a process may be moved from namespace to namespace, and a namespace lives while an fd, a
 * mount or a process holds it. So a node is made by moving there ourselves (unshare), keeping two
 * fds, and moving back; a pod is a mount
 * *inside* its node's mount namespace, and dies with that. No helper process, nothing on disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "kern/netns.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_route.h"
#include "lib/lab.h"

#define UPLINK_MTU 1500

int node_current(struct node *out, struct err *err)
{
	_cleanup_close_ int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (net < 0 || mnt < 0)
		return err_set(err, -errno, "open this process's namespaces");
	out->net = TAKE_FD(net);
	out->mnt = TAKE_FD(mnt);
	return 0;
}

int node_enter(const struct node *node, struct err *err)
{
	if (setns(node->net, CLONE_NEWNET) < 0 || setns(node->mnt, CLONE_NEWNS) < 0)
		return err_set(err, -errno, "enter a node's namespaces");
	return 0;
}

static int mount_own(const char *type, const char *path, struct err *err)
{
	if (mount(type, path, type, 0, NULL) < 0)
		return err_set(err, -errno, "mount %s on %s", type, path);
	return 0;
}

static int set_up(struct nl *nl, const char *name, struct link *out, struct err *err)
{
	const struct link_change up = { .set_up = true, .up = true };
	int ret = rtnl_link_get_name(nl, name, out, err);

	return ret ? ret : rtnl_link_change(nl, out->ifindex, &up, err);
}

/* eth0 is a veth whose other end lies in `world`, where nobody listens: measured are verbs, not
 * packets. */
static int make_uplink(struct nl *nl, struct nl *world_nl, int world, struct err *err)
{
	const struct veth_spec veth = {
		.host_name = "eth0", .pod_name = "eth0", .pod_netns = world, .mtu = UPLINK_MTU,
		.host_mac = { 2, 0, 192, 0, 2, 1 }, .pod_mac = { 2, 0, 192, 0, 2, 254 },
	};
	struct ifaddr addr = { .scope = RT_SCOPE_UNIVERSE };
	struct route route = { .protocol = RTPROT_STATIC, .scope = RT_SCOPE_UNIVERSE };
	struct link link;
	int ret;

	cidr_parse("192.0.2.1/24", &addr.cidr);
	cidr_parse("0.0.0.0/0", &route.dst);
	addr_parse("192.0.2.254", &route.gateway);
	if ((ret = rtnl_veth_add(nl, &veth, err)) || (ret = set_up(world_nl, "eth0", &link, err)) ||
	    (ret = set_up(nl, "eth0", &link, err)))
		return ret;
	addr.ifindex = route.oif = link.ifindex;
	ret = rtnl_addr_add(nl, &addr, err);
	return ret ? ret : rtnl_route_add(nl, &route, err);
}

/* To be called in the new namespaces. */
static int furnish(struct err *err)
{
	_cleanup_close_ int self = -1, world = -1;
	struct nl nl = { 0 }, world_nl = { 0 };
	struct link lo;
	int ret;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(err, -errno, "make mounts private");
	if ((ret = mount_own("sysfs", "/sys", err)) || (ret = mount_own("bpf", "/sys/fs/bpf", err)) ||
	    (ret = mount_own("tmpfs", "/run", err)))
		return ret;
	if (mkdir(POD_DIR, 0755) < 0)
		return err_set(err, -errno, "mkdir %s", POD_DIR);
	if ((ret = pod_make("/run/world", err)) < 0 || (ret = world = netns_open("/run/world", err)) < 0 ||
	    (ret = self = netns_open_self(err)) < 0)
		return ret;

	ret = nl_open(&nl, NETLINK_ROUTE, err);
	if (!ret)
		ret = netns_nl_open(&world_nl, world, self, err);
	if (!ret)
		ret = set_up(&nl, "lo", &lo, err);
	if (!ret)
		ret = make_uplink(&nl, &world_nl, world, err);
	nl_close(&world_nl);
	nl_close(&nl);
	return ret;
}

int node_make(const struct node *home, struct node *out, struct err *err)
{
	struct node node;
	int ret;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return err_set(err, -errno, "unshare");
	ret = furnish(err);
	if (!ret)
		ret = node_current(&node, err);
	if (ret)
		return err_wrap(err, "make a node");	/* the caller's end: it is not home any more */
	*out = node;
	return node_enter(home, err);
}

int pod_make(const char *path, struct err *err)
{
	_cleanup_close_ int node = netns_open_self(err);
	_cleanup_close_ int file = open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int ret = 0;

	if (node < 0)
		return node;
	if (file < 0 || unshare(CLONE_NEWNET) < 0)
		return err_set(err, -errno, "make pod '%s'", path);
	if (mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0)
		ret = err_set(err, -errno, "mount pod '%s'", path);
	if (setns(node, CLONE_NEWNET) < 0)
		ret = err_set(err, -errno, "return from pod '%s'", path);
	return ret;
}
