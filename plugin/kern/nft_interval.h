/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NFT_INTERVAL_H
#define CTNAT_KERN_NFT_INTERVAL_H

/* Ranges of addresses as elements of an nftables interval set, whose key length says the family. */
#include <libnftnl/set.h>

#include "base/cidrset.h"

/* Adds a range of the set's family. Returns 0 or -ENOMEM. */
int nft_interval_add(struct nftnl_set *set, const struct addr_range *range);

/* Is every address of `part` in `whole`, however both are cut into ranges? Returns 1, 0 or
 * -ENOMEM. */
int nft_interval_covers(struct nftnl_set *whole, struct nftnl_set *part);

#endif
