/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_INSPECT_H
#define CTNAT_CORE_INSPECT_H

/* Looking without touching: what ctnatctl shows. */
#include "core/node.h"
#include "kern/nft_count.h"

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

/*
 * What is counted on a node, cheap enough to be asked every few seconds: each map is read once, and
 * nothing is verified. What it has no state for is 0, and so is all of it without state.
 */
struct counts {
	struct config config;
	struct counter reasons[REASON_MAX];
	__u64 ended[VERB_MAX][OUTCOMES];
	unsigned int attachments[STATE_DYING + 1];	/* by enum record_state */
	unsigned int conntrack, conntrack_max;
	struct nft_counts table;
};
int inspect_counts(struct node *node, struct counts *out, struct err *err);

/* used[0..n): how many addresses of each range are in use; used[n]: of none of them. */
int inspect_addresses(struct node *node, const struct cidr *ranges, size_t n,
		      unsigned int *used, struct err *err);

/* All counters, by enum reason. */
int inspect_stats(struct node *node, struct counter out[REASON_MAX], struct err *err);
const char *reason_name(enum reason reason);
const char *reason_what(enum reason reason);

/* The journal, oldest first: at most JOURNAL_SIZE entries. Returns their number. */
int inspect_journal(struct node *node, struct journal_entry out[JOURNAL_SIZE], struct err *err);

#endif
