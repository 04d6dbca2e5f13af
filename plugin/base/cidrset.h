/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_BASE_CIDRSET_H
#define CTNAT_BASE_CIDRSET_H

/*
 * Longest prefix match, flattened. The programs ask an LPM trie; an nftables interval set cannot
 * nest 10.9.0.0/16 inside 10.0.0.0/8. So the table gets the same answer as disjoint intervals: for
 * every address, "is in an interval of class X" is "the longest prefix that holds it has class X".
 */
#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"

struct classed_cidr {
	struct cidr cidr;	/* masked */
	__u32 class;		/* enum masq_class */
};

struct addr_range {
	struct addr first, last;	/* inclusive, same family */
};

/*
 * Writes the disjoint intervals, ascending, adjacent ones joined, of all addresses of `family`
 * whose longest prefix among in[0..n) has `class`. The same prefix twice: the later one counts.
 * Returns their number, or -ENOSPC if max is too small (2 * n + 1 always suffices), or -ENOMEM.
 */
int cidrset_flatten(const struct classed_cidr *in, size_t n, int family, __u32 class,
		    struct addr_range *out, size_t max);

#endif
