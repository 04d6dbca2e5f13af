/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_RTNL_NEIGH_H
#define CTNAT_KERN_RTNL_NEIGH_H

/* Neighbour entries. */
#include "base/addr.h"
#include "kern/nl.h"

/* A permanent entry, replacing what is there. */
int rtnl_neigh_set(struct nl *nl, int ifindex, const struct addr *addr, const __u8 mac[MAC_LEN],
		   struct err *err);
/* An entry without a MAC, which ARP or ND will find as for any other; but it does not count against
 * the table's limit (gc_thresh3: 1024 for all namespaces together) and is not collected
 * (NTF_EXT_LEARNED, 5.0). */
int rtnl_neigh_reserve(struct nl *nl, int ifindex, const struct addr *addr, struct err *err);

/* 0 and the MAC and NUD_* state, or -ENOENT. */
int rtnl_neigh_get(struct nl *nl, int ifindex, const struct addr *addr, __u8 mac[MAC_LEN],
		   unsigned int *state, struct err *err);

#endif
