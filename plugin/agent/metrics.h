/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_METRICS_H
#define CTNAT_AGENT_METRICS_H

/* What Prometheus is told, in its text format 0.0.4. Names and meanings stand in README.md, too. */
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/err.h"
#include "core/node.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* How it is with the watch of one kind of object. */
struct metrics_watch {
	const char *resource; /* "nodes" */
	bool synced;	      /* a first list was complete */
	bool connected;	      /* a watch stands now */
	__u64 lists, errors;  /* since the start */
	__u64 last_event;     /* CLOCK_REALTIME, ns; 0: none yet */
};

/* What is not on the node to be read. */
struct metrics_input {
	const char *version;	   /* of ctnatd */
	struct node *node;	   /* open; without state its counters are 0. NULL: untold */
	const struct cidr *ranges; /* of this node's pods, masked */
	size_t n_ranges;
	const struct metrics_watch *watches;
	size_t n_watches;
	unsigned int direct_routes, vxlan_routes;
	bool base_whole; /* what the last node_verify() said */
	__u64 base_repairs;
	unsigned int config_generation; /* of ctnatd's file: grows when a new one is in force */
	bool config_good;		/* the file that is there now is the one in force */
};

/* Reads the node's counters, and writes everything into *text, which the caller frees. */
int metrics_render(const struct metrics_input *in, char **text, size_t *len, struct err *err);

#endif
