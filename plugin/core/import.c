// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: bpffs can vanish under running pods (unmounted, or another instance mounted over it). The
 * pods keep working: programs and maps live as long as something holds them. But the next ADD finds
 * no maps and makes new ones, and an empty `pods` would hand out addresses that are in use. So
 * whoever makes maps first reads the pods back from what cannot vanish without them: the host
 * link's alias says network, container and interface, and the routes to it that bear our protocol
 * number say the addresses. Then the programs are put on every such link anew, because those that
 * are there ask the old maps.
 *
 * An alias is set after the link is created, so a link without one belongs to an ADD that has not
 * finished; its own record, or DEL by the link's name, deals with that.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/basetable.h"
#include "core/identity.h"
#include "core/import.h"
#include "core/ipam.h"
#include "core/journal.h"
#include "core/programs.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_route.h"

int import_each_link(struct node *node,
		     int (*fn)(const struct host_link *link, void *data, struct err *err),
		     void *data, struct err *err)
{
	_cleanup_free_ struct link *links = NULL;
	size_t n = 0;
	int ret = rtnl_link_list(&node->rt, &links, &n, err);

	for (size_t i = 0; i < n && !ret; i++) {
		struct host_link link = { .ifindex = links[i].ifindex };

		if (identity_parse_alias(links[i].alias, &link.key, link.network) < 0)
			continue;
		memcpy(link.name, links[i].name, sizeof(link.name));
		memcpy(link.mac, links[i].mac, sizeof(link.mac));
		ret = fn(&link, data, err);
	}
	return ret;
}

static bool holds(const struct addr *list, size_t n, const struct addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (addr_equal(&list[i], addr))
			return true;
	return false;
}

/* An IPv4 address has two routes (plumb.c). */
int import_addrs(struct node *node, int ifindex, struct addr out[POD_ADDRS_MAX], size_t *n,
		 struct err *err)
{
	const struct route_filter filter = { .oif = ifindex, .protocol = RTPROT_CTNAT };
	_cleanup_free_ struct route *routes = NULL;
	size_t found = 0, kept = 0;
	int ret = rtnl_route_list(&node->rt, &filter, &routes, &found, err);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < found && kept < POD_ADDRS_MAX; i++)
		if (routes[i].dst.len == 128 && !holds(out, kept, &routes[i].dst.addr))
			out[kept++] = routes[i].dst.addr;
	*n = kept;
	return 0;
}

/* Also of one that has a record: `pod_bloom` may be new. */
static int record_addr(struct node *node, const struct host_link *link, const struct addr *addr)
{
	struct pod pod = {
		.ifindex = link->ifindex,
		.state = STATE_READY,
		.created = clock_realtime(),
		.owner = link->key,
	};
	int ret;

	if (!table_range_holds(node, addr))
		pod.flags = POD_DELEGATED;	/* for no range of ours can have given it */

	memcpy(pod.host_mac, link->mac, sizeof(pod.host_mac));
	ret = pod_record(&node->maps, addr, &pod);
	return ret == -EEXIST ? 0 : ret;
}

static int import_link(const struct host_link *link, void *data, struct err *err)
{
	struct attachment att = { .state = STATE_READY,
				  .ifindex = link->ifindex,
				  .created = clock_realtime() };
	struct node *node = data;
	size_t n = 0;
	int ret = import_addrs(node, link->ifindex, att.addrs, &n, err);

	if (ret < 0)
		return ret;
	att.n_addrs = n;
	memcpy(att.host_ifname, link->name, sizeof(att.host_ifname));
	memcpy(att.network, link->network, sizeof(att.network));
	for (size_t i = 0; i < n && !ret; i++)
		ret = record_addr(node, link, &att.addrs[i]);
	if (!ret)
		ret = map_create(node->maps.fd[MAP_ATTACHMENTS], &link->key, &att);
	return ret < 0 && ret != -EEXIST ?
		       err_set(err, ret, "record the pod behind interface '%s'", link->name) :
		       0;
}

int import_pods(struct node *node, struct err *err)
{
	return import_each_link(node, import_link, node, err);
}

/* The second program follows the first, which is there by tcx if the pod is shaped: then the
 * bandwidth plugin's qdisc may be where a filter would go. */
static int attach_link(const struct host_link *link, void *data, struct err *err)
{
	enum tc_way way = TC_CLSACT;
	int ret;

	tc_query(link->ifindex, TC_FROM_POD, NULL, &way, NULL);
	ret = programs_attach(data, link->ifindex, DEVICE_POD, way, err);
	return ret == -ENODEV ? 0 : ret;	/* it went meanwhile */
}

int import_attach(struct node *node, struct err *err)
{
	return import_each_link(node, attach_link, node, err);
}
