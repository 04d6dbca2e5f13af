/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_GUARD_H
#define CTNAT_CORE_GUARD_H

#include "core/node.h"

/* The programs on the uplinks and on former ones: the guard, which drops what would leave with a
 * pod's address, and from_uplink. A level without programs has none: attaching takes them off. */
int guard_attach(struct node *node, struct err *err);
int guard_verify(struct node *node, struct err *err);
/* From whatever device carries any of ours: also where the map that knew is gone. */
int guard_detach(struct node *node, struct err *err);

#endif
