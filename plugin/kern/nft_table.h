/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NFT_TABLE_H
#define CTNAT_KERN_NFT_TABLE_H

/* What the base table says. */
#include "kern/nft.h"
#include "kern/nft_build.h"

#define NFT_TABLE "ctnat"

/* The chains whose rules count, and the comments of those rules. */
#define NFT_NAT_CHAIN	    "postrouting"
#define NFT_MASQUERADE_RULE "from pods"
#define NFT_UNROUTED_CHAIN  "unrouted"
#define NFT_UNROUTED_RULE   "service_unrouted"
#define NFT_GUARD_CHAIN	    "guard"
#define NFT_GUARD_RULE	    "leak"

/* Returns 0 or -ENOMEM. */
int nft_table_build(const struct nft_spec *spec, struct nft_table *out);

/* The set of pods of the address's family, without elements. NULL: no memory. */
struct nftnl_set *nft_table_pods_set(const struct addr *addr);

/* Is it one of the sets of pods, that change while the table stands? */
bool nft_table_is_pods_set(const char *name);

#endif
