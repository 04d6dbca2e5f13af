/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_TAKEOVER_H
#define CTNAT_CORE_TAKEOVER_H

/* Older versions' base state, on its way to be this version's. Theory in takeover.c. Under the
 * node's lock, with this version's maps open. */
#include "core/node.h"

/* Stops older versions from adding pods, and copies what must outlive them. Can be done again. */
int takeover_begin(struct node *node, struct err *err);

/* Removes what is left of them. After that nobody knows that they were. */
int takeover_end(struct err *err);

#endif
