/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NFT_READ_H
#define CTNAT_KERN_NFT_READ_H

/*
 * What the kernel has of the base table, as libnftnl's objects. All return 0 and an object that
 * the caller frees, or the raw -errno (-ENOENT: there is none).
 */
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>

#include "kern/nl.h"

int nft_read_table(struct nl *nl, struct nftnl_table **out, struct err *err);

/* With its rules. */
int nft_read_chain(struct nl *nl, const char *name, struct nftnl_chain **out, struct err *err);

/* With its elements. */
int nft_read_set(struct nl *nl, const char *name, struct nftnl_set **out, struct err *err);

static inline void cleanup_table(struct nftnl_table **table)
{
	if (*table)
		nftnl_table_free(*table);
}

static inline void cleanup_chain(struct nftnl_chain **chain)
{
	if (*chain)
		nftnl_chain_free(*chain);
}

static inline void cleanup_set(struct nftnl_set **set)
{
	if (*set)
		nftnl_set_free(*set);
}

#define _cleanup_table_ __attribute__((cleanup(cleanup_table)))
#define _cleanup_chain_ __attribute__((cleanup(cleanup_chain)))
#define _cleanup_set_	__attribute__((cleanup(cleanup_set)))

#endif
