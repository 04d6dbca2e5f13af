/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_PLUMB_H
#define CTNAT_CORE_PLUMB_H

/*
 * The kernel's side of an attachment: five steps of the table in attachment.c. None has an undo of
 * its own: deleting the link takes all of it.
 */
#include "core/attachment.h"
#include "kern/rtnl_route.h"

/* The link-local gateway of that family, which the host's side of the veth answers for. */
struct addr pod_gateway(int family);

int plumb_link(struct attachment_work *w, struct err *err);
int plumb_program(struct attachment_work *w, struct err *err);
int plumb_host(struct attachment_work *w, struct err *err);
int plumb_pod(struct attachment_work *w, struct err *err);
int plumb_routes(struct attachment_work *w, struct err *err);

bool plumb_has_family(const struct attachment_work *w, int family);

/* The node's routes to this address of the pod behind that link. Returns their number. */
size_t plumb_host_routes(const struct node *node, int ifindex, const struct addr *addr,
			 struct route out[2]);

/* The same for every pod of the node, after its uplinks or their addresses have changed. */
int plumb_renew_routes(struct node *node, struct err *err);

/* The routes of the pod: those of the configuration or the delegate, of families that
 * the pod has. */
const struct pod_route *plumb_pod_routes(const struct attachment_work *w, size_t *n);

#endif
