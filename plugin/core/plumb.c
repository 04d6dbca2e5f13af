// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: point to point. The pod has its addresses as /32 and /128, so it asks for nobody but its
 * gateway, which is the same for every pod (169.254.1.1, fe80::1) and is an address of the host's
 * side of its own veth. So nothing is bridged, nothing is proxied, and the host answers ARP and ND
 * by itself. The pod also gets a permanent neighbour entry for the gateway, which saves the first
 * packet a round trip; it is no more than that, for `tuning` with a `mac` flushes it. The host does
 * not claim to know the pod's MAC, which may change; it only reserves the entry, so that a node may
 * have more pods than the kernel's neighbour table has room for (1024).
 *
 * Both MACs are set when the veth is created: a MAC that is set later changes under udev's eyes,
 * and neighbours would have to be told. No DAD is waited for: an address that `pods` gave out is
 * nobody else's.
 *
 * A host route per address names the node's own address as the preferred source, so that the node
 * speaks to its pods as itself. IPv4 drops such a route when the node loses that address (IPv6 only
 * forgets the source), so a second one of a worse metric stands behind it, for which the kernel
 * chooses: any address of the node, for 169.254.1.1 has scope host and is no choice. A node that
 * changes its address thus keeps its pods. from_pod is on the link before it is up, and lets
 * nothing through before the pod is ready; to_pod comes right after it.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/import.h"
#include "core/plumb.h"
#include "core/programs.h"
#include "core/uplink.h"
#include "kern/netns.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_neigh.h"
#include "kern/sysctl.h"

struct addr pod_gateway(int family)
{
	struct addr addr;

	addr_parse(family == AF_INET ? POD_GATEWAY4 : POD_GATEWAY6, &addr);
	return addr;
}

bool plumb_has_family(const struct attachment_work *w, int family)
{
	for (size_t i = 0; i < w->n_addrs; i++)
		if (addr_family(&w->addrs[i]) == family)
			return true;
	return false;
}

#define FALLBACK_METRIC 1024	/* worse than 0, the default of IPv4 */

static const int families[] = { AF_INET, AF_INET6 };

/* ---- link ------------------------------------------------------------------------------------ */

/* Whose name was taken: that of the host's side, by a link without a record (then it goes), or the
 * pod's? */
static int clear_leftover(struct attachment_work *w, struct err *err)
{
	struct link link;
	int ret = rtnl_link_get_name(&w->node->rt, w->record.host_ifname, &link, err);

	if (ret == -ENODEV)
		return err_cni(err, CNI_INVALID_ENV,
			       "CNI_IFNAME '%s' already exists in CNI_NETNS '%s'",
			       w->req->key.ifname, w->req->netns);
	return ret < 0 ? ret : rtnl_link_del(&w->node->rt, link.ifindex, err);
}

int plumb_link(struct attachment_work *w, struct err *err)
{
	struct veth_spec spec = {
		.host_name = w->record.host_ifname,
		.pod_name = w->req->key.ifname,
		.pod_netns = w->pod_netns,
		.mtu = w->node->config.mtu,
	};
	struct link link;
	int ret;

	identity_mac(&w->req->key, 0, w->host_mac);
	identity_mac(&w->req->key, 1, w->pod_mac);
	if (w->net->has_mac)
		memcpy(w->pod_mac, w->net->mac, sizeof(w->pod_mac));
	memcpy(spec.host_mac, w->host_mac, sizeof(spec.host_mac));
	memcpy(spec.pod_mac, w->pod_mac, sizeof(spec.pod_mac));

	ret = rtnl_veth_add(&w->node->rt, &spec, err);
	if (ret == -EEXIST) {
		ret = clear_leftover(w, err);
		if (!ret)
			ret = rtnl_veth_add(&w->node->rt, &spec, err);
	}
	if (!ret)
		ret = rtnl_link_get_name(&w->node->rt, spec.host_name, &link, err);
	if (ret < 0)
		return err_wrap(err, "veth '%s' with '%s' in '%s'", spec.host_name, spec.pod_name,
				w->req->netns);
	w->record.ifindex = link.ifindex;
	w->record.flags = w->net->shaped ? POD_SHAPED : 0;
	return 0;
}

int plumb_program(struct attachment_work *w, struct err *err)
{
	return programs_attach(w->node, w->record.ifindex, DEVICE_POD,
			       w->net->shaped ? TC_TCX : TC_CLSACT, err);
}

/* ---- the host's side ------------------------------------------------------------------------- */

