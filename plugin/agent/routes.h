/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_ROUTES_H
#define CTNAT_AGENT_ROUTES_H

/* The routes to the other nodes' pods: of protocol RTPROT_CTNAT_NODES, in the main table. */
#include <stddef.h>

#include "agent/peer.h"
#include "agent/wanted.h"
#include "kern/nl.h"

/* Zeroed before its first use. */
struct routes {
	size_t direct, vxlan;	  /* pod CIDRs of other nodes that have a route */
	struct refusals refusals; /* those that have none */
	unsigned int changes;	  /* that the last call made */
	__u32 overhead;
	struct reaches reaches;
};

/*
 * Makes routes, neighbours, forwarding entries and the overlay device what they shall be, whoever
 * left them as they are, by difference: nothing that is right is touched. `peers` are sorted by
 * name; one that bears self's name is passed over. To be called when any of the arguments has
 * changed, after routes_forget(), and now and then for what others may have done.
 *
 * Returns 0 when all stands that can: what cannot, and why, is in r->refusals. On an error the rest
 * has been done as far as it goes; call it again a little later.
 */
int routes_apply(struct routes *r, struct nl *rt, const struct peer *self, const struct peer *peers,
		 size_t n, enum overlay overlay, struct err *err);

/* The node's own links, addresses or routes have changed (those of pods, and ours, do not
 * count). */
void routes_forget(struct routes *r);

/* Bytes that the MTU of pods must leave for the overlay: 0 while nobody is reached by it. */
__u32 routes_overhead(const struct routes *r);

/* Takes all of it away. */
int routes_remove(struct nl *rt, struct err *err);

void routes_free(struct routes *r);

#endif
