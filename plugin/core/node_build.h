/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_NODE_BUILD_H
#define CTNAT_CORE_NODE_BUILD_H

/* Making the node's base state. Only node_ensure() calls it, under the node's lock,
 * with open maps. */
#include "core/node.h"

/* fresh: no base state was here. apply: net's settings are to be in force from now on, and, if
 * save, saved. */
int node_build(struct node *node, const struct network *net, bool fresh, bool apply, bool save,
	       struct err *err);

#endif
