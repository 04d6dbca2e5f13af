// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: an uplink is a device by which pods leave, with the address they leave with. Programs and
 * base table read both from the map, so TCP and ICMP of one pod come from one address. The address
 * of a family is the default route's preferred source if it names one, else the device's first
 * global address that is not deprecated, tentative or temporary: what the kernel itself would
 * choose for a new connection.
 *
 * A device that is no uplink any more stays in the map as a former one, for as long as it is there:
 * pods may still be routed that way, and the guard on it must hold. No new flow takes its address.
 *
 * An address that the node has lost is no source for anybody: the entries that translate to it are
 * deleted, so that the next packet of such a flow begins anew with an address that the node has.
 * The kernel does the same for its own masquerade, and not for entries with a fixed address.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/guard.h"
#include "core/uplink.h"
#include "kern/ctnl.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_route.h"
#include "kern/tcattach.h"

#define MTU_DEFAULT 1500	/* without any uplink */

struct found {
	__u32 ifindex[UPLINKS_MAX];
	struct uplink uplink[UPLINKS_MAX];
	size_t n;
};

static struct addr *family_addr(struct uplink *uplink, int family)
{
	return family == AF_INET ? &uplink->v4 : &uplink->v6;
}

static struct uplink *find(struct found *found, __u32 ifindex)
{
	for (size_t i = 0; i < found->n; i++)
		if (found->ifindex[i] == ifindex)
			return &found->uplink[i];
	return NULL;
}

static void name_device(struct uplink *uplink, const struct link *link)
{
	uplink->mtu = link->mtu;
	uplink->flags = link->type == ARPHRD_ETHER ? UPLINK_ETHERNET : 0;
	memcpy(uplink->name, link->name, sizeof(uplink->name));
}

/* What the device is now, with the address that the kernel itself would choose. */
static int describe(struct node *node, const struct link *link, struct uplink *out, struct err *err)
{
	static const __u32 unusable =
		IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_TEMPORARY | IFA_F_DADFAILED;
	_cleanup_free_ struct ifaddr *addrs = NULL;
	struct uplink uplink = { .flags = 0 };
	size_t n;
	int ret = rtnl_addr_list(&node->rt, link->ifindex, &addrs, &n, err);

	if (ret < 0)
		return ret;
	name_device(&uplink, link);
	for (size_t i = 0; i < n; i++) {
		struct addr *addr = family_addr(&uplink, addr_family(&addrs[i].cidr.addr));

		if (addr_is_zero(addr) && addrs[i].scope == RT_SCOPE_UNIVERSE &&
		    !(addrs[i].flags & unusable))
			*addr = addrs[i].cidr.addr;
	}
	*out = uplink;
	return 0;
}

static int add(struct node *node, struct found *found, const struct link *link, struct err *err)
{
	int ret;

	if (find(found, link->ifindex))
		return 0;
	if (found->n == UPLINKS_MAX)
		return err_cni(err, CNI_INVALID_CONFIG, "more than %d uplinks", UPLINKS_MAX);
	ret = describe(node, link, &found->uplink[found->n], err);
	if (ret < 0)
		return err_wrap(err, "addresses of uplink '%s'", link->name);
	found->ifindex[found->n++] = link->ifindex;
	return 0;
}

static int add_named(struct node *node, const struct node_settings *settings, struct found *found,
		     struct err *err)
{
	struct link link;

	for (size_t i = 0; i < settings->n_uplinks; i++) {
		int ret = rtnl_link_get_name(&node->rt, settings->uplinks[i], &link, err);

		if (ret == -ENODEV)
			return err_cni(err, CNI_INVALID_CONFIG,
				       "uplinks: there is no interface '%s' on this node",
				       settings->uplinks[i]);
		if (!ret)
			ret = add(node, found, &link, err);
		if (ret < 0)
			return err_wrap(err, "uplink '%s'", settings->uplinks[i]);
	}
	return 0;
}

/* Asks the default routes, the best of each family first: for the uplinks if none is named, and for
 * preferred sources in any case. */
