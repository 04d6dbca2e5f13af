/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_INSPECT_H
#define CTNAT_CORE_INSPECT_H

/* Looking without touching: what ctnatctl shows. */
#include "core/node.h"

struct snapshot {
	struct config config;
	struct {
		__u32 ifindex;
		struct uplink uplink;
	} uplinks[UPLINKS_MAX];
	size_t n_uplinks;
	unsigned int addresses;		/* entries of `pods` */
	unsigned int ready, pending, dying;	/* attachments by state */
	unsigned int conntrack, conntrack_max;
	__u64 ok[VERB_MAX], failed[VERB_MAX];
	bool whole;			/* node_verify() */
	char fault[512];		/* what is not whole */
};

/* Fills *out from an open node that has state. */
int inspect_node(struct node *node, struct snapshot *out, struct err *err);

/* All counters, by enum reason. */
int inspect_stats(struct node *node, struct counter out[REASON_MAX], struct err *err);
const char *reason_name(enum reason reason);
const char *reason_what(enum reason reason);

/* The journal, oldest first: at most JOURNAL_SIZE entries. Returns their number. */
int inspect_journal(struct node *node, struct journal_entry out[JOURNAL_SIZE], struct err *err);

#endif
