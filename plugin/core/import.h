/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_IMPORT_H
#define CTNAT_CORE_IMPORT_H

/* The pods that the kernel knows and the maps do not. Theory in import.c. */
#include "core/node.h"

/* Records every attachment that has a host link, unless it is recorded. Under the node's lock. */
int import_pods(struct node *node, struct err *err);

/* Puts the pinned programs on every host link; at a level without programs takes them off. */
int import_attach(struct node *node, struct err *err);

/* Every host link of ours with what its alias says; goes on while fn returns 0. */
struct host_link {
	struct attachment_key key;
	char network[NETWORK_NAME_MAX];
	char name[IFNAME_MAX];
	int ifindex;
	__u8 mac[MAC_LEN];
};
int import_each_link(struct node *node,
		     int (*fn)(const struct host_link *link, void *data, struct err *err),
		     void *data, struct err *err);

/* Addresses that are routed to this link by our own routes. */
int import_addrs(struct node *node, int ifindex, struct addr out[POD_ADDRS_MAX], size_t *n,
		 struct err *err);

#endif
