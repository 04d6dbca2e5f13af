// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: what a device is (network, source address, port, checksums, MAC) is given at its birth,
 * and compared each time; what it has (MTU, state, addresses, sysctls) is put right in place. A
 * device that was left half made is down, so `up` comes last, and says that the rest was done.
 *
 * Each node's address on it is the network address of its pod CIDR, which no pod ever has. The node
 * sends from there to pods of other nodes: so what comes back goes through the tunnel as well, and
 * no cloud sees a pod's address beside it.
 *
 * Reverse path filter: a packet from a pod or node of the overlay came the way that we would
 * answer, which is all that a strict filter asks, as long as both nodes have chosen the same way.
 * While they have not yet (one has heard of a change, the other has not), or if a process on a node
 * speaks from another address of it, the two differ; so where a strict filter would apply to the
 * device it becomes a loose one. (The kernel takes the greater of the device's and `all`.) The
 * filter of the uplink sees the outer packets: node to node, nothing out of the ordinary.
 *
 * The network behind it is a list of nodes, not a link: no router speaks there, so advertisements
 * and redirects are not listened to, and there are no link-local addresses.
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/overlay.h"
#include "base/cleanup.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_vxlan.h"
#include "kern/sysctl.h"

#define UPLINK_MTU_DEFAULT 1500

__u32 overlay_overhead(const struct addr *local)
{
	return addr_is_v4(local) ? VXLAN_OVERHEAD4 : VXLAN_OVERHEAD6;
}

/* ---- the device ------------------------------------------------------------------------------ */

static bool is_as_born(const struct overlay_device *device, const struct link *link,
		       const struct vxlan *vxlan)
{
	return vxlan->id == OVERLAY_ID && vxlan->port == OVERLAY_PORT && !vxlan->learning &&
	       vxlan->own_sums && addr_equal(&vxlan->local, &device->local) &&
	       !memcmp(link->mac, device->mac, MAC_LEN);
}

static int create(struct nl *rt, const struct overlay_device *device, struct err *err)
{
	struct vxlan_spec spec = {
		.name = OVERLAY_NAME,
		.id = OVERLAY_ID,
		.port = OVERLAY_PORT,
		.local = device->local,
		.mtu = device->mtu,
	};

	memcpy(spec.mac, device->mac, MAC_LEN);
	if (!spec.mtu)
		spec.mtu = UPLINK_MTU_DEFAULT - overlay_overhead(&device->local);
	return rtnl_vxlan_add(rt, &spec, err);
}

/* Returns 1 if there is the right device, 0 if there is none (any more). */
static int find(struct nl *rt, const struct overlay_device *device, struct link *out,
		struct err *err)
{
	struct vxlan vxlan;
	struct link link;
	int ret = rtnl_link_get_name(rt, OVERLAY_NAME, &link, err);

	if (ret == -ENODEV)
		return 0;
	if (!ret)
		ret = rtnl_vxlan_get(rt, link.ifindex, &vxlan, err);
	if (ret == -EPROTOTYPE)
		return err_set(err, -EEXIST, "link '%s' is somebody else's, and no VXLAN device",
			       OVERLAY_NAME);
	if (ret < 0)
		return ret;
	if (!is_as_born(device, &link, &vxlan))
		return rtnl_link_del(rt, link.ifindex, err);
	*out = link;
	return 1;
}

static int make(struct nl *rt, const struct overlay_device *device, struct link *link,
		struct err *err)
{
	int ret = find(rt, device, link, err);

	if (ret)
		return ret < 0 ? ret : 0;
	ret = create(rt, device, err);
	return ret < 0 ? ret : rtnl_link_get_name(rt, OVERLAY_NAME, link, err);
}

/* ---- what it has ----------------------------------------------------------------------------- */

/* Returns 0 with the value empty if there is no such sysctl: IPv6 is switched off. */
static int read_conf(const char *family, const char *device, const char *name, char value[16],
		     struct err *err)
{
	char path[96];
	int ret;

	snprintf(path, sizeof(path), "net/%s/conf/%s/%s", family, device, name);
	ret = sysctl_read(path, value, 16, err);
	if (ret == -ENOENT)
		value[0] = '\0';
	return ret == -ENOENT ? 0 : ret;
}

static int set_conf(const char *family, const char *name, const char *value, struct err *err)
{
	char path[96], now[16];
	int ret = read_conf(family, OVERLAY_NAME, name, now, err);

	if (ret < 0 || !now[0] || !strcmp(now, value))
		return ret;
	snprintf(path, sizeof(path), "net/%s/conf/%s/%s", family, OVERLAY_NAME, name);
	return sysctl_write(path, value, err);
}

static int loosen_filter(struct err *err)
{
	char all[16], own[16];
	int ret = read_conf("ipv4", "all", "rp_filter", all, err);

	if (!ret)
		ret = read_conf("ipv4", OVERLAY_NAME, "rp_filter", own, err);
	if (ret < 0 || (strcmp(own, "1") && (strcmp(own, "0") || strcmp(all, "1"))))
		return ret;
	return set_conf("ipv4", "rp_filter", "2", err);
}

static int set_sysctls(const struct overlay_device *device, struct err *err)
{
	static const struct {
		const char *family, *name, *value;
	} list[] = {
		{ "ipv4", "forwarding", "1" },
		{ "ipv4", "accept_redirects", "0" },
		{ "ipv4", "send_redirects", "0" },
		{ "ipv6", "forwarding", "1" },
		{ "ipv6", "accept_redirects", "0" },
		{ "ipv6", "accept_ra", "0" },
	};
	int ret = loosen_filter(err);

	if (!ret && device->v6)
		ret = set_conf("ipv6", "disable_ipv6", "0", err);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]) && !ret; i++)
		ret = set_conf(list[i].family, list[i].name, list[i].value, err);
	return ret;
}

