/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_UPLINK_H
#define CTNAT_CORE_UPLINK_H

/* The devices by which pods leave the node, and what they were before. */
#include "core/node.h"

/* Addresses of uplinks that are the node's no more. */
struct lost {
	struct addr addr[2 * UPLINKS_MAX];
	size_t n;
};

/* Makes map `uplinks` say what the node has now: the named devices, or those of the default routes;
 * those that were and are no more, as former ones. Ends the entries of addresses that the node has
 * lost, and adds them to lost. Fills node->config.mtu if the settings leave it open. */
int uplinks_refresh(struct node *node, const struct node_settings *settings, struct lost *lost,
		    struct err *err);

/* Ends the entries of these again: until the table knows their successors, it makes new ones. */
int uplinks_end_lost(struct node *node, const struct lost *lost, struct err *err);

/* Notes every device that carries a guard as a former uplink: for maps that are new, on a node that
 * is not. */
int uplinks_adopt(struct node *node, struct err *err);

/* Are they what they were, with their addresses, with the guard, and still where the default routes
 * lead? Some ten system calls, however many pods there are. */
bool uplinks_stand(struct node *node);

/* The address with which pods of this family leave: of the first uplink that has one;
 * zero if none. */
struct addr uplink_address(const struct node *node, int family);

#endif
