// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: CHECK asks for each thing that ADD made, in the order in which it was made, and names the
 * first that is not as it was. It allows what plugins behind us in the chain rightly change:
 * `tuning` may set another MAC, which makes the kernel flush the pod's permanent gateway entry
 * (then none, or one that the kernel learned, is right), and another MTU; `bandwidth` adds qdiscs
 * and filters. It looks at our programs, not at who else is on the hooks.
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/check.h"
#include "core/plumb.h"
#include "core/programs.h"
#include "kern/netns.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_neigh.h"
#include "kern/rtnl_route.h"

/* The kernel's own NUD_VALID is not exported. */
#define NUD_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

#define FAILED(err, ...) err_cni(err, CNI_CHECK_FAILED, __VA_ARGS__)

static int check_record(struct attachment_work *w, struct err *err)
{
	const struct attachment_key *key = &w->req->key;
	unsigned long long inode;
	char text[ADDR_STRLEN];
	int ret;

	if (!w->recorded || w->record.state != STATE_READY)
		return FAILED(err, "map 'attachments' has no ready entry for %s/%s",
			      key->container_id, key->ifname);
	ret = netns_inode(w->pod_netns, &inode, err);
	if (ret < 0)
		return ret;
	if (w->record.netns && inode != w->record.netns)
		return FAILED(err, "CNI_NETNS '%s' is another network namespace than at ADD",
			      w->req->netns);
	for (__u32 i = 0; i < w->record.n_addrs; i++) {
		struct pod pod;

		if (map_get(w->node->maps.fd[MAP_PODS], &w->record.addrs[i], &pod) < 0 ||
		    !key_equal(&pod.owner, key) || pod.state != STATE_READY ||
		    pod.ifindex != w->record.ifindex)
			return FAILED(err, "map 'pods' has no entry of this pod for address %s",
				      addr_format(&w->record.addrs[i], text));
	}
	return 0;
}

static int check_links(struct attachment_work *w, struct link *host, struct link *pod,
		       struct err *err)
{
	char alias[ALIAS_MAX];

	identity_alias(&w->req->key, w->record.network, alias);
	if (rtnl_link_get_name(&w->node->rt, w->record.host_ifname, host, NULL) < 0)
		return FAILED(err, "host interface '%s' is gone", w->record.host_ifname);
	if (strcmp(host->kind, "veth") || strcmp(host->alias, alias))
		return FAILED(err, "host interface '%s' is not the veth with alias '%s'",
			      w->record.host_ifname, alias);
	if (!(host->flags & IFF_UP))
		return FAILED(err, "host interface '%s' is down", w->record.host_ifname);
	if (rtnl_link_get_name(&w->pod_rt, w->req->key.ifname, pod, NULL) < 0)
		return FAILED(err, "interface '%s' is gone from '%s'", w->req->key.ifname,
			      w->req->netns);
	if (!(pod->flags & IFF_UP))
		return FAILED(err, "interface '%s' in '%s' is down", w->req->key.ifname,
			      w->req->netns);
	/* indexes are each namespace's own, so a veth of the pod with itself may bear the same */
	if (pod->peer_nsid < 0 || pod->peer_ifindex != host->ifindex ||
	    host->peer_ifindex != pod->ifindex)
		return FAILED(err, "interface '%s' in '%s' is not the other end of '%s'",
			      w->req->key.ifname, w->req->netns, w->record.host_ifname);
	return 0;
}

static int check_address(struct nl *nl, const struct link *link, const struct cidr *wanted,
			 struct err *err)
{
	_cleanup_free_ struct ifaddr *addrs = NULL;
	char text[ADDR_STRLEN];
	size_t n = 0;
	int ret = rtnl_addr_list(nl, link->ifindex, &addrs, &n, err);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < n; i++)
		if (addr_equal(&addrs[i].cidr.addr, &wanted->addr) &&
		    addrs[i].cidr.len == wanted->len)
			return 0;
	return FAILED(err, "address %s is gone from interface '%s'", cidr_format(wanted, text),
		      link->name);
}

/* What the runtime was told, ours or a later plugin's, whatever its prefix length. */
static int check_expected(struct attachment_work *w, const struct link *pod, struct err *err)
{
	const struct request *req = w->req;
	_cleanup_free_ struct ifaddr *addrs = NULL;
	char text[ADDR_STRLEN];
	size_t n = 0;
	int ret = rtnl_addr_list(&w->pod_rt, pod->ifindex, &addrs, &n, err);

	for (size_t i = 0; i < req->n_expected && !ret; i++) {
		size_t j = 0;

		while (j < n && !addr_equal(&addrs[j].cidr.addr, &req->expected[i]))
			j++;
		if (j == n)
			ret = FAILED(err, "interface '%s' lacks address %s of prevResult",
				     pod->name, addr_format(&req->expected[i], text));
	}
	return ret;
}

