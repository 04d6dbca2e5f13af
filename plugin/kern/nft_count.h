/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NFT_COUNT_H
#define CTNAT_KERN_NFT_COUNT_H

/* What the base table has counted since it was last made. */
#include "kern/nl.h"

struct nft_counts {
	unsigned long long masqueraded; /* first packets of flows that the table translates */
	unsigned long long unrouted;	/* dropped: for a service that nobody translated */
	unsigned long long leaks;	/* dropped by the table's own guard (level nftables) */
};

/* 0 for what is not there. */
int nft_count(struct nl *nl, struct nft_counts *out, struct err *err);

#endif
