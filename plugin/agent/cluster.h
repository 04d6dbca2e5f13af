/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_CLUSTER_H
#define CTNAT_AGENT_CLUSTER_H

/*
 * What is known of the cluster: nodes, services, ServiceCIDRs. Whoever watches the API server puts
 * it in, whoever makes the node asks. A list is mark and sweep, so that a new list loses what is
 * gone and changes nothing else:
 *
 *	cluster_begin(c, kind); cluster_put(c, &object); ...; cluster_end(c, kind);
 *
 * generation[kind] grows only when something that we use has changed, and when the first list is
 * complete; so not with a node's heartbeats.
 */
#include "agent/object.h"

struct cluster_entry;

struct cluster_table {
	struct cluster_entry **entries; /* by name */
	size_t n, size;
	uint32_t round; /* of lists */
	bool known;
};

struct cluster {
	__u64 generation[KINDS];
	struct cluster_table tables[KINDS];
	char self[NODE_NAME_MAX];

	struct peer *peers; /* cluster_peers() of peers_generation */
	__u64 peers_generation;
};

int cluster_init(struct cluster *c, const char *self, struct err *err);
void cluster_free(struct cluster *c);

/* A list begins anew, wherever the last one ended. */
void cluster_begin(struct cluster *c, enum kind kind);

/* It is there, as it says. -ENOMEM changes nothing. */
int cluster_put(struct cluster *c, const struct object *object, struct err *err);

/* It is there, but says nothing that we understand: what is known of it stays. */
void cluster_keep(struct cluster *c, enum kind kind, const char *name);

void cluster_delete(struct cluster *c, enum kind kind, const char *name);

/* The list is complete: what was not put or kept since it began is gone. */
void cluster_end(struct cluster *c, enum kind kind);

/* Was a list of them ever complete? */
bool cluster_knows(const struct cluster *c, enum kind kind);

size_t cluster_count(const struct cluster *c, enum kind kind);

/* Valid until the next change. NULL: not known. */
const struct peer *cluster_self(const struct cluster *c);

/* All nodes that are known, by name, our own among them. The array is valid until the next call, or
 * cluster_free(). */
int cluster_peers(struct cluster *c, const struct peer **out, size_t *n, struct err *err);

/* Both ascending, each prefix once, as arrays that the caller frees.
 * The ServiceCIDRs, and every cluster IP that lies in none of them. */
int cluster_service_cidrs(const struct cluster *c, struct cidr **out, size_t *n, struct err *err);
/* External addresses of services, and those of load balancers. */
int cluster_externals(const struct cluster *c, struct cidr **out, size_t *n, struct err *err);

#endif
