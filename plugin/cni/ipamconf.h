/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_IPAMCONF_H
#define CTNAT_CNI_IPAMCONF_H

/* The `ipam` section, in host-local's schema: which addresses pods get, and which routes. */
#include "conf/json.h"
#include "core/network.h"

#define IPAM_BUILT_IN "ctnat"

/*
 * Fills in net->sets and net->routes; net->ipam_type is known. A section of another IPAM plugin is
 * that plugin's business and is not read. `runtime` is runtimeConfig, whose ipRanges come before
 * the section's own; its node is NULL if there is none. ADD and CHECK need an address range, unless
 * `ranges` is [].
 */
int ipamconf_parse(const struct json *ipam, const struct json *runtime, enum verb verb,
		   struct network *net, struct err *err);

/* Why a pod cannot have the address that it asks for, given what is in net->ips already; NULL if it
 * can. Another IPAM plugin judges for itself. */
const char *ipamconf_refuses(const struct network *net, const struct addr *addr);

#endif
