/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_UNINSTALL_H
#define CTNAT_CORE_UNINSTALL_H

/* Taking ctnat off a node. Theory in uninstall.c. */
#include <stdbool.h>

#include "core/node.h"

/* Unmakes all attachments, *unmade of them, and removes the base state. CNI_TRY_AGAIN, and nothing
 * is done, while any of them is alive, unless `force`. */
int uninstall_base(struct node *node, bool force, unsigned int *unmade, struct err *err);

/* How many are alive: who asks before it begins with something else. */
int uninstall_count(struct node *node, unsigned int *alive, struct err *err);

/* What stays, for people. */
#define UNINSTALL_KEPT                                                                            \
	"net.ipv4.ip_forward and net.ipv6.conf.all.forwarding, on which others rely by now; and " \
	"accept_ra, without which the node would lose its own route"

#endif
