/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_OBJECT_H
#define CTNAT_AGENT_OBJECT_H

/*
 * An object of the cluster as JSON, and what we use of it as plain values. Keys that we do not use
 * are not looked at.
 */
#include <stdint.h>

#include "agent/peer.h"
#include "conf/json.h"

#define OBJECT_NAME_MAX	      320 /* "namespace/name": 63 + 1 + 253, and the NUL */
#define OBJECT_VERSION_MAX    64
#define SERVICE_CLUSTER_MAX   2 /* one a family */
#define SERVICE_EXTERNALS_MAX 512
#define SERVICE_CIDRS_MAX     8 /* Kubernetes allows one a family */

enum kind { KIND_NODE, KIND_SERVICE, KIND_SERVICE_CIDR, KINDS };

/* "node", "service", "servicecidr": as they are called in messages and metrics. */
const char *kind_name(enum kind kind);

struct service {
	uint16_t n_cluster, n_external;
	/* cluster IPs, then external IPs and those of load balancers */
	struct addr addrs[SERVICE_CLUSTER_MAX + SERVICE_EXTERNALS_MAX];
};

struct service_cidr {
	size_t n;
	struct cidr cidrs[SERVICE_CIDRS_MAX]; /* masked */
};

struct object {
	enum kind kind;
	char name[OBJECT_NAME_MAX];
	char version[OBJECT_VERSION_MAX]; /* resourceVersion: opaque */
	union {
		struct peer peer;
		struct service service;
		struct service_cidr service_cidr;
	};
};

/*
 * Reads an object. 0, or -errno with an error that names it. If *out has a name all the same
 * (out->name[0]), the object exists, but what it says makes no sense to us.
 */
int object_read(const struct json *value, enum kind kind, struct object *out, struct err *err);
int object_parse(const char *text, size_t len, enum kind kind, struct object *out, struct err *err);

/* Only name and version. */
int object_read_head(const struct json *value, enum kind kind, struct object *out, struct err *err);

/* metadata.resourceVersion, which every object and every list has. "" if it has none. */
int object_read_version(const struct json *value, char out[OBJECT_VERSION_MAX], struct err *err);

#endif
