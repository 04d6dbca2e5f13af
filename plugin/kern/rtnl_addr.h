/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_RTNL_ADDR_H
#define CTNAT_KERN_RTNL_ADDR_H

/* Interface addresses. */
#include "base/addr.h"
#include "kern/nl.h"

struct ifaddr {
	struct cidr cidr;
	int ifindex;
	unsigned int scope;		/* RT_SCOPE_* */
	unsigned int flags;		/* IFA_F_*, the 32-bit kind */
};

/* With `flags` IFA_F_NODAD | IFA_F_NOPREFIXROUTE as wanted. -EEXIST if it is there. */
int rtnl_addr_add(struct nl *nl, const struct ifaddr *addr, struct err *err);
/* Of that link. -EADDRNOTAVAIL if it is not there. */
int rtnl_addr_del(struct nl *nl, const struct ifaddr *addr, struct err *err);

/* Addresses of one link (ifindex > 0, filtered by the kernel) or of all (0), both families, in an
 * array that the caller frees. Order: the kernel's, so the first global IPv4 one is the primary. */
int rtnl_addr_list(struct nl *nl, int ifindex, struct ifaddr **out, size_t *n, struct err *err);

#endif
