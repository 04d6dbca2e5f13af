// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: one function makes all true, whatever has happened, and is called after each event and
 * once in a while. It asks what there is and changes what differs; so a second call does nothing,
 * and a ctnatd that died at any point, or missed an event, is put right by the next call. In this
 * order:
 *
 *	plugin		the binary: an ADD that meets a base state of a version before takes it
 *			over by itself, one that meets a later version's could only fail; so it
 *			is not put in the place of a newer one
 *	routes		to the other nodes, for they decide how large a pod's packet may be
 *	base state	core/node.h, for a network whose ranges are this node's podCIDRs
 *	configuration	of the network, only once all before it stands: from then on the kubelet
 *			gives this node pods
 *
 * A part that fails is said once and tried again; the others do not wait for it, but for the last.
 * Nothing is ever withdrawn because something fails: pods live on what there was.
 *
 * What the cluster has not said yet, an earlier ctnatd may have known (core/saved.h): that is taken
 * until then, so a restart changes nothing on a node that works. A node that never knew its
 * cluster's services leaves all destinations to the table, which comes after kube-proxy.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/settle.h"
#include "base/cleanup.h"
#include "core/leftovers.h"
#include "core/node.h"
#include "core/saved.h"
#include "kern/nft_forward.h"

int settle_open(struct settle *s, const struct agent_config *config, struct cluster *cluster,
		const struct install *paths, struct err *err)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->config = config;
	s->cluster = cluster;
	s->install = *paths;
	ret = nl_open(&s->rt, NETLINK_ROUTE, err);
	if (ret < 0)
		return ret;
	s->saved = calloc(1, sizeof(*s->saved));
	if (!s->saved)
		return err_set(err, -ENOMEM, "begin");
	ret = saved_read(s->saved, err);
	if (ret < 0) /* it is written anew as soon as there is something to write */
		free(TAKE_PTR(s->saved));
	if (ret < 0 && ret != -ENOENT)
		log_line(LOG_WARNING, "saved settings: %s", err->msg);
	return 0;
}

static void forget_cidrs(struct settle *s)
{
	free(TAKE_PTR(s->pods));
	free(TAKE_PTR(s->services));
	free(TAKE_PTR(s->externals));
	memset(&s->cidrs, 0, sizeof(s->cidrs));
}

void settle_close(struct settle *s)
{
	forget_cidrs(s);
	routes_free(&s->routes);
	saved_free(&s->saved);
	s->saved = NULL;
	nl_close(&s->rt);
}

/* ---- what the cluster says ------------------------------------------------------------------- */

static int collect_pods(struct settle *s, struct err *err)
{
	const struct peer *peers;
	size_t n;
	int ret = cluster_peers(s->cluster, &peers, &n, err);

	if (ret < 0)
		return ret;
	s->pods = calloc(n * NODE_CIDRS_MAX + 1, sizeof(*s->pods));
	if (!s->pods)
		return err_set(err, -ENOMEM, "collect the pods' prefixes");
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < peers[i].n_pod_cidrs; j++)
			s->pods[s->cidrs.n_pods++] = peers[i].pod_cidrs[j];
	s->cidrs.pods = s->pods;
	return 0;
}

static int collect_services(struct settle *s, struct err *err)
{
	struct cluster_cidrs *to = &s->cidrs;
	int ret = cluster_service_cidrs(s->cluster, &s->services, &to->n_services, err);

	if (!ret)
		ret = cluster_externals(s->cluster, &s->externals, &to->n_externals, err);
	to->services = s->services;
	to->externals = s->externals;
	to->services_known = !ret;
	return ret;
}

/*
 * Each part from the cluster if it has said all of it, else as it was saved. While the cluster does
 * not know this node, all stays as it was: an API server that lost its memory, or this node's Node,
 * is no reason to take other nodes' pods for the world.
 */