/* A sysctl of the interface, of this or of the pod's namespace. One that is not there (no IPv6) is
 * as it should be. */
static int set_conf(int family, const char *ifname, const char *name, const char *value,
		    struct err *err)
{
	char path[96];
	int ret;

	snprintf(path, sizeof(path), "net/ipv%d/conf/%s/%s", family == AF_INET ? 4 : 6, ifname,
		 name);
	ret = sysctl_write(path, value, err);
	return ret == -ENOENT ? 0 : ret;
}

static int host_sysctls(struct attachment_work *w, struct err *err)
{
	static const struct {
		int family;
		const char *name, *value;
	} list[] = {
		/* hairpins come and go by one interface: no redirects about them */
		{ AF_INET, "send_redirects", "0" },   { AF_INET, "accept_redirects", "0" },
		{ AF_INET, "forwarding", "1" },	      { AF_INET6, "accept_ra", "0" },
		{ AF_INET6, "accept_redirects", "0" }, { AF_INET6, "forwarding", "1" },
	};
	const char *ifname = w->record.host_ifname;
	int ret = 0;

	if (plumb_has_family(w, AF_INET6))
		ret = set_conf(AF_INET6, ifname, "disable_ipv6", "0", err);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]) && !ret; i++)
		ret = set_conf(list[i].family, ifname, list[i].name, list[i].value, err);
	return ret;
}

int plumb_host(struct attachment_work *w, struct err *err)
{
	char alias[ALIAS_MAX];
	struct link_change change = {
		.set_up = true, .up = true, .no_linklocal = true, .alias = alias
	};
	int ret = host_sysctls(w, err);

	identity_alias(&w->req->key, w->net->name, alias);
	if (!ret)
		ret = rtnl_link_change(&w->node->rt, w->record.ifindex, &change, err);
	for (size_t i = 0; i < 2 && !ret; i++) {
		struct ifaddr gateway = {
			.cidr = cidr_host(&(struct addr){ { 0 } }),
			.ifindex = w->record.ifindex,
			.scope = RT_SCOPE_HOST,
			.flags = IFA_F_NODAD,
		};

		if (!plumb_has_family(w, families[i]))
			continue;
		gateway.cidr.addr = pod_gateway(families[i]);
		if (families[i] == AF_INET6)
			gateway.cidr.len = 64;	/* the pod's own link-local is on-link */
		ret = rtnl_addr_add(&w->node->rt, &gateway, err);
		if (ret == -EEXIST)
			ret = 0;
	}
	/* now the alias is set: from here on, who replaces the programs finds this link too */
	if (!ret && !programs_stand(w->node))
		ret = plumb_program(w, err);
	return ret < 0 ? err_wrap(err, "interface '%s'", w->record.host_ifname) : 0;
}

/* ---- the pod's side -------------------------------------------------------------------------- */

const struct pod_route *plumb_pod_routes(const struct attachment_work *w, size_t *n)
{
	*n = delegates(w->net) ? w->delegated.n_routes : w->net->n_routes;
	return delegates(w->net) ? w->delegated.routes : w->net->routes;
}

/* Runs inside the pod's namespace: sysctls have no other way in. */
static int allow_ipv6(void *data, struct err *err)
{
	return set_conf(AF_INET6, data, "disable_ipv6", "0", err);
}

static int pod_addresses(struct attachment_work *w, int ifindex, struct err *err)
{
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < w->n_addrs; i++) {
		struct ifaddr addr = {
			.cidr = cidr_host(&w->addrs[i]),
			.ifindex = ifindex,
			.scope = RT_SCOPE_UNIVERSE,
			.flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE,
		};
		int ret = rtnl_addr_add(&w->pod_rt, &addr, err);

		if (ret < 0)
			return err_wrap(err, "address %s", addr_format(&w->addrs[i], text));
	}
	return 0;
}

/* The gateway, on-link and known by its MAC. */
static int pod_gateway_of(struct attachment_work *w, int ifindex, int family, struct err *err)
{
	struct addr gateway = pod_gateway(family);
	struct route on_link = {
		.dst = cidr_host(&gateway),
		.oif = ifindex,
		.scope = RT_SCOPE_LINK,
		.protocol = RTPROT_CTNAT,
	};
	int ret = rtnl_neigh_set(&w->pod_rt, ifindex, &gateway, w->host_mac, err);

	if (!ret && family == AF_INET)
		ret = rtnl_route_add(&w->pod_rt, &on_link, err);
	return ret == -EEXIST ? 0 : ret;	/* the pod's first interface has it */
}

