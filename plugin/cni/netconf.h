/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_NETCONF_H
#define CTNAT_CNI_NETCONF_H

/* The network configuration on stdin: JSON in, plain values out. */
#include "cni/env.h"
#include "core/network.h"

#define CNI_VERSION_MAX 16

/* The configuration's cniVersion if it can be had at all, else the newest: for VERSION, and for
 * errors. */
void netconf_version(const char *text, size_t len, char out[CNI_VERSION_MAX]);

/*
 * As much as the verb needs: for DEL and GC name, type, cniVersion and ipam.type alone, so that
 * nothing else that went wrong with the configuration since keeps a pod from being deleted; for all
 * others everything. CNI_DECODE for what is not JSON, CNI_INCOMPATIBLE_VERSION for a version that
 * we do not speak or that does not know the verb, CNI_UNSUPPORTED_FIELD, CNI_INVALID_CONFIG. *net
 * is undefined on failure, but for the name once that was read.
 */
int netconf_parse(const char *text, size_t len, enum verb verb, const struct cni_args *args,
		  struct network *net, struct err *err);

#endif
