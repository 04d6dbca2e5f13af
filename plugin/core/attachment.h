/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_ATTACHMENT_H
#define CTNAT_CORE_ATTACHMENT_H

/*
 * One attachment under work, and the ordered steps that make and unmake it. Theory in attachment.c.
 */
#include "core/delegate.h"
#include "core/identity.h"
#include "core/node.h"

struct attachment_work {
	const struct request *req;	/* its key is the attachment's */
	const struct network *net;	/* may hold no more than name and IPAM type, for unmaking */
	struct node *node;
	struct attachment_lock lock;
	struct attachment record;	/* as it is in the map, or as it shall be */
	bool recorded;			/* `attachments` has it */
	bool is_delegated;		/* another IPAM plugin gave its addresses */
	struct addr addrs[POD_ADDRS_MAX];
	size_t n_addrs;
	struct delegate_result delegated;
	int pod_netns;			/* fd; -1: none */
	struct nl pod_rt;		/* socket in there */
	__u8 host_mac[MAC_LEN], pod_mac[MAC_LEN];
};

/* Takes the lock and reads the record. With wait false -EWOULDBLOCK if somebody works on it. `held`
 * as in identity_lock(). End with attachment_close(), whatever came back. */
int attachment_open(struct attachment_work *w, const struct request *req, const struct network *net,
		    struct node *node, bool wait, const struct attachment_lock *held,
		    struct err *err);
void attachment_close(struct attachment_work *w);

/* All steps. What a failing step leaves, its own undo takes, and all before it. */
int attachment_make(struct attachment_work *w, struct err *err);

/* Every undo, last step first. "Already gone" is success; the first that fails ends it, for the
 * later ones must not come before it (an address must not be free while its link is up). What is
 * left is found by the next DEL or GC. */
int attachment_unmake(struct attachment_work *w, struct err *err);

/* Voids what `flows` says of the device, from the next packet on. Nothing to do without ifindex (no
 * packet ever was forwarded there), or without the map (nor is the datapath ours then). */
int attachment_void_answers(const struct node *node, __u32 ifindex, struct err *err);

#endif
