/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_WANTED_H
#define CTNAT_AGENT_WANTED_H

/* From what is known of the nodes to the routes that this one shall have. Asks no kernel. */
#include <stdbool.h>
#include <stddef.h>

#include "agent/overlay.h"
#include "agent/peer.h"
#include "agent/reach.h"
#include "kern/rtnl_neigh.h"
#include "kern/rtnl_route.h"

enum overlay {
	OVERLAY_AUTO,	/* VXLAN to those that a plain route would not reach */
	OVERLAY_ALWAYS, /* VXLAN to all */
	OVERLAY_NONE,	/* no routes of ours: the cloud's, or BGP's */
};

/* How many pod CIDRs of other nodes have no route, and why the first of them has none. */
struct refusals {
	size_t n;
	char first[512]; /* "": none */
};

void refuse(struct refusals *refusals, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct wanted {
	bool overlay; /* `device` is wanted */
	struct overlay_device device;
	struct route *routes; /* by destination; those of the overlay have oif 0 */
	size_t n_routes;
	struct neigh *neighs; /* of the overlay, by address */
	size_t n_neighs;
	struct neigh *entries; /* forwarding entries of the overlay, by MAC */
	size_t n_entries;
	struct refusals refusals;
};

struct wanted_input {
	const struct peer *self;
	const struct peer *peers; /* by name; the one with self's name is passed over */
	size_t n;
	enum overlay overlay;
	const struct addr *addrs; /* this node's own, but for those of the overlay device */
	size_t n_addrs;
	/* Asked of peers' addresses, often of the same one. */
	int (*reach)(const struct addr *addr, struct reach *out, void *data, struct err *err);
	void *data;
};

/* -ENOMEM, or what `reach` failed with. */
int wanted_make(const struct wanted_input *in, struct wanted *out, struct err *err);
void wanted_free(struct wanted *wanted);

#endif
