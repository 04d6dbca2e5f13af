/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_PEER_H
#define CTNAT_AGENT_PEER_H

/* What ctnatd knows of a node of the cluster, free of JSON. */
#include <stdbool.h>

#include "base/addr.h"

#define NODE_NAME_MAX  254 /* RFC 1123's 253, and the NUL */
#define NODE_CIDRS_MAX 4   /* Kubernetes gives one a family */

/* Plain values; compared and copied as a whole. */
struct peer {
	char name[NODE_NAME_MAX];
	bool cloud;			       /* has a providerID that names a cloud */
	bool unavailable;		       /* its condition NetworkUnavailable is True */
	struct addr addr[2];		       /* InternalIP, IPv4 and IPv6; all zero: none */
	struct cidr pod_cidrs[NODE_CIDRS_MAX]; /* masked */
	size_t n_pod_cidrs;
};

#endif
