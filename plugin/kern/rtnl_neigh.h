/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_RTNL_NEIGH_H
#define CTNAT_KERN_RTNL_NEIGH_H

/*
 * Neighbour entries, and the forwarding entries (FDB) of VXLAN devices, of which the kernel speaks
 * in the same words: of a neighbour, `addr` is asked for and `mac` the answer; of a forwarding
 * entry, frames for `mac` go to the host `addr`.
 */
#include <stdbool.h>

#include "base/addr.h"
#include "kern/nl.h"
#include "kern/rtnl_batch.h"

struct neigh {
	struct addr addr;
	__u8 mac[MAC_LEN];
	__u16 state;		/* NUD_* */
	bool other;		/* forwarding entry in a list: not the device's port or network */
};

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

/* All entries of one link: neighbours of both families, or forwarding entries. In an array that the
 * caller frees, in the kernel's order. */
int rtnl_neigh_list(struct nl *nl, int ifindex, struct neigh **out, size_t *n, struct err *err);
int rtnl_fdb_list(struct nl *nl, int ifindex, struct neigh **out, size_t *n, struct err *err);

/* Into a batch: a permanent entry, replacing what is there; and the end of one. (The state is not
 * asked for.) */
void rtnl_batch_neigh_set(struct rtnl_batch *batch, int ifindex, const struct neigh *neigh);
void rtnl_batch_neigh_del(struct rtnl_batch *batch, int ifindex, const struct neigh *neigh);
void rtnl_batch_fdb_set(struct rtnl_batch *batch, int ifindex, const struct neigh *entry);
void rtnl_batch_fdb_del(struct rtnl_batch *batch, int ifindex, const struct neigh *entry);

#endif