static int ask_routes(struct node *node, bool named, struct found *found, struct err *err)
{
	const struct route_filter filter = { .default_only = true };
	_cleanup_free_ struct route *routes = NULL;
	bool preferred[2] = { false, false };
	struct uplink *uplink;
	struct link link;
	size_t n = 0;
	int ret = rtnl_route_list(&node->rt, &filter, &routes, &n, err);

	for (size_t i = 0; i < n && !ret; i++) {
		int family = addr_family(&routes[i].dst.addr);
		bool *done = &preferred[family == AF_INET6];

		if (!named && routes[i].oif) {
			ret = rtnl_link_get_index(&node->rt, routes[i].oif, &link, err);
			if (!ret && link.type != ARPHRD_LOOPBACK)
				ret = add(node, found, &link, err);
		}
		uplink = find(found, routes[i].oif);
		if (uplink && !*done && !addr_is_zero(&routes[i].prefsrc))
			*family_addr(uplink, family) = routes[i].prefsrc;
		*done = *done || uplink;
	}
	return ret;
}

/* ---- what was -------------------------------------------------------------------------------- */

/* Whatever the kernel says of another route, or that there is none: 0. Negative: it could not say,
 * which must not pass for a loss. */
static int is_local(struct node *node, const struct addr *addr, struct err *err)
{
	struct route route;
	int ret = rtnl_route_get(&node->rt, addr, &route, err);

	if (ret < 0)
		return rtnl_is_no_route(ret) ? 0 : ret;
	return route.type == RTN_LOCAL;
}

/* An address that the node has lost becomes zero, and what was translated to it ends. */
static int settle_address(struct node *node, struct addr *addr, struct lost *lost, struct err *err)
{
	int ret = addr_is_zero(addr) ? 1 : is_local(node, addr, err);

	if (ret)
		return ret < 0 ? ret : 0;
	if (lost->n < sizeof(lost->addr) / sizeof(lost->addr[0]))
		lost->addr[lost->n++] = *addr;
	ret = ctnl_flush_snat(&node->nf, addr, NULL, err);
	memset(addr, 0, sizeof(*addr));
	return ret;
}

struct past {
	struct node *node;
	struct found *found;
	struct lost *lost;
	struct err *err;
};

/* Before the map forgets: a build that dies is done again, and finds the same addresses. */
static int settle_uplink(const void *key, const void *value, void *data)
{
	__u32 ifindex = *(const __u32 *)key;
	struct uplink uplink = *(const struct uplink *)value;
	const struct past *past = data;
	int fd = past->node->maps.fd[MAP_UPLINKS], ret;
	struct link link;

	ret = settle_address(past->node, &uplink.v4, past->lost, past->err);
	if (!ret)
		ret = settle_address(past->node, &uplink.v6, past->lost, past->err);
	if (ret < 0)
		return ret;
	if (find(past->found, ifindex))
		return 0;
	ret = rtnl_link_get_index(&past->node->rt, ifindex, &link, past->err);
	if (ret < 0 && ret != -ENODEV)
		return ret;
	if (ret == -ENODEV || strcmp(link.name, uplink.name)) {
		ret = map_delete(fd, key);
	} else {
		name_device(&uplink, &link);
		uplink.flags |= UPLINK_FORMER;
		ret = map_set(fd, key, &uplink);
	}
	return ret < 0 ? err_set(past->err, ret, "write map 'uplinks'") : 0;
}

int uplinks_adopt(struct node *node, struct err *err)
{
	_cleanup_free_ struct link *links = NULL;
	int fd = node->maps.fd[MAP_UPLINKS];
	size_t n = 0;
	int ret = rtnl_link_list(&node->rt, &links, &n, err);

	for (size_t i = 0; i < n && !ret; i++) {
		__u32 ifindex = links[i].ifindex;
		struct uplink uplink = { .flags = 0 };

		if (tc_query(ifindex, TC_TO_UPLINK, NULL, NULL, NULL) < 0)
			continue;
		name_device(&uplink, &links[i]);
		uplink.flags |= UPLINK_FORMER;
		ret = map_create(fd, &ifindex, &uplink);
		ret = ret < 0 && ret != -EEXIST ? err_set(err, ret, "write map 'uplinks'") : 0;
	}
	return ret;
}

int uplinks_refresh(struct node *node, const struct node_settings *settings, struct lost *lost,
		    struct err *err)
{
	struct found found = { .n = 0 };
	struct past past = { node, &found, lost, err };
	int fd = node->maps.fd[MAP_UPLINKS];
	__u32 mtu = 0;
	int ret = add_named(node, settings, &found, err);

