/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_FORWARDING_H
#define CTNAT_CORE_FORWARDING_H

/* The node-wide sysctls, recorded in map `sysctls` before they are changed. Theory in forwarding.c.
 */
#include "core/node.h"

int forwarding_enable(struct node *node, struct err *err);
int forwarding_verify(struct node *node, struct err *err);
/* Returns what was recorded to what it was, but leaves forwarding on: others rely on it by now. */
int sysctls_restore(struct node *node, struct err *err);

#endif
