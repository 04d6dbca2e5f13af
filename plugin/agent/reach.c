// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: to ask the FIB about 10,000 addresses takes longer than all the rest of a round, and its
 * answers change only when the node's own network does, which somebody else notices
 * (reaches_forget()). So a round takes over the answers of the one before, and what was not asked
 * for again is forgotten: two tables, open addressing, never more than half full.
 *
 * A node whose uplink is away for a moment has no way to anybody. For one that was reached through
 * a router the last answer then holds, so that what depends on it does not come and go.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/reach.h"
#include "core/identity.h"
#include "kern/rtnl_link.h"
#include "kern/rtnl_route.h"

struct reach_slot {
	struct addr addr;
	bool used;
	struct reach reach;
};

/* The address's slot, or the free one where it would be. There is always a free one. */
static struct reach_slot *find(const struct reach_table *table, const struct addr *addr)
{
	size_t at = hash_bytes(HASH_SEED, addr->byte, sizeof(addr->byte));

	for (;; at++) {
		struct reach_slot *slot = &table->slots[at & (table->size - 1)];

		if (!slot->used || addr_equal(&slot->addr, addr))
			return slot;
	}
}

int reaches_begin(struct reaches *reaches, size_t n, struct err *err)
{
	struct reach_table table = { .size = 16 };

	while (table.size < 2 * n)
		table.size *= 2;
	table.slots = calloc(table.size, sizeof(*table.slots));
	if (!table.slots)
		return err_set(err, -ENOMEM, "remember the ways to %zu addresses", n);
	/* A round that broke off has learned less than the one before it. */
	if (reaches->before.size)
		free(reaches->now.slots);
	else
		reaches->before = reaches->now;
	reaches->now = table;
	reaches->oif = 0;
	return 0;
}

void reaches_end(struct reaches *reaches)
{
	free(reaches->before.slots);
	reaches->before = (struct reach_table){ .size = 0 };
	reaches->stale = false;
}

void reaches_forget(struct reaches *reaches)
{
	reaches->stale = true;
}

void reaches_free(struct reaches *reaches)
{
	free(reaches->now.slots);
	free(reaches->before.slots);
	memset(reaches, 0, sizeof(*reaches));
}

/* ---- the kernel's answers -------------------------------------------------------------------- */

static int ask_mtu(struct reaches *reaches, struct nl *rt, int oif, struct err *err)
{
	struct link link;
	int ret;

	if (reaches->oif == oif)
		return 0;
	ret = rtnl_link_get_index(rt, oif, &link, err);
	if (ret < 0)
		return ret;
	reaches->oif = oif;
	reaches->mtu = link.mtu;
	return 0;
}

static int ask_kernel(struct reaches *reaches, struct nl *rt, const struct addr *addr,
		      struct reach *out, struct err *err)
{
	struct reach reach = { .way = WAY_NONE };
	struct route route;
	int ret = rtnl_route_get(rt, addr, &route, err);

	if (ret < 0 && !rtnl_is_no_route(ret))
		return ret;
	if (!ret && route.type == RTN_LOCAL) {
		reach.way = WAY_LOCAL;
	} else if (!ret && route.type == RTN_UNICAST && route.oif) {
		ret = ask_mtu(reaches, rt, route.oif, err);
		if (ret < 0)
			return ret;
		reach.way = addr_is_zero(&route.gateway) ? WAY_ON_LINK : WAY_ROUTED;
		reach.oif = route.oif;
		reach.mtu = reaches->mtu;
	}
	*out = reach;
	return 0;
}

int reaches_ask(struct reaches *reaches, struct nl *rt, const struct addr *addr, struct reach *out,
		struct err *err)
{
	struct reach_slot *slot = find(&reaches->now, addr);
	const struct reach_slot *old = reaches->before.size ? find(&reaches->before, addr) : NULL;
	struct reach reach;
	int ret;

	if (!slot->used) {
		if (old && old->used && !reaches->stale) {
			reach = old->reach;
		} else {
			ret = ask_kernel(reaches, rt, addr, &reach, err);
			if (ret < 0)
				return ret;
			if (reach.way == WAY_NONE && old && old->used &&
			    old->reach.way == WAY_ROUTED)
				reach = old->reach;
		}
		*slot = (struct reach_slot){ .addr = *addr, .used = true, .reach = reach };
	}
	*out = slot->reach;
	return 0;
}
