/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_ROUTELIST_H
#define CTNAT_CORE_ROUTELIST_H

/* The routes that are ours, by their protocol numbers, with what they are for. */
#include "core/node.h"
#include "kern/rtnl_route.h"

struct listed_route {
	struct route route;
	char device[IFNAME_MAX];
	bool to_pod;		/* of this node; else to another node's pods */
	char purpose[192];
};

/* Sorted as the kernel lists them, in an array that the caller frees. */
int routelist_read(struct node *node, struct listed_route **out, size_t *n, struct err *err);

#endif
