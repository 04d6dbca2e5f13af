/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_NODE_H
#define CTNAT_CORE_NODE_H

/*
 * The node's base state, and a handle on it. Theory in node.c.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "core/network.h"
#include "kern/maps.h"
#include "kern/nl.h"

struct node {
	struct maps maps;
	struct config config;	/* as it was when the handle was opened or ensured */
	struct nl rt, nf;	/* sockets in the node's namespace */
	int netns;		/* fd of it */
	dev_t instance;		/* of bpffs, to notice that it was covered or unmounted meanwhile */
	unsigned int newer;	/* ABI_DATAPATH of a newer ctnat that holds this node; 0: none */
};

#define NODE_CLOSED { .maps = MAPS_CLOSED, .netns = -1 }

/*
 * Opens what there is and changes nothing. A node without state is success: node_has_state() tells,
 * and node_has_records() whether `pods` and `attachments` are there all the same: another version's
 * node, or one whose first ADD died. Pins of another node's (by netns cookie) are an error.
 */
int node_open(struct node *node, struct err *err);
bool node_has_state(const struct node *node);
bool node_has_records(const struct node *node);
void node_close(struct node *node);

/*
 * Makes the base state true for net and opens it: on a node where it is true already, some ten
 * system calls. CNI_INVALID_CONFIG if the node keys of net contradict those of another network.
 */
int node_ensure(struct node *node, const struct network *net, struct err *err);

/* Of a node that is ensured: every part is made anew, whether it is true or not; sysctls too, which
 * node_ensure() leaves to who turned them back. For ctnatd. */
int node_rebuild(struct node *node, const struct network *net, struct err *err);

/* CNI_NOT_AVAILABLE if a newer ctnat than this one has made maps or programs: then nothing but the
 * records is this one's to touch. */
int node_refuse_newer(const struct node *node, struct err *err);

/* Is the base state whole? Names the first part that is not: sysctl, base table, guard program.
 * Changes nothing. */
int node_verify(struct node *node, struct err *err);

/* Still the base state that was opened? -EAGAIN (CNI_TRY_AGAIN) if bpffs was unmounted or covered
 * meanwhile, or the node was taken over or uninstalled. */
int node_same_instance(const struct node *node, struct err *err);

/* Removes all base state, saved settings too, and returns recorded sysctls to what they were, but
 * for forwarding. */
int node_remove(struct node *node, struct err *err);

#endif
