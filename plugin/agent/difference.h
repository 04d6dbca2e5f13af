/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_DIFFERENCE_H
#define CTNAT_AGENT_DIFFERENCE_H

/* What the kernel has, what it shall have, and the messages that make one the other. */
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "kern/rtnl_batch.h"

struct list {
	void *items; /* of a kind, sorted by its compare() */
	size_t n;
};

struct kind {
	size_t size;					  /* of an item */
	int (*compare)(const void *a, const void *b);	  /* as the kernel tells them apart */
	bool (*same)(const void *have, const void *want); /* of two that compare equal */
	void (*set)(struct rtnl_batch *batch, int ifindex, const void *want, bool there);
	void (*del)(struct rtnl_batch *batch, int ifindex, const void *have);
};

extern const struct kind kind_route; /* struct route, by destination and metric */
extern const struct kind kind_neigh; /* struct neigh, by address, of a link */
extern const struct kind kind_entry; /* struct neigh, by MAC: forwarding entries of a link */

void list_sort(const struct kind *kind, struct list *list);

/* Sets those of `want` that are not in `have`, or differ: in place where one is there. */
void set_missing(const struct kind *kind, const struct list *have, const struct list *want,
		 struct rtnl_batch *batch, int ifindex);
/* Deletes those of `have` that nobody wants. */
void delete_unwanted(const struct kind *kind, const struct list *have, const struct list *want,
		     struct rtnl_batch *batch, int ifindex);

/* By address, then by length: the order of routes without their metrics. */
int cidr_order(const struct cidr *a, const struct cidr *b);

#endif
