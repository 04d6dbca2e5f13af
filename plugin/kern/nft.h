/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NFT_H
#define CTNAT_KERN_NFT_H

/*
 * The base table `inet ctnat`, through libnftnl (a NETLINK_NETFILTER socket). Its text in nft's own
 * syntax stands above the code in nft_table.c, and a test compares it with what nft makes of it.
 */
#include <stdbool.h>

#include "base/cidrset.h"
#include "kern/nl.h"

struct nft_uplink {
	char name[IFNAME_MAX];
	struct addr v4, v6;	/* all zero: none of that family, masquerade decides */
};

/* What the table shall say. Ranges are disjoint and ascending, as cidrset_flatten() writes them. */
struct nft_spec {
	const struct addr_range *pods;		/* ranges of this node, and delegated addresses */
	size_t n_pods;
	const struct addr_range *leave;		/* destinations never translated */
	size_t n_leave;
	const struct addr_range *services;	/* destinations that must have met a DNAT */
	size_t n_services;
	const struct nft_uplink *uplinks;
	size_t n_uplinks;
	__u16 port_min, port_max;	/* host order, inclusive */
	bool guard;	/* drop what leaves an uplink with a pod's address (level nftables) */
};

/* Makes the table anew in one transaction: whoever sends meanwhile meets the old one or the new
 * one. On failure the old one stands. */
int nft_apply(struct nl *nl, const struct nft_spec *spec, struct err *err);

/*
 * 0: the table is whole. -ENOENT or -ESTALE, with CNI_CHECK_FAILED: something is missing or
 * altered, and *err names the culprit (chain, rule by its comment, set). Counters do not count; of
 * `pods` every wanted range must be there, more may be. Any other error: it could not be read.
 */
int nft_verify(struct nl *nl, const struct nft_spec *spec, struct err *err);

/* Success if there is none. */
int nft_remove(struct nl *nl, struct err *err);

/*
 * A pod's address outside the ranges of the table. Adding one that is there, or deleting one that
 * is not, is success. Deleting never cuts a range: an address that nft_apply() got as part of a
 * longer one stays.
 */
int nft_pod_add(struct nl *nl, const struct addr *addr, struct err *err);
int nft_pod_del(struct nl *nl, const struct addr *addr, struct err *err);

/* Changes with every change of anybody's ruleset in this namespace (NFT_MSG_GETGEN). Never 0. */
int nft_generation(struct nl *nl, __u32 *out, struct err *err);

#endif
