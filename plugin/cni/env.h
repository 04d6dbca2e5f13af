/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CNI_ENV_H
#define CTNAT_CNI_ENV_H

/* The environment by which a runtime speaks: CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS, CNI_ARGS,
 * CNI_PATH. */
#include "core/network.h"

/* What CNI_ARGS asks for. The configuration may ask otherwise, and then wins. */
struct cni_args {
	bool has_ip;
	struct addr ip;
	bool has_mac;
	__u8 mac[MAC_LEN];
};

/*
 * Fills in req's key, netns, cni_path and pod_name, as far as req->verb uses them. CNI_INVALID_ENV
 * names the variable and its value; what was read before it stays in *req, so that the journal can
 * tell of whom it was.
 */
int env_read(struct request *req, struct cni_args *args, struct err *err);

#endif
