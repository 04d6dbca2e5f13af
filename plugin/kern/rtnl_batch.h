/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_RTNL_BATCH_H
#define CTNAT_KERN_RTNL_BATCH_H

/*
 * Thousands of changes in a few talks: messages lie one behind the other and go out when there are
 * enough of them, or at the end. Each is done or refused by itself: the kernel goes on after one
 * that it refuses, so order holds and one bad object keeps no other back.
 */
#include "kern/nl.h"

struct rtnl_batch {
	struct nl *nl;
	struct nlmsghdr *last; /* is being written; NULL: none */
	size_t len;	       /* of those before it */
	unsigned int first_seq;
	unsigned int messages; /* since the beginning */
	int error;	       /* the first that came */
	struct err err;
	char buf[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* Nobody else talks over `nl` until the end. */
void rtnl_batch_begin(struct rtnl_batch *batch, struct nl *nl);

/* Starts a message (of at most 512 bytes): add the family's header and attributes to what it
 * returns. It is complete when the next one starts. */
struct nlmsghdr *rtnl_batch_add(struct rtnl_batch *batch, unsigned int type, unsigned int flags);

/* Sends what has been put in so far. */
void rtnl_batch_flush(struct rtnl_batch *batch);

/* ... and says how all of it went: 0, or the first error, with the object's name. That something to
 * be deleted is gone is none. */
int rtnl_batch_end(struct rtnl_batch *batch, struct err *err);

#endif
