/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_SETTINGS_H
#define CTNAT_CORE_SETTINGS_H

/* From the node-wide keys of a configuration to the maps `masq_cidrs` and `config`. Which
 * destination has which class: classes.c. */
#include "core/node.h"

/* Of all that net says of the node. Of ctnatd's networks: with the classes that come of the
 * cluster, not with how it said so. */
int settings_hash(const struct network *net, __u64 *out, struct err *err);

/* Makes `masq_cidrs` say what net's settings and ranges say, but keeps pod ranges of other
 * networks, and fills the settings' fields of node->config (which node_ensure() writes). */
int settings_apply(struct node *node, const struct network *net, struct err *err);

/* Adds net's pod ranges to `masq_cidrs`; what is there stays. */
int settings_add_ranges(struct node *node, const struct network *net, struct err *err);

#endif