	if (!ret)
		ret = ask_routes(node, settings->n_uplinks > 0, &found, err);
	if (ret < 0)
		return err_wrap(err, "find the uplinks");
	ret = map_each(fd, sizeof(__u32), sizeof(struct uplink), settle_uplink, &past);
	for (size_t i = 0; i < found.n && !ret; i++) {
		ret = map_set(fd, &found.ifindex[i], &found.uplink[i]);
		if (ret < 0)
			err_set(err, ret, "write map 'uplinks'");
		if (!mtu || found.uplink[i].mtu < mtu)
			mtu = found.uplink[i].mtu;
	}
	if (ret < 0)
		return ret;
	node->config.mtu = settings->mtu ? settings->mtu :
					   (mtu ? mtu : MTU_DEFAULT) - settings->overhead;
	return 0;
}

int uplinks_end_lost(struct node *node, const struct lost *lost, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < lost->n && !ret; i++)
		ret = ctnl_flush_snat(&node->nf, &lost->addr[i], NULL, err);
	return ret;
}

/* ---- what is --------------------------------------------------------------------------------- */

/* Is the address still the node's? One that there was none of: is there still none? */
static bool address_stands(struct node *node, const struct addr *was, const struct addr *now)
{
	return addr_is_zero(was) ? addr_is_zero(now) : is_local(node, was, NULL) != 0;
}

struct standing {
	struct node *node;
	unsigned int n;		/* uplinks that are no former ones */
};

static int stands(const void *key, const void *value, void *data)
{
	const struct uplink *was = value;
	struct standing *standing = data;
	struct node *node = standing->node;
	struct uplink now;
	struct link link;

	if (rtnl_link_get_index(&node->rt, *(const __u32 *)key, &link, NULL) < 0 ||
	    strcmp(link.name, was->name) || link.mtu != was->mtu ||
	    describe(node, &link, &now, NULL) < 0)
		return -ESTALE;
	/* a former one gets no new address, but may lose its old one */
	if (was->flags & UPLINK_FORMER)
		now.v4 = now.v6 = (struct addr){ { 0 } };
	else
		standing->n++;
	return address_stands(node, &was->v4, &now.v4) && address_stands(node, &was->v6, &now.v6) ?
		       0 : -ESTALE;
}

/* Does the way to the world go by an uplink that is known? The addresses stand for the rest of the
 * Internet (6to4's old anycast, and the first of all); nothing is sent to them. */
static bool way_out_known(struct node *node)
{
	static const char *const far[] = { "192.88.99.1", "2000::" };
	struct uplink uplink;
	struct route route;
	struct addr addr;
	__u32 ifindex;

	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		if (addr_parse(far[i], &addr) < 0 ||
		    rtnl_route_get(&node->rt, &addr, &route, NULL) < 0 ||
		    route.type != RTN_UNICAST)
			continue;
		ifindex = route.oif;
		if (map_get(node->maps.fd[MAP_UPLINKS], &ifindex, &uplink) < 0 ||
		    uplink.flags & UPLINK_FORMER)
			return false;
	}
	return true;
}

bool uplinks_stand(struct node *node)
{
	int fd = node->maps.fd[MAP_UPLINKS];
	struct standing standing = { node, 0 };

	/* with no uplink at all, and none named: perhaps there is a way out by now */
	return !map_each(fd, sizeof(__u32), sizeof(struct uplink), stands, &standing) &&
	       (node->config.uplinks_named ? standing.n > 0 : way_out_known(node)) &&
	       !guard_verify(node, NULL);
}

struct find_address {
	int family;
	struct addr addr;
};

static int note_address(const void *key, const void *value, void *data)
{
	const struct uplink *uplink = value;
	struct find_address *find = data;

	(void)key;
	if (uplink->flags & UPLINK_FORMER)
		return 0;
	find->addr = find->family == AF_INET ? uplink->v4 : uplink->v6;
	return !addr_is_zero(&find->addr);
}

struct addr uplink_address(const struct node *node, int family)
{
	struct find_address find = { .family = family };

	map_each(node->maps.fd[MAP_UPLINKS], sizeof(__u32), sizeof(struct uplink), note_address,
		 &find);
	return find.addr;
}