static bool is_own(const struct overlay_device *device, const struct cidr *cidr)
{
	return cidr->len == 128 && (addr_equal(&cidr->addr, &device->own[0]) ||
				    addr_equal(&cidr->addr, &device->own[1]));
}

static int add_addresses(struct nl *rt, const struct overlay_device *device, int ifindex,
			 struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < 2 && !ret; i++) {
		struct ifaddr addr = {
			.cidr = cidr_host(&device->own[i]),
			.ifindex = ifindex,
			.scope = RT_SCOPE_UNIVERSE,
			.flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE,
		};

		if (addr_is_zero(&device->own[i]))
			continue;
		ret = rtnl_addr_add(rt, &addr, err);
		if (ret == -EEXIST)
			ret = 0;
	}
	return ret;
}

int overlay_ensure(struct nl *rt, const struct overlay_device *device, int *ifindex,
		   struct err *err)
{
	struct link_change change = { .set_up = true, .up = true, .no_linklocal = true };
	struct link link;
	int ret;

	*ifindex = 0;
	ret = make(rt, device, &link, err);
	if (ret < 0)
		return err_wrap(err, "overlay");
	*ifindex = link.ifindex;
	ret = set_sysctls(device, err);
	if (device->mtu && device->mtu != link.mtu)
		change.mtu = device->mtu;
	if (!ret && (change.mtu || !(link.flags & IFF_UP)))
		ret = rtnl_link_change(rt, link.ifindex, &change, err);
	if (!ret)
		ret = add_addresses(rt, device, link.ifindex, err);
	return ret < 0 ? err_wrap(err, "overlay device '%s'", OVERLAY_NAME) : 0;
}

int overlay_trim(struct nl *rt, const struct overlay_device *device, int ifindex, struct err *err)
{
	_cleanup_free_ struct ifaddr *addrs = NULL;
	size_t n = 0;
	int ret = rtnl_addr_list(rt, ifindex, &addrs, &n, err);

	for (size_t i = 0; i < n && !ret; i++) {
		if (is_own(device, &addrs[i].cidr))
			continue;
		ret = rtnl_addr_del(rt, &addrs[i], err);
		if (ret == -EADDRNOTAVAIL)
			ret = 0;
	}
	return ret < 0 ? err_wrap(err, "overlay device '%s'", OVERLAY_NAME) : 0;
}

int overlay_remove(struct nl *rt, struct err *err)
{
	struct vxlan vxlan;
	struct link link;
	int ret = rtnl_link_get_name(rt, OVERLAY_NAME, &link, err);

	if (!ret)
		ret = rtnl_vxlan_get(rt, link.ifindex, &vxlan, err);
	if (!ret)
		ret = rtnl_link_del(rt, link.ifindex, err);
	return ret == -ENODEV || ret == -EPROTOTYPE ? 0 : ret;
}
