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

/* The node's routes to this address of the pod. Returns their number. */
size_t plumb_host_routes(const struct attachment_work *w, const struct addr *addr,
			 struct route out[2]);

/* The routes of the pod: those of the configuration or the delegate, of families that the pod has.
 */
const struct pod_route *plumb_pod_routes(const struct attachment_work *w, size_t *n);

#endif