static int collect_cidrs(struct settle *s, struct err *err)
{
	const struct cluster_cidrs *saved = s->saved ? s->saved->cluster : NULL;
	int ret;

	if (!cluster_self(s->cluster)) {
		if (!s->collected && saved)
			s->cidrs = *saved;
		return 0;
	}
	forget_cidrs(s);
	ret = collect_pods(s, err);
	if (ret < 0)
		return ret;
	s->collected = true;
	if (cluster_knows(s->cluster, KIND_SERVICE) && cluster_knows(s->cluster, KIND_SERVICE_CIDR))
		return collect_services(s, err);
	if (saved) {
		s->cidrs.services_known = saved->services_known;
		s->cidrs.services = saved->services;
		s->cidrs.n_services = saved->n_services;
		s->cidrs.externals = saved->externals;
		s->cidrs.n_externals = saved->n_externals;
	}
	return 0;
}

/* A set for each podCIDR: that is how ADD takes an address of each family. */
static void take_ranges(struct network *net, const struct peer *self)
{
	net->n_sets = 0;
	for (size_t i = 0; i < self->n_pod_cidrs; i++) {
		net->sets[i].n = 1;
		net->sets[i].ranges[0].subnet = self->pod_cidrs[i];
		net->n_sets = i + 1;
	}
}

/* ---- the parts ------------------------------------------------------------------------------- */

static int settle_routes(struct settle *s, struct err *err)
{
	const struct peer *self = cluster_self(s->cluster), *peers;
	size_t n;
	int ret;

	if (!cluster_knows(s->cluster, KIND_NODE))
		return 1; /* what an earlier ctnatd made stays */
	if (!self)
		return err_cni(err, CNI_NOT_AVAILABLE, "the cluster has no node '%s' (NODE_NAME)",
			       s->cluster->self);
	ret = cluster_peers(s->cluster, &peers, &n, err);
	if (!ret)
		ret = routes_apply(&s->routes, &s->rt, self, peers, n, s->config->overlay, err);
	log_state(&s->refusals_log, "nodes without a route",
		  s->routes.refusals.n ? s->routes.refusals.first : NULL);
	s->routed = s->routed || !ret;
	return ret;
}

/* What the overlay takes of a packet; as it was saved until the nodes are known. */
static __u32 overhead(const struct settle *s)
{
	if (s->routed)
		return routes_overhead(&s->routes);
	return s->saved ? s->saved->node.overhead : 0;
}

/* Whatever is not as it was left is made again: a sysctl that somebody turned back, too. */
static int make_base(struct settle *s, struct node *node, struct err *err)
{
	struct err fault;
	int ret = node_ensure(node, &s->net, err);

	if (ret < 0 || !node_verify(node, &fault))
		return ret;
	log_line(LOG_WARNING, "base state: made again, because %s", fault.msg);
	ret = node_rebuild(node, &s->net, err);
	return ret ? ret : node_verify(node, err);
}

/* Settings that the node cannot have (an uplink that is not there) are said, and the last that it
 * could have stay in force. */
static int make_best_base(struct settle *s, struct node *node, struct err *err)
{
	struct err ignored;
	int ret;

	s->net.node = s->config->node;
	s->net.node.overhead = overhead(s);
	ret = make_base(s, node, err);
	if (!ret) {
		s->good = s->config->node;
		s->has_good = true;
		return 0;
	}
	if (!s->has_good || !memcmp(&s->good, &s->config->node, sizeof(s->good)))
		return ret;
	node_close(node);
	*node = (struct node)NODE_CLOSED;
	s->net.node = s->good;
	s->net.node.overhead = overhead(s);
	make_base(s, node, &ignored);
	return ret;
}

/* Is there a base state, or, without one, do we know this node's own ranges? Pods that live would
 * be taken for strangers without; an ADD knows them. */
static bool may_make_base(const struct settle *s)
{
	struct node node = NODE_CLOSED;
	bool made;

	if (cluster_self(s->cluster))
		return true;
	made = !node_open(&node, NULL) && node_has_state(&node);
	node_close(&node);
	return made;
}

