/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_UPLINK_H
#define CTNAT_CORE_UPLINK_H

/* The devices by which pods leave the node, and the guard on them. */
#include "core/node.h"

/* Makes map `uplinks` say what the node has now: the named devices, or those of the default routes;
 * and fills node->config.mtu if the settings leave it open. */
int uplinks_refresh(struct node *node, const struct node_settings *settings, struct err *err);

/* Are they what they were, with their addresses, with the guard, and still where the default routes
 * lead? Some ten system calls, however many pods there are. */
bool uplinks_stand(struct node *node, const struct node_settings *settings);

/* The address with which pods of this family leave: of the first uplink that has one;
 * zero if none. */
struct addr uplink_address(const struct node *node, int family);

/* The program that drops what would leave with a pod's address; a level without
 * programs has none. */
int guard_attach(struct node *node, struct err *err);
int guard_verify(struct node *node, struct err *err);
/* From whatever device carries it: also where the map that knew is gone. */
int guard_detach(struct node *node, struct err *err);

#endif
