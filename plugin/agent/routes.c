// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the kernel is asked what it has, each time; nothing is remembered of what was done. So a
 * process that was killed half way, or somebody who flushed a table, leaves a difference and no
 * state.
 *
 * Order, so that no packet finds a way that ends on the way:
 *
 *	device and its address > forwarding entries > neighbours > routes set (replaced in place)
 *	> routes deleted > neighbours > forwarding entries > old addresses, or the device
 *
 * Whose is what: a route is ours by its protocol number, an entry by being on our device. Where
 * somebody else has a route with the same destination, whatever its metric, there is none of ours:
 * two that route one prefix would take turns at best. Routes are added with NLM_F_EXCL, so one of
 * somebody else's that came a moment ago is not overwritten either; only our own are replaced.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>

#include "agent/difference.h"
#include "agent/routes.h"
#include "base/cleanup.h"
#include "kern/rtnl_addr.h"
#include "kern/rtnl_batch.h"
#include "kern/rtnl_link.h"

/* ---- what the kernel has --------------------------------------------------------------------- */

struct kernel {
	struct list routes, neighs, entries;
};

static void kernel_free(struct kernel *kernel)
{
	free(kernel->routes.items);
	free(kernel->neighs.items);
	free(kernel->entries.items);
}

/* The wanted route to that destination. */
static struct route *find_wanted(const struct wanted *wanted, const struct cidr *dst)
{
	size_t low = 0, high = wanted->n_routes;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int diff = cidr_order(&wanted->routes[middle].dst, dst);

		if (!diff)
			return &wanted->routes[middle];
		if (diff < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool concerns_us(const struct route *route, const void *data)
{
	return route->protocol == RTPROT_CTNAT_NODES || find_wanted(data, &route->dst);
}

/* Keeps those of the wanted routes that nobody else has. */
static void give_way(struct wanted *wanted, const bool *taken)
{
	size_t n = 0;

	for (size_t i = 0; i < wanted->n_routes; i++)
		if (!taken[i])
			wanted->routes[n++] = wanted->routes[i];
	wanted->n_routes = n;
}

static void note_taken(struct wanted *wanted, const struct route *other, bool *taken)
{
	size_t at = find_wanted(wanted, &other->dst) - wanted->routes;
	char text[ADDR_STRLEN];

	if (taken[at])
		return;
	taken[at] = true;
	refuse(&wanted->refusals,
	       "pod CIDR %s: somebody else has a route there (protocol %u, link %d), which stays",
	       cidr_format(&other->dst, text), other->protocol, other->oif);
}

static int list_routes(struct nl *rt, struct wanted *wanted, struct list *out, struct err *err)
{
	const struct route_filter filter = { .keep = concerns_us, .data = wanted };
	_cleanup_free_ bool *taken = calloc(wanted->n_routes + 1, sizeof(*taken));
	struct route *list;
	size_t n, ours = 0;
	int ret;

	if (!taken)
		return err_set(err, -ENOMEM, "list routes");
	ret = rtnl_route_list(rt, &filter, &list, &n, err);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < n; i++) {
		if (list[i].protocol == RTPROT_CTNAT_NODES)
			list[ours++] = list[i];
		else
			note_taken(wanted, &list[i], taken);
	}
	give_way(wanted, taken);
	*out = (struct list){ list, ours };
	return 0;
}

/* The rest is what the kernel makes of packets that nobody answers. */
static void keep_permanent(struct list *list)
{
	struct neigh *neigh = list->items;
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		if (neigh[i].state & NUD_PERMANENT)
			neigh[n++] = neigh[i];
	list->n = n;
}

static int list_entries(struct nl *rt, int ifindex, struct kernel *out, struct err *err)
{
	struct neigh *list;
	size_t n;
	int ret = rtnl_neigh_list(rt, ifindex, &list, &n, err);

	if (ret < 0)
		return ret;
	out->neighs = (struct list){ list, n };
	keep_permanent(&out->neighs);
	ret = rtnl_fdb_list(rt, ifindex, &list, &n, err);
	if (!ret)
		out->entries = (struct list){ list, n };
	return ret;
}

/* ---- one after the other --------------------------------------------------------------------- */

static int list_all(struct nl *rt, struct wanted *wanted, int ifindex, struct kernel *out,
		    struct err *err)
{
	int ret = list_routes(rt, wanted, &out->routes, err);

	if (!ret && ifindex)
		ret = list_entries(rt, ifindex, out, err);
	if (ret < 0)
		return ret;
	list_sort(&kind_route, &out->routes);
	list_sort(&kind_neigh, &out->neighs);
	list_sort(&kind_entry, &out->entries);
	return 0;
}

/* Without the device that is wanted (ifindex 0) nothing is deleted, lest it be what leads to it. */
static void send_difference(const struct kernel *have, const struct wanted *wanted, int ifindex,
			    struct rtnl_batch *batch)
{
	const struct list want_routes = { wanted->routes, wanted->n_routes };
	const struct list want_neighs = { wanted->neighs, wanted->n_neighs };
	const struct list want_entries = { wanted->entries, wanted->n_entries };

	set_missing(&kind_entry, &have->entries, &want_entries, batch, ifindex);
	set_missing(&kind_neigh, &have->neighs, &want_neighs, batch, ifindex);
	set_missing(&kind_route, &have->routes, &want_routes, batch, ifindex);
	rtnl_batch_flush(batch);
	if (wanted->overlay && !ifindex)
		return;
	delete_unwanted(&kind_route, &have->routes, &want_routes, batch, ifindex);
	delete_unwanted(&kind_neigh, &have->neighs, &want_neighs, batch, ifindex);
	delete_unwanted(&kind_entry, &have->entries, &want_entries, batch, ifindex);
}

static int settle(struct nl *rt, struct wanted *wanted, int ifindex, unsigned int *changes,
		  struct err *err)
{
	_cleanup_free_ struct rtnl_batch *batch = malloc(sizeof(*batch));
	struct kernel have = { .routes.n = 0 };
	int ret = batch ? 0 : err_set(err, -ENOMEM, "change routes");

