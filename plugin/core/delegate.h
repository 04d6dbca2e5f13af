/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_DELEGATE_H
#define CTNAT_CORE_DELEGATE_H

/*
 * A delegated IPAM plugin, executed as the CNI specification 1.1.0 says (section 4): the same
 * environment with the verb's CNI_COMMAND, the same configuration on stdin, found along CNI_PATH.
 * core decides when; how its JSON reads is the front end's business, so a request carries the
 * function that runs it (cni/ipam_exec.c).
 */
#include "base/err.h"
#include "core/network.h"

struct delegate_result {
	struct cidr addrs[POD_ADDRS_MAX];
	size_t n_addrs;
	struct pod_route routes[CONF_ROUTES_MAX];
	size_t n_routes;
	struct dns dns;
};

/*
 * delegate_fn (network.h): runs the IPAM plugin named net->ipam_type. `out` only for ADD. For
 * CHECK, GC and STATUS: 0 without running it if its VERSION does not know the verb (CHECK from
 * 0.4.0, GC and STATUS from 1.1.0). Its own error comes back with its own code and message.
 */

/* For who has no configuration to run it with, and so leaves what it gave to others' DEL or GC. */
static inline int no_delegate(enum verb verb, const struct request *req, const struct network *net,
			      struct delegate_result *out, struct err *err)
{
	(void)verb;
	(void)req;
	(void)net;
	(void)out;
	(void)err;
	return 0;
}

#endif
