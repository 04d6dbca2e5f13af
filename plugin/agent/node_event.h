/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_NODE_EVENT_H
#define CTNAT_AGENT_NODE_EVENT_H

/* What happens on the node itself: its network, its ruleset, the files that ctnatd reads. */
#include "agent/loop.h"

enum node_event {
	EVENT_NETWORK, /* links, addresses, routes, rules */
	EVENT_RULESET,
	EVENT_FILES, /* in one of the directories */
};

struct node_events {
	struct loop *loop;
	struct loop_source sources[3]; /* by enum node_event */
	void (*happened)(enum node_event event, void *data);
	void *data;
};

/* From now on happened() is called after whatever changes, once for many changes at a time.
 * dirs: NULL-terminated; one that is not there is not watched. */
int node_events_start(struct node_events *events, struct loop *loop, const char *const *dirs,
		      void (*happened)(enum node_event event, void *data), void *data,
		      struct err *err);
void node_events_stop(struct node_events *events);

#endif
