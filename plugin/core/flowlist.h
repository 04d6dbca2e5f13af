/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_FLOWLIST_H
#define CTNAT_CORE_FLOWLIST_H

/* The flows of this node's pods: what conntrack has, and what the short way knows of each. */
#include "core/node.h"
#include "kern/ctnl_list.h"
#include "kern/flowcache.h"

struct flow_side {
	bool answered;		/* `flows` has an answer for packets of this direction: */
	struct flow_answer answer;
};

struct flow_row {
	struct ct_entry entry;
	struct flow_side orig, reply;
};

struct flow_list {
	struct flow_row *rows;	/* the caller's to free */
	size_t n;
	unsigned long more;	/* that there was no room for */
};

/* Of these addresses, or (n_addrs 0) of all pods: at most `limit` rows, whatever there is. */
int flowlist_read(struct node *node, const struct addr *addrs, size_t n_addrs, size_t limit,
		  struct flow_list *out, struct err *err);

#endif
