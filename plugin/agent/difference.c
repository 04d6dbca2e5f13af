// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: both lists are sorted by what the kernel knows an object by, and walked side by side, so
 * that 10,000 that are right cost a comparison each and no message.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "agent/difference.h"
#include "kern/rtnl_neigh.h"
#include "kern/rtnl_route.h"

static const void *item(const struct kind *kind, const struct list *list, size_t i)
{
	return (const char *)list->items + i * kind->size;
}

/* Routes come sorted from the kernel. */
void list_sort(const struct kind *kind, struct list *list)
{
	size_t i = 1;

	while (i < list->n && kind->compare(item(kind, list, i - 1), item(kind, list, i)) <= 0)
		i++;
	if (i < list->n)
		qsort(list->items, list->n, kind->size, kind->compare);
}

int cidr_order(const struct cidr *a, const struct cidr *b)
{
	int diff = addr_compare(&a->addr, &b->addr);

	return diff ? diff : (int)a->len - (int)b->len;
}

/* What identifies a route in a table, as far as ours go. */
static int compare_routes(const void *a, const void *b)
{
	const struct route *x = a, *y = b;
	int diff = cidr_order(&x->dst, &y->dst);

	return diff ? diff : x->metric < y->metric ? -1 : x->metric > y->metric;
}

static bool same_route(const void *have, const void *want)
{
	const struct route *x = have, *y = want;

	return addr_equal(&x->gateway, &y->gateway) && addr_equal(&x->prefsrc, &y->prefsrc) &&
	       x->oif == y->oif && x->mtu == y->mtu && x->scope == y->scope && x->type == y->type &&
	       x->onlink == y->onlink;
}

static void set_route(struct rtnl_batch *batch, int ifindex, const void *want, bool there)
{
	(void)ifindex;
	if (there)
		rtnl_batch_route_replace(batch, want);
	else
		rtnl_batch_route_add(batch, want);
}

static void del_route(struct rtnl_batch *batch, int ifindex, const void *have)
{
	(void)ifindex;
	rtnl_batch_route_del(batch, have);
}

static int compare_addrs(const void *a, const void *b)
{
	return addr_compare(&((const struct neigh *)a)->addr, &((const struct neigh *)b)->addr);
}

static int compare_macs(const void *a, const void *b)
{
	return memcmp(((const struct neigh *)a)->mac, ((const struct neigh *)b)->mac, MAC_LEN);
}

static bool same_neigh(const void *have, const void *want)
{
	const struct neigh *x = have, *y = want;

	return addr_equal(&x->addr, &y->addr) && !compare_macs(x, y) && !x->other &&
	       x->state & NUD_PERMANENT;
}

static void set_neigh(struct rtnl_batch *batch, int ifindex, const void *want, bool there)
{
	(void)there;
	rtnl_batch_neigh_set(batch, ifindex, want);
}

static void del_neigh(struct rtnl_batch *batch, int ifindex, const void *have)
{
	rtnl_batch_neigh_del(batch, ifindex, have);
}

static void set_entry(struct rtnl_batch *batch, int ifindex, const void *want, bool there)
{
	(void)there;
	rtnl_batch_fdb_set(batch, ifindex, want);
}

static void del_entry(struct rtnl_batch *batch, int ifindex, const void *have)
{
	rtnl_batch_fdb_del(batch, ifindex, have);
}

const struct kind kind_route = {
	sizeof(struct route), compare_routes, same_route, set_route, del_route,
};
const struct kind kind_neigh = {
	sizeof(struct neigh), compare_addrs, same_neigh, set_neigh, del_neigh,
};
const struct kind kind_entry = {
	sizeof(struct neigh), compare_macs, same_neigh, set_entry, del_entry,
};

/* ---- comparing ------------------------------------------------------------------------------- */

void set_missing(const struct kind *kind, const struct list *have, const struct list *want,
		 struct rtnl_batch *batch, int ifindex)
{
	size_t h = 0, first;

	for (size_t w = 0; w < want->n; w++) {
		const void *wanted = item(kind, want, w);

		while (h < have->n && kind->compare(item(kind, have, h), wanted) < 0)
			h++;
		first = h;
		while (h < have->n && !kind->compare(item(kind, have, h), wanted))
			h++;
		/* several under one key (next hops) are never what we want */
		if (h - first != 1 || !kind->same(item(kind, have, first), wanted))
			kind->set(batch, ifindex, wanted, h > first);
	}
}

void delete_unwanted(const struct kind *kind, const struct list *have, const struct list *want,
		     struct rtnl_batch *batch, int ifindex)
{
	size_t w = 0;

	for (size_t h = 0; h < have->n; h++) {
		const void *there = item(kind, have, h);

		while (w < want->n && kind->compare(item(kind, want, w), there) < 0)
			w++;
		if (w == want->n || kind->compare(item(kind, want, w), there))
			kind->del(batch, ifindex, there);
	}
}
