/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_ROSTER_H
#define CTNAT_CORE_ROSTER_H

/* Every attachment that the node knows of, from records, links and addresses, and what is wrong
 * with it as far as the host's side shows. Changes nothing. */
#include "core/node.h"

struct roster_entry {
	struct attachment_key key;
	struct attachment record;	/* host_ifname, network, addrs; the rest if recorded */
	bool recorded;			/* else its link, or its address alone, is all there is */
	char pod[128];			/* "namespace/name"; "": the journal does not know */
	char fault[512];		/* "": nothing is wrong */
};

/* Sorted by age, in an array that the caller frees. */
int roster_list(struct node *node, struct roster_entry **out, size_t *n, struct err *err);

/*
 * The one that is meant by an address, a container ID or the beginning of one (6 characters or
 * more), a host link, "namespace/name" or a name alone; of a pod with several interfaces its
 * oldest. NULL with a message: none is, or those of several pods.
 */
const struct roster_entry *roster_find(const struct roster_entry *list, size_t n, const char *text,
				       struct err *err);

#endif
