/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_RUNTIMECONF_H
#define CTNAT_CNI_RUNTIMECONF_H

/* What is asked for one attachment: runtimeConfig (capabilities ips, mac, bandwidth, dns),
 * args.cni, CNI_ARGS. */
#include "cni/env.h"
#include "conf/json.h"
#include "core/network.h"

/* net->sets are known: an address outside them is refused. runtime->node is NULL if there is no
 * runtimeConfig. For each of address and MAC the first of runtimeConfig, args.cni, CNI_ARGS that
 * asks is heard. */
int runtimeconf_parse(const struct json *root, const struct json *runtime,
		      const struct cni_args *args, struct network *net, struct err *err);

#endif
