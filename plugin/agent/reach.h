/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_REACH_H
#define CTNAT_AGENT_REACH_H

/* How this node reaches an address: the FIB's answer, remembered. */
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "kern/nl.h"

enum way {
	WAY_NONE,    /* no route, or one that refuses */
	WAY_LOCAL,   /* an address of this node */
	WAY_ON_LINK, /* a neighbour: no gateway in between */
	WAY_ROUTED,
};

struct reach {
	enum way way;
	int oif;   /* ON_LINK, ROUTED */
	__u32 mtu; /* of that link */
};

struct reach_table {
	struct reach_slot *slots;
	size_t size; /* power of two, or 0 */
};

/* Zeroed before its first use. */
struct reaches {
	struct reach_table now, before;
	bool stale; /* what is remembered may have changed */
	int oif;    /* the link that was asked for last, */
	__u32 mtu;  /* and its answer */
};

/* A round of questions, about at most `n` addresses; the end keeps their answers for the next one.
 * Returns 0 or -ENOMEM. */
int reaches_begin(struct reaches *reaches, size_t n, struct err *err);
int reaches_ask(struct reaches *reaches, struct nl *rt, const struct addr *addr, struct reach *out,
		struct err *err);
void reaches_end(struct reaches *reaches);

/* The node's links, addresses or routes have changed: the next round asks anew. */
void reaches_forget(struct reaches *reaches);
void reaches_free(struct reaches *reaches);

#endif
