/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_LEASE_H
#define CTNAT_CORE_LEASE_H

/* The addresses of an attachment, as a step of it (attachment.c): from the network's own ranges, or
 * from the IPAM plugin that it names. Theory in lease.c. */
#include "core/attachment.h"

/* Fills w->addrs and records them in `pods` as pending. */
int lease_take(struct attachment_work *w, struct err *err);

/* Gives w->addrs back to whoever gave them; what is free already is success. */
int lease_return(struct attachment_work *w, struct err *err);

#endif