static int pod_routes(struct attachment_work *w, int ifindex, struct err *err)
{
	char text[ADDR_STRLEN];
	size_t n;
	const struct pod_route *routes = plumb_pod_routes(w, &n);

	for (size_t i = 0; i < n; i++) {
		int family = addr_family(&routes[i].dst.addr), ret;
		struct route route = {
			.dst = routes[i].dst,
			.gateway = pod_gateway(family),
			.oif = ifindex,
			.mtu = routes[i].mtu,
			.protocol = RTPROT_CTNAT,
			.onlink = true,
		};

		if (!plumb_has_family(w, family))
			continue;
		ret = rtnl_route_add(&w->pod_rt, &route, err);
		/* another interface of this pod has the same route (net1 beside eth0): the first
		 * one keeps it */
		if (ret < 0 && ret != -EEXIST)
			return err_wrap(err, "route %s", cidr_format(&routes[i].dst, text));
	}
	return 0;
}

int plumb_pod(struct attachment_work *w, struct err *err)
{
	const struct link_change up = { .set_up = true, .up = true };
	struct link link;
	int ret = 0;

	if (plumb_has_family(w, AF_INET6))
		ret = netns_run(w->pod_netns, w->node->netns, allow_ipv6,
				(void *)w->req->key.ifname, err);
	if (!ret)
		ret = rtnl_link_get_name(&w->pod_rt, w->req->key.ifname, &link, err);
	if (!ret)
		ret = rtnl_link_change(&w->pod_rt, link.ifindex, &up, err);
	if (!ret)
		ret = pod_addresses(w, link.ifindex, err);
	for (size_t i = 0; i < 2 && !ret; i++)
		if (plumb_has_family(w, families[i]))
			ret = pod_gateway_of(w, link.ifindex, families[i], err);
	if (!ret)
		ret = pod_routes(w, link.ifindex, err);
	return ret < 0 ? err_wrap(err, "interface '%s' in '%s'", w->req->key.ifname, w->req->netns)
		       : 0;
}

/* ---- the way to the pod ---------------------------------------------------------------------- */

size_t plumb_host_routes(const struct node *node, int ifindex, const struct addr *addr,
			 struct route out[2])
{
	int family = addr_family(addr);
	struct route route = {
		.dst = cidr_host(addr),
		.oif = ifindex,
		.scope = RT_SCOPE_LINK,
		.protocol = RTPROT_CTNAT,
		.prefsrc = uplink_address(node, family),
	};
	size_t n = 0;

	out[n++] = route;
	if (family == AF_INET && !addr_is_zero(&route.prefsrc)) {
		route.prefsrc = (struct addr){ { 0 } };
		route.metric = FALLBACK_METRIC;
		out[n++] = route;
	}
	return n;
}

static int renew_link(const struct host_link *link, void *data, struct err *err)
{
	struct addr addrs[POD_ADDRS_MAX];
	struct route routes[2];
	struct node *node = data;
	size_t n_addrs = 0;
	int ret = import_addrs(node, link->ifindex, addrs, &n_addrs, err);

	for (size_t i = 0; i < n_addrs; i++) {
		size_t n = plumb_host_routes(node, link->ifindex, &addrs[i], routes);

		for (size_t j = 0; j < n && !ret; j++)
			ret = rtnl_route_replace(&node->rt, &routes[j], err);
	}
	return ret == -ENODEV ? 0 : ret;	/* it went meanwhile */
}

int plumb_renew_routes(struct node *node, struct err *err)
{
	return import_each_link(node, renew_link, node, err);
}

int plumb_routes(struct attachment_work *w, struct err *err)
{
	char text[ADDR_STRLEN];
	struct route routes[2];

	for (size_t i = 0; i < w->n_addrs; i++) {
		size_t n = plumb_host_routes(w->node, w->record.ifindex, &w->addrs[i],
					     routes);
		int ret = 0;

		for (size_t j = 0; j < n && !ret; j++)
			ret = rtnl_route_add(&w->node->rt, &routes[j], err);
		if (!ret)
			ret = rtnl_neigh_reserve(&w->node->rt, w->record.ifindex, &w->addrs[i],
						 err);
		if (ret < 0)
			return err_wrap(err, "route to %s by '%s'", addr_format(&w->addrs[i], text),
					w->record.host_ifname);
	}
	return 0;
}
