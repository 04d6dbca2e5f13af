/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_LEFTOVERS_H
#define CTNAT_CORE_LEFTOVERS_H

/* What dead pods left behind, of all networks, without a runtime that says who lives. Theory in
 * reclaim.c. */
#include "core/node.h"

struct leftover {
	struct attachment_key key;
	char network[NETWORK_NAME_MAX];	/* "": an address without an attachment */
	struct addr addrs[POD_ADDRS_MAX];
	size_t n_addrs;
	const char *why;		/* it is dead */
	bool kept;			/* for its IPAM plugin has to give its addresses back */
	char failure[512];		/* "": it is removed, or would be */
};

/* Removes each, unless look_only, and tells fn of it. Goes on after a failure. */
int leftovers_remove(struct node *node, bool look_only,
		     void (*fn)(const struct leftover *leftover, void *data), void *data,
		     struct err *err);

#endif
