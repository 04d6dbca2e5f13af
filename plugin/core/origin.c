// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a pod's address speaks from its pod's veth, an address of the node's from nowhere, and
 * any other comes by the uplink that leads to it. Whoever wants to know about somebody who speaks
 * with another's address says who it is.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/identity.h"
#include "core/import.h"
#include "core/origin.h"
#include "core/roster.h"

static int by_pod(struct node *node, const struct attachment_key *owner, struct explanation *x,
		  struct err *err)
{
	char name[IFNAME_MAX];
	int ret;

	identity_host_ifname(owner, name);
	ret = rtnl_link_get_name(&node->rt, name, &x->device, err);
	if (ret < 0)
		return err_wrap(err, "host link of pod %s/%s, '%s'", owner->container_id,
				owner->ifname, name);
	x->origin = ORIGIN_POD;
	x->sender = *owner;
	return 0;
}

static int by_device(struct node *node, const struct link *link, struct explanation *x,
		     struct err *err)
{
	__u32 ifindex = (__u32)link->ifindex;
	struct attachment_key owner;
	char network[NETWORK_NAME_MAX];
	struct uplink uplink;

	if (!identity_parse_alias(link->alias, &owner, network))
		return by_pod(node, &owner, x, err);
	if (map_get(node->maps.fd[MAP_UPLINKS], &ifindex, &uplink) < 0)
		return err_cni(err, CNI_INVALID_ENV,
			       "interface '%s' is no uplink, so none of our programs sees what "
			       "comes by it: uplinks are listed by ctnatctl status",
			       link->name);
	x->origin = ORIGIN_UPLINK;
	x->device = *link;
	return 0;
}

static int by_name(struct node *node, const char *in, struct explanation *x, struct err *err)
{
	_cleanup_free_ struct roster_entry *pods = NULL;
	const struct roster_entry *pod;
	struct link link;
	size_t n = 0;
	int ret;

	if (strlen(in) < IFNAME_MAX && !rtnl_link_get_name(&node->rt, in, &link, NULL))
		return by_device(node, &link, x, err);
	ret = roster_list(node, &pods, &n, err);
	if (ret < 0)
		return ret;
	pod = roster_find(pods, n, in, err);
	return pod ? by_pod(node, &pod->key, x, err) : -EINVAL;
}

static int by_source(struct node *node, struct explanation *x, struct err *err)
{
	const struct addr *src = &x->packet.src;
	char text[ADDR_STRLEN];
	struct route route;
	struct link link;
	struct pod pod;
	int ret;

	if (!map_get(node->maps.fd[MAP_PODS], src, &pod))
		return by_pod(node, &pod.owner, x, err);
	ret = rtnl_route_get(&node->rt, src, &route, err);
	if (!ret && route.type == RTN_LOCAL) {
		x->origin = ORIGIN_NODE;
		return 0;
	}
	if (!ret)
		ret = rtnl_link_get_index(&node->rt, route.oif, &link, err);
	if (!ret)
		ret = by_device(node, &link, x, err);
	return ret < 0 ? err_wrap(err, "%s is no pod of this node; as an address outside (--in "
				       "says who sends it)", addr_format(src, text)) : 0;
}

int origin_find(struct node *node, const char *in, struct explanation *x, struct err *err)
{
	return in[0] ? by_name(node, in, x, err) : by_source(node, x, err);
}