	if (!ret)
		ret = list_all(rt, wanted, ifindex, &have, err);
	if (!ret) {
		rtnl_batch_begin(batch, rt);
		send_difference(&have, wanted, ifindex, batch);
		ret = rtnl_batch_end(batch, err);
		*changes += batch->messages;
	}
	kernel_free(&have);
	return ret;
}

/* The wanted routes by the overlay get their device; or go, if there is none. */
static void name_device(struct wanted *wanted, int ifindex)
{
	size_t n = 0;

	for (size_t i = 0; i < wanted->n_routes; i++) {
		struct route *route = &wanted->routes[i];

		if (!route->oif)
			route->oif = ifindex;
		if (route->oif)
			wanted->routes[n++] = *route;
	}
	wanted->n_routes = n;
	if (!ifindex)
		wanted->n_neighs = wanted->n_entries = 0;
}

/* The addresses that the device had go when no route is from them any more. If one of them lies in
 * what is another node's by now, that node's route was refused until it went. */
static int settle_overlay(struct nl *rt, struct wanted *wanted, int ifindex, unsigned int *changes,
			  struct err *err)
{
	int first = settle(rt, wanted, ifindex, changes, NULL);
	int ret = overlay_trim(rt, &wanted->device, ifindex, err);

	return ret < 0 || !first ? ret : settle(rt, wanted, ifindex, changes, err);
}

/* A failure of the overlay keeps no direct route back. The first error is the one that is told. */
static int carry_out(struct nl *rt, struct wanted *wanted, int *ifindex, unsigned int *changes,
		     struct err *err)
{
	int ret = 0, next;

	*ifindex = 0;
	*changes = 0;
	if (wanted->overlay)
		ret = overlay_ensure(rt, &wanted->device, ifindex, err);
	name_device(wanted, *ifindex);
	next = *ifindex ? settle_overlay(rt, wanted, *ifindex, changes, ret ? NULL : err)
			: settle(rt, wanted, 0, changes, ret ? NULL : err);
	ret = ret ? ret : next;
	return ret || wanted->overlay ? ret : overlay_remove(rt, err);
}

/* ---- the agent's side ------------------------------------------------------------------------ */

struct asking {
	struct reaches *reaches;
	struct nl *rt;
};

static int ask_reach(const struct addr *addr, struct reach *out, void *data, struct err *err)
{
	const struct asking *asking = data;

	return reaches_ask(asking->reaches, asking->rt, addr, out, err);
}

/* This node's addresses, but for those of our device: they follow what is wanted. */
static int list_own(struct nl *rt, struct addr **out, size_t *n_out, struct err *err)
{
	_cleanup_free_ struct ifaddr *list = NULL;
	struct link link = { .ifindex = 0 };
	struct addr *addrs;
	size_t n = 0, own = 0;
	int ret = rtnl_link_get_name(rt, OVERLAY_NAME, &link, err);

	if (!ret || ret == -ENODEV)
		ret = rtnl_addr_list(rt, 0, &list, &n, err);
	if (ret < 0)
		return ret;
	addrs = calloc(n + 1, sizeof(*addrs));
	if (!addrs)
		return err_set(err, -ENOMEM, "list this node's addresses");
	for (size_t i = 0; i < n; i++)
		if (list[i].ifindex != link.ifindex)
			addrs[own++] = list[i].cidr.addr;
	*out = addrs;
	*n_out = own;
	return 0;
}

int routes_apply(struct routes *r, struct nl *rt, const struct peer *self, const struct peer *peers,
		 size_t n, enum overlay overlay, struct err *err)
{
	_cleanup_free_ struct addr *addrs = NULL;
	struct asking asking = { &r->reaches, rt };
	struct wanted_input in = {
		.self = self,
		.peers = peers,
		.n = n,
		.overlay = overlay,
		.reach = ask_reach,
		.data = &asking,
	};
	struct wanted wanted = { .overlay = false };
	int ifindex, ret;

	ret = list_own(rt, &addrs, &in.n_addrs, err);
	in.addrs = addrs;
	if (!ret)
		ret = reaches_begin(&r->reaches, 2 * n, err);
	if (!ret)
		ret = wanted_make(&in, &wanted, err);
	if (ret < 0)
		return err_wrap(err, "routes to other nodes");
	reaches_end(&r->reaches);

	ret = carry_out(rt, &wanted, &ifindex, &r->changes, err);
	if (ret < 0)
		err_wrap(err, "routes to other nodes");
	r->direct = r->vxlan = 0;
	for (size_t i = 0; i < wanted.n_routes; i++)
		(*(wanted.routes[i].oif == ifindex ? &r->vxlan : &r->direct))++;
	r->refusals = wanted.refusals;
	r->overhead = wanted.overlay ? overlay_overhead(&wanted.device.local) : 0;
	wanted_free(&wanted);
	return ret;
}

void routes_forget(struct routes *r)
{
	reaches_forget(&r->reaches);
}

__u32 routes_overhead(const struct routes *r)
{
	return r->overhead;
}

int routes_remove(struct nl *rt, struct err *err)
{
	struct wanted none = { .overlay = false };
	unsigned int changes;
	int ifindex, ret = carry_out(rt, &none, &ifindex, &changes, err);

	return ret < 0 ? err_wrap(err, "remove the routes to other nodes") : 0;
}

void routes_free(struct routes *r)
{
	reaches_free(&r->reaches);
}
