/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_FORWARDING_H
#define CTNAT_CORE_FORWARDING_H

/* The node-wide sysctls, recorded in map `sysctls` before they are changed.
 * Theory in forwarding.c. */
#include "core/node.h"

/* Switches forwarding on if the settings are new (`apply`); in any case keeps the node's own route
 * from router advertisements, on devices that came since too. */
int forwarding_enable(struct node *node, bool apply, struct err *err);

/* Lets conntrack put up with flows that take the short way, if node->config says that some do.
 * Comes after whatever loads conntrack. */
int tracking_relax(struct node *node, struct err *err);

/* CNI_CHECK_FAILED names the first of those sysctls that somebody turned back, and says what to
 * do. One that is not there is as it should be. */
int sysctls_verify(const struct node *node, struct err *err);

/* Returns what was recorded to what it was, but leaves forwarding on, which others rely on by
 * now, and with it the accept_ra that keeps the node's own route. */
int sysctls_restore(struct node *node, struct err *err);

#endif
