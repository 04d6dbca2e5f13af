/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_RECLAIM_H
#define CTNAT_CORE_RECLAIM_H

/*
 * Attachments that nobody will come back for. Before an address is refused, dead ones give theirs
 * back. Dead is: not ready while its lock is free, or ready and without its host link. Theory in
 * reclaim.c.
 */
#include "core/attachment.h"

/* Why the open attachment is dead, in words, or NULL: it is not. Its lock is held. */
const char *reclaim_why(const struct attachment_work *w);

/*
 * The address's owner has no record, and nobody works on it: then nobody will come for the address.
 * Frees it, unless `look_only`. Returns 1 if it did or would, 0 if it is not so.
 */
int reclaim_address(struct node *node, const struct addr *addr, const struct pod *pod,
		    bool look_only, struct err *err);

/* Each returns how many it unmade (0 if none is dead), or a negative errno. `held`: a lock this
 * process has. */
int reclaim_one(struct node *node, const struct network *net, const struct request *req,
		const struct attachment_key *key, const struct attachment_lock *held);
int reclaim_dead(struct node *node, const struct network *net, const struct request *req,
		 const struct attachment_lock *held);

#endif
