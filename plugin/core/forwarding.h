/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_FORWARDING_H
#define CTNAT_CORE_FORWARDING_H

/* The node-wide sysctls, recorded in map `sysctls` before they are changed.
 * Theory in forwarding.c. */
#include "core/node.h"

int forwarding_enable(struct node *node, struct err *err);
int forwarding_verify(struct node *node, struct err *err);
/* Returns what was recorded to what it was, but leaves forwarding on, which others rely on by
 * now, and with it the accept_ra that keeps the node's own route. */
int sysctls_restore(struct node *node, struct err *err);

#endif
