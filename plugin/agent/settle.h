/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_SETTLE_H
#define CTNAT_AGENT_SETTLE_H

/* Making true on this node what the operator and the cluster say. Theory in settle.c. */
#include "agent/cluster.h"
#include "agent/config.h"
#include "agent/install.h"
#include "agent/routes.h"
#include "core/network.h"

struct settle {
	const struct agent_config *config;
	struct cluster *cluster; /* the model */
	struct routes routes;
	struct install install;
	struct nl rt;
	struct network net;			  /* what the base state is made for ... */
	struct cluster_cidrs cidrs;		  /* ... and what it knows of the cluster, */
	struct cidr *pods, *services, *externals; /* in these, */
	bool collected;				  /* once it has named this node */
	struct network *saved;			  /* what an earlier ctnatd knew; NULL: nothing */
	struct node_settings good;		  /* the last that the node could have, */
	bool has_good;				  /* if there were any */
	bool routed;				  /* routes were made once */

	/* how it went the last time */
	bool plugin_stands, routes_stand, base_stands, conflist_stands;
	unsigned long long repairs; /* of a base state that somebody had changed */
	__u64 hash;		    /* of the settings in force, ... */
	__u32 generation;	    /* ... and of the node's config */
	struct log_state plugin_log, routes_log, refusals_log, base_log, conflist_log, firewall_log;
};

/* What an earlier ctnatd saved is taken from now on, until the cluster says better. `config`,
 * `cluster` and the texts of `paths` stay the caller's. */
int settle_open(struct settle *settle, const struct agent_config *config, struct cluster *cluster,
		const struct install *paths, struct err *err);
void settle_close(struct settle *settle);

/* All of it, as far as it can be had; what cannot is said, once. Costs little where nothing is to
 * be done. */
void settle_now(struct settle *settle);

/* Links, addresses or routes of the node are others than they were. */
void settle_forget(struct settle *settle);

/* Can this node serve pods: does everything stand that they need? */
bool settle_ready(const struct settle *settle);

/* Attachments of which nothing is left in the kernel give back what they hold. Returns how many. */
int settle_collect(struct err *err);

#endif