/* want->oif 0: by any interface. IPv6 has a metric in any case, and only IPv4 has two routes. */
static bool route_matches(const struct route *have, const struct route *want)
{
	return addr_equal(&have->dst.addr, &want->dst.addr) && have->dst.len == want->dst.len &&
	       (!want->oif || have->oif == want->oif) &&
	       addr_equal(&have->gateway, &want->gateway) &&
	       (!want->protocol || have->protocol == want->protocol) &&
	       (!addr_is_v4(&want->dst.addr) || have->metric == want->metric);
}

static int check_route(struct nl *nl, const struct route *want, const char *where, struct err *err)
{
	const struct route_filter filter = { .oif = want->oif };
	_cleanup_free_ struct route *routes = NULL;
	char text[ADDR_STRLEN];
	size_t n = 0;
	int ret = rtnl_route_list(nl, &filter, &routes, &n, err);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < n; i++)
		if (route_matches(&routes[i], want))
			return 0;
	return FAILED(err, "route %s by %s is gone or altered", cidr_format(&want->dst, text),
		      where);
}

static int check_host(struct attachment_work *w, const struct link *host, struct err *err)
{
	struct route routes[2];
	int ret = 0;

	/* first: without any address of the family, an interface has no routes of it either */
	for (int v6 = 0; v6 < 2 && !ret; v6++) {
		int family = v6 ? AF_INET6 : AF_INET;
		struct cidr gateway = { pod_gateway(family), v6 ? 64 : 128 };

		if (plumb_has_family(w, family))
			ret = check_address(&w->node->rt, host, &gateway, err);
	}
	for (size_t i = 0; i < w->n_addrs; i++) {
		size_t n = plumb_host_routes(w->node, host->ifindex, &w->addrs[i], routes);

		for (size_t j = 0; j < n && !ret; j++)
			ret = check_route(&w->node->rt, &routes[j], "the host interface", err);
	}
	return ret;
}

/* The entry that saves the first packet a round trip. */
static int check_gateway(struct attachment_work *w, const struct link *host, const struct link *pod,
			 int family, struct err *err)
{
	struct addr gateway = pod_gateway(family);
	__u8 mac[MAC_LEN];
	unsigned int state;
	char text[ADDR_STRLEN];
	struct pod record;
	int ret = rtnl_neigh_get(&w->pod_rt, pod->ifindex, &gateway, mac, &state, NULL);
	bool mac_changed;

	addr_format(&gateway, text);
	if (!ret && (state & NUD_VALID) && memcmp(mac, host->mac, sizeof(mac)))
		return FAILED(err, "neighbour %s of '%s' has another MAC than host interface '%s'",
			      text, pod->name, host->name);
	mac_changed = !map_get(w->node->maps.fd[MAP_PODS], &w->addrs[0], &record) &&
		      memcmp(record.pod_mac, pod->mac, sizeof(pod->mac));
	if (mac_changed || (!ret && state & NUD_PERMANENT))
		return 0;
	return FAILED(err, "permanent neighbour %s of '%s' is gone", text, pod->name);
}

static int check_pod(struct attachment_work *w, const struct link *host, const struct link *pod,
		     struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < w->n_addrs && !ret; i++) {
		struct cidr cidr = cidr_host(&w->addrs[i]);

		ret = check_address(&w->pod_rt, pod, &cidr, err);
	}
	if (!ret)
		ret = check_expected(w, pod, err);
	for (int v6 = 0; v6 < 2 && !ret; v6++)
		if (plumb_has_family(w, v6 ? AF_INET6 : AF_INET))
			ret = check_gateway(w, host, pod, v6 ? AF_INET6 : AF_INET, err);
	/* A delegate's routes are in nobody's memory; those of the configuration are known. A
	 * second interface of a pod left the first one's route alone: so any interface of the pod
	 * will do. */
	for (size_t i = 0; i < w->net->n_routes && !ret; i++) {
		int family = addr_family(&w->net->routes[i].dst.addr);
		struct route route = {
			.dst = cidr_mask(&w->net->routes[i].dst),
			.gateway = pod_gateway(family),
		};

		if (plumb_has_family(w, family))
			ret = check_route(&w->pod_rt, &route, "the pod's gateway", err);
	}
	return ret;
}

int check_attachment(struct attachment_work *w, struct err *err)
{
	struct link host, pod;
	int ret = check_record(w, err);

	if (!ret)
		ret = check_links(w, &host, &pod, err);
	if (!ret)
		ret = programs_verify(w->node, host.ifindex, DEVICE_POD, host.name, err);
	if (!ret)
		ret = check_host(w, &host, err);
	if (!ret)
		ret = check_pod(w, &host, &pod, err);
	return ret;
}
