// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/roster.h"
#include "core/routelist.h"
#include "kern/rtnl_link.h"

/* Routes to other nodes' pods are ctnatd's, and bear another number than those to our own. */
#define RTPROT_NODES 202

struct context {
	const struct roster_entry *pods;
	size_t n_pods;
	const struct link *links;
	size_t n_links;
};

static const struct roster_entry *owner_of(const struct context *c, const struct addr *addr)
{
	for (size_t i = 0; i < c->n_pods; i++)
		for (__u32 j = 0; j < c->pods[i].record.n_addrs; j++)
			if (addr_equal(&c->pods[i].record.addrs[j], addr))
				return &c->pods[i];
	return NULL;
}

static void say_pod(const struct context *c, struct listed_route *out)
{
	const struct roster_entry *pod = owner_of(c, &out->route.dst.addr);
	/* plumb.c: the worse of two IPv4 routes names no source */
	const char *second = addr_is_v4(&out->route.dst.addr) && out->route.metric ?
				     ", for when the node's address changes" : "";

	if (!pod)
		snprintf(out->purpose, sizeof(out->purpose), "nothing: no pod has this address");
	else if (pod->pod[0])
		snprintf(out->purpose, sizeof(out->purpose), "pod %s%s", pod->pod, second);
	else
		snprintf(out->purpose, sizeof(out->purpose), "container %.12s %s%s",
			 pod->key.container_id, pod->key.ifname, second);
}

static void say_node(const struct link *link, struct listed_route *out)
{
	char text[ADDR_STRLEN] = "its device";
	bool overlay = link && !strcmp(link->kind, "vxlan");

	if (!addr_is_zero(&out->route.gateway))
		addr_format(&out->route.gateway, text);
	snprintf(out->purpose, sizeof(out->purpose), "pods of another node, %s %s",
		 overlay ? "by VXLAN to" : "directly by", text);
}

static void describe(const struct context *c, const struct route *route, struct listed_route *out)
{
	const struct link *link = NULL;

	for (size_t i = 0; i < c->n_links && !link; i++)
		if (c->links[i].ifindex == route->oif)
			link = &c->links[i];
	out->route = *route;
	if (link)
		memcpy(out->device, link->name, sizeof(out->device));
	out->to_pod = route->protocol == RTPROT_CTNAT;
	if (out->to_pod)
		say_pod(c, out);
	else
		say_node(link, out);
}

static int add(struct node *node, const struct context *c, unsigned char protocol,
	       struct nl_array *list, struct err *err)
{
	const struct route_filter filter = { .protocol = protocol };
	_cleanup_free_ struct route *routes = NULL;
	struct listed_route *slot;
	size_t n = 0;
	int ret = rtnl_route_list(&node->rt, &filter, &routes, &n, err);

	for (size_t i = 0; i < n && !ret; i++) {
		slot = nl_array_add(list);
		if (slot)
			describe(c, &routes[i], slot);
		else
			ret = err_set(err, -ENOMEM, "list routes");
	}
	return ret;
}

int routelist_read(struct node *node, struct listed_route **out, size_t *n, struct err *err)
{
	_cleanup_free_ struct roster_entry *pods = NULL;
	_cleanup_free_ struct link *links = NULL;
	struct nl_array list = { .size = sizeof(**out) };
	struct context c = { .n_pods = 0 };
	int ret = rtnl_link_list(&node->rt, &links, &c.n_links, err);

	if (!ret && node_has_records(node))
		ret = roster_list(node, &pods, &c.n_pods, err);
	c.links = links;
	c.pods = pods;
	if (!ret)
		ret = add(node, &c, RTPROT_CTNAT, &list, err);
	if (!ret)
		ret = add(node, &c, RTPROT_NODES, &list, err);
	if (ret < 0) {
		free(list.items);
		return ret;
	}
	*out = list.items;
	*n = list.n;
	return 0;
}
