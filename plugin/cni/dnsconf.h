/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_DNSCONF_H
#define CTNAT_CNI_DNSCONF_H

/* DNS settings, which the specification spells in two ways: in results, and in the capability that
 * runtimes write. */
#include "conf/json.h"
#include "core/network.h"

struct dns_keys {
	const char *nameservers, *search, *options;
	const char *domain; /* NULL: there is none */
};

extern const struct dns_keys dns_result_keys;	  /* nameservers, domain, search, options */
extern const struct dns_keys dns_capability_keys; /* servers, searches, options */

int dns_read(const struct json *object, const struct dns_keys *keys, struct dns *out,
	     struct err *err);

#endif
