/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CONF_NODECONF_H
#define CTNAT_CONF_NODECONF_H

/* The node-wide keys of a configuration, nonMasqueradeCIDRs to insertLimit. */
#include "conf/json.h"
#include "core/network.h"

/* Fills *node from the keys that root has, and defaults. CNI_INVALID_CONFIG names the key; then
 * *node is undefined. */
int nodeconf_parse(const struct json *root, struct node_settings *node, struct err *err);

/* Those keys: for who wants no others. */
#define NODECONF_KEYS                                                                           \
	"nonMasqueradeCIDRs", "serviceCIDRs", "masqueradeCIDRs", "uplinks", "mtu", "portRange", \
		"insertLimit", "spoofCheck", "datapath", "shortWay", "stackMark"

#endif
