/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_CTNL_H
#define CTNAT_KERN_CTNL_H

/* The connection tracking table of a namespace, over ctnetlink (a NETLINK_NETFILTER socket). */
#include "base/addr.h"
#include "kern/nl.h"

/*
 * Deletes every entry of the pod's address: those whose original source it is (what it opened), and
 * those whose reply source it is (what was opened to it, whatever DNAT stood before). No other
 * entry is touched, whatever the kernel makes of our filters. Returns 0; *deleted, if not NULL,
 * counts where the kernel lets us (else it is 0).
 */
int ctnl_flush_addr(struct nl *nl, const struct addr *addr, unsigned int *deleted, struct err *err);

/* Deletes every entry that translates a source to this address: reply destination, and IPS_SRC_NAT.
 * Else as above. */
int ctnl_flush_snat(struct nl *nl, const struct addr *addr, unsigned int *deleted, struct err *err);

/* Entries in this namespace and the limit. */
int ctnl_count(struct nl *nl, unsigned int *entries, unsigned int *max, struct err *err);

#endif
