/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_RECLAIM_H
#define CTNAT_CORE_RECLAIM_H

/*
 * Attachments that nobody will come back for. Before an address is refused, dead ones give theirs
 * back. Dead is: not ready while its lock is free, or ready and without its host link. Theory in
 * reclaim.c.
 */
#include "core/attachment.h"

/* Each returns how many it unmade (0 if none is dead), or a negative errno. `held`: a lock this
 * process has. */
int reclaim_one(struct node *node, const struct network *net, const struct request *req,
		const struct attachment_key *key, const struct attachment_lock *held);
int reclaim_dead(struct node *node, const struct network *net, const struct request *req,
		 const struct attachment_lock *held);

#endif
