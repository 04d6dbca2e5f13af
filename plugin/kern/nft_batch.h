/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NFT_BATCH_H
#define CTNAT_KERN_NFT_BATCH_H

/*
 * One nf_tables transaction: messages that take effect all at once or not at all. Begin, add,
 * commit, free.
 */
#include <stddef.h>

#include <libnftnl/set.h>

#include "kern/nl.h"

struct nft_batch {
	struct nl *nl;
	char *buf;		/* begins with BATCH_BEGIN; NULL: not begun */
	size_t size;
	size_t last;		/* offset of the last message, which may still grow */
	unsigned int first_seq;
};

#define _cleanup_nft_batch_ __attribute__((cleanup(nft_batch_free)))

/* Of a zeroed batch. Returns 0 or -ENOMEM. */
int nft_batch_begin(struct nft_batch *batch, struct nl *nl);

/* Starts a message (NFT_MSG_*, family inet); add the payload to what it returns, before the next
 * call. NULL: no memory. */
struct nlmsghdr *nft_batch_add(struct nft_batch *batch, unsigned int type, unsigned int flags);

/* NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM of all elements that the set has, in as many messages
 * as it takes. Returns 0 or -ENOMEM. */
int nft_batch_elements(struct nft_batch *batch, unsigned int type, unsigned int flags,
		       struct nftnl_set *set);

/* Returns 0, or the raw -errno of the first message that was refused. */
int nft_batch_commit(struct nft_batch *batch, struct err *err);

void nft_batch_free(struct nft_batch *batch);	/* also of a zeroed one */

#endif