/* Docker and ufw do that; kube-proxy and we accept nothing on others' behalf. */
static void look_at_firewall(struct settle *s, struct node *node)
{
	char chain[200], text[400];
	int found = nft_forward_dropped(&node->nf, chain, sizeof(chain), NULL);

	if (found < 0)
		return;
	snprintf(text, sizeof(text),
		 "'%s' drops whatever its rules do not accept on its way through this node: let "
		 "them accept the pods' ranges, or set its policy to accept",
		 chain);
	log_state(&s->firewall_log, "firewall", found ? text : NULL);
}

static int settle_base(struct settle *s, struct err *err)
{
	const struct peer *self = cluster_self(s->cluster);
	struct node node = NODE_CLOSED;
	int ret = collect_cidrs(s, err);

	if (ret < 0)
		return ret;
	if (!may_make_base(s))
		return 1;
	s->net.cluster = &s->cidrs;
	if (self)
		take_ranges(&s->net, self);
	ret = make_best_base(s, &node, err);
	if (!ret) {
		if (s->hash == node.config.settings_hash && s->generation != node.config.generation)
			s->repairs++;
		s->hash = node.config.settings_hash;
		s->generation = node.config.generation;
	}
	if (!ret)
		look_at_firewall(s, &node);
	node_close(&node);
	return ret;
}

static int settle_plugin(struct settle *s, struct err *err)
{
	struct node node = NODE_CLOSED;
	int ret = node_open(&node, err);

	if (!ret)
		ret = node_refuse_newer(&node, err);
	node_close(&node);
	if (!ret)
		ret = install_plugin(&s->install, err);
	if (ret > 0)
		log_line(LOG_INFO, "plugin: installed in '%s'", s->install.bin_dir);
	return ret < 0 ? ret : 0;
}

static int settle_conflist(struct settle *s, struct err *err)
{
	const struct peer *self = cluster_self(s->cluster);
	bool ready = s->plugin_stands && s->base_stands && s->routes_stand;
	const char *news;
	int ret = install_conflist(&s->install, self ? self->pod_cidrs : NULL,
				   self ? self->n_pod_cidrs : 0, ready, err);

	if (ret > 0)
		log_line(LOG_INFO, "network configuration: written to '%s'", s->install.conf_dir);
	news = install_news(&s->install);
	if (news)
		log_line(*news ? LOG_WARNING : LOG_INFO, "network configuration: %s",
			 *news ? news : "nothing is odd about it any more");
	return ret < 0 ? ret : !install_stands(&s->install);
}

static bool settle_part(struct settle *s, struct log_state *log, const char *name,
			int (*part)(struct settle *, struct err *))
{
	struct err err = { 0 };
	int ret = part(s, &err);

	log_state(log, name, ret < 0 ? err.msg : NULL);
	return !ret;
}

void settle_now(struct settle *s)
{
	s->plugin_stands = settle_part(s, &s->plugin_log, "plugin", settle_plugin);
	s->routes_stand = settle_part(s, &s->routes_log, "routes", settle_routes);
	s->base_stands = settle_part(s, &s->base_log, "base state", settle_base);
	s->conflist_stands =
		settle_part(s, &s->conflist_log, "network configuration", settle_conflist);
}

void settle_forget(struct settle *s)
{
	routes_forget(&s->routes);
}

bool settle_ready(const struct settle *s)
{
	return s->plugin_stands && s->routes_stand && s->base_stands && s->conflist_stands &&
	       install_stands(&s->install);
}

static void collected(const struct leftover *leftover, void *data)
{
	int *n = data;

	*n += !leftover->kept && !leftover->failure[0];
	if (leftover->failure[0])
		log_line(LOG_WARNING, "attachment %s/%s: %s", leftover->key.container_id,
			 leftover->key.ifname, leftover->failure);
}

int settle_collect(struct err *err)
{
	int n = 0;
	struct node node = NODE_CLOSED;
	int ret = node_open(&node, err);

	if (!ret)
		ret = node_refuse_newer(&node, err);
	if (!ret && node_has_state(&node))
		ret = leftovers_remove(&node, false, collected, &n, err);
	node_close(&node);
	return ret < 0 ? ret : n;
}
