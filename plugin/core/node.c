// SPDX-License-Identifier: Apache-2.0
/*
 * Theory of the base state. A node that carries pods has, besides the pods:
 *
 *	maps		pinned in bpffs: the only memory of the plugin, which dies with the boot
 *	programs	pinned beside them; the guard on every uplink, from_pod on every pod's veth
 *	base table	`inet ctnat`: the NAT hooks that our entries need, and the fallback
 *	sysctls		forwarding
 *
 * No daemon makes it: the first ADD after a boot does, and each ADD makes sure of it. That is two
 * paths:
 *
 *	fast	maps open, `config` says that they are whole and of this node, the settings are
 *		those of this network, the pod ranges are known, the uplinks' addresses still
 *		are the node's, and nobody changed the ruleset since the base table was last
 *		found whole (nft generation), and the programs are this build's. Then nothing is
 *		written and no lock taken.
 *	slow	under the node's lock, an exclusive flock on PIN_ROOT: node_build.c makes each part
 *		true, and `config`, written last, is what the fast path believes.
 *
 * What an older ctnat made is taken over (takeover.c); what a newer one made is left alone. A
 * change of the programs alone has a number of its own, PROGRAMS_BUILD: they are replaced in place.
 *
 * Settings have one owner. Without a daemon it is the network whose ADD made the state: a change of
 * its configuration is applied by its next ADD; another network must agree with it, or is refused
 * with error 7. Where ctnatd runs they are its own, and a conflist's node keys do not count: what
 * ctnatd applied it has saved (saved.c), for ADDs that must build without it, after a boot first of
 * all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/basetable.h"
#include "core/forwarding.h"
#include "core/guard.h"
#include "core/node.h"
#include "core/node_build.h"
#include "core/saved.h"
#include "core/settings.h"
#include "core/uplink.h"
#include "kern/bpffs.h"
#include "kern/bpfobj.h"
#include "kern/netns.h"
#include "kern/nft.h"

static const __u32 config_key;

bool node_has_state(const struct node *node)
{
	return node->maps.fd[MAP_CONFIG] >= 0 && node->config.created;
}

bool node_has_records(const struct node *node)
{
	return node->maps.fd[MAP_ATTACHMENTS] >= 0;
}

void node_close(struct node *node)
{
	maps_close(&node->maps);
	nl_close(&node->rt);
	nl_close(&node->nf);
	cleanup_close(&node->netns);
	node->netns = -1;
}

static int open_sockets(struct node *node, struct err *err)
{
	int ret;

	node->netns = netns_open_self(err);
	if (node->netns < 0)
		return node->netns;
	ret = nl_open(&node->rt, NETLINK_ROUTE, err);
	return ret < 0 ? ret : nl_open(&node->nf, NETLINK_NETFILTER, err);
}

/* Maps and config of this node. -ENOENT: there are none, or a first ADD died before it had made
 * them. */
static int open_state(struct node *node, struct err *err)
{
	unsigned long long cookie;
	unsigned int newest;
	int ret = maps_open(&node->maps, err);

	if (ret == -ENOENT) {
		newest = bpffs_newest();
		node->newer = newest > ABI_DATAPATH ? newest : 0;
	}
	if (ret < 0)
		return ret;
	ret = map_get(node->maps.fd[MAP_CONFIG], &config_key, &node->config);
	if (ret < 0)
		return err_set(err, ret, "read map 'config'");
	if (!node->config.created)
		return err_set(err, -ENOENT, "base state below '%s'", PIN_ROOT);
	ret = netns_cookie(&cookie, err);
	if (ret < 0)
		return ret;
	if (cookie != node->config.netns_cookie)
		return err_cni(err, CNI_INVALID_CONFIG,
			       "'%s' belongs to another node (network namespace %llu, this one is "
			       "%llu): give each node a bpffs of its own",
			       PIN_ROOT, (unsigned long long)node->config.netns_cookie, cookie);
	return bpffs_instance(&node->instance, err);
}

int node_open(struct node *node, struct err *err)
{
	int ret = open_sockets(node, err);

	if (ret < 0)
		return ret;
	ret = open_state(node, err);
	if (ret != -ENOENT)
		return ret;
	maps_close(&node->maps);
	maps_open_records(&node->maps, NULL);
	return 0;
}

int node_refuse_newer(const struct node *node, struct err *err)
{
	if (node->newer)
		return err_cni(err, CNI_NOT_AVAILABLE,
			       "the base state of this node is of a newer ctnat (datapath %u, this "
			       "one is %u): upgrade this binary",
			       node->newer, ABI_DATAPATH);
	if (node_has_state(node) && node->config.build > PROGRAMS_BUILD)
		return err_cni(err, CNI_NOT_AVAILABLE,
			       "the programs of this node are of a newer ctnat (build %u, this one "
			       "is %u): upgrade this binary",
			       node->config.build, PROGRAMS_BUILD);
	return 0;
}

int node_same_instance(const struct node *node, struct err *err)
{
	dev_t now;

	if (bpffs_instance(&now, NULL) < 0 || now != node->instance)
		return err_cni(err, CNI_TRY_AGAIN,
			       "bpffs at '%s' was unmounted or covered meanwhile", BPFFS_PATH);
	if (access(map_path(MAP_CONFIG), F_OK) < 0)
		return err_cni(err, CNI_TRY_AGAIN,
			       "the base state of this node was taken over by another version of "
			       "ctnat, or removed, meanwhile");
	return 0;
}

/* ---- is it true? ----------------------------------------------------------------------------- */

/* May this network's settings be used with those in force? 1: they must be applied first. */
static int settings_agree(const struct config *config, const struct network *net, struct err *err)
{
	bool agents = config->owner == OWNER_AGENT;
	__u64 hash;
	int ret;

	if (agents && !net->cluster)
		return 0;
	ret = settings_hash(net, &hash, err);
	if (ret < 0)
		return ret;
	if (config->settings_hash == hash && agents == !!net->cluster)
		return 0;
	if (net->cluster || !strcmp(config->network, net->name))
		return 1;
	return err_cni(err, CNI_INVALID_CONFIG,
		       "the node-wide keys (nonMasqueradeCIDRs, serviceCIDRs, masqueradeCIDRs, "
		       "uplinks, mtu, portRange, spoofCheck, datapath, shortWay, stackMark, "
		       "insertLimit) differ from those of network '%s', which holds this node: "
		       "make them equal in both",
		       config->network);
}

static bool ranges_known(const struct node *node, const struct network *net)
{
	for (size_t i = 0; i < net->n_sets; i++) {
		for (size_t j = 0; j < net->sets[i].n; j++) {
			const struct cidr *subnet = &net->sets[i].ranges[j].subnet;
			struct cidr_key key = { subnet->len, subnet->addr };
			struct cidr_class class;

			if (map_get(node->maps.fd[MAP_MASQ_CIDRS], &key, &class) < 0 ||
			    !class.pod_range)
				return false;
		}
	}
	return true;
}

static bool table_untouched(struct node *node)
{
	__u32 generation;

	return !nft_generation(&node->nf, &generation, NULL) &&
	       generation == node->config.nft_generation;
}

/* The ruleset changed, but not our table: believe the new generation. The generation is read before
 * the table is. */
static int accept_ruleset(struct node *node, struct err *err)
{
	__u32 generation;
	int ret = nft_generation(&node->nf, &generation, err);

	if (!ret)
		ret = table_verify(node, err);
	if (ret < 0)
		return ret;
	node->config.nft_generation = generation;
	ret = map_set(node->maps.fd[MAP_CONFIG], &config_key, &node->config);
	return ret < 0 ? err_set(err, ret, "write map 'config'") : 0;
}

/* 0: true. 1: must be built. */
static int is_true(struct node *node, const struct network *net, struct err *err)
{
	int ret = open_state(node, err), refused;

	if (ret < 0 && ret != -ENOENT)
		return ret;
	refused = node_refuse_newer(node, err);
	if (ret == -ENOENT || refused)
		return refused ? refused : 1;
	ret = settings_agree(&node->config, net, err);
	if (ret)
		return ret;
	return node->config.build != PROGRAMS_BUILD || !ranges_known(node, net) ||
	       !uplinks_stand(node) || !table_untouched(node);
}

/* ---- make it true ---------------------------------------------------------------------------- */

/* The ruleset changes all the time on a node with kube-proxy: our table mostly is whole all the
 * same. */
static bool only_ruleset_changed(struct node *node, const struct network *net)
{
	return node->config.nft_generation && node->config.build == PROGRAMS_BUILD &&
	       !settings_agree(&node->config, net, NULL) && ranges_known(node, net) &&
	       uplinks_stand(node) && !accept_ruleset(node, NULL);
}

/* What is built for this network: by ctnatd's settings, as it last saved them, where they hold the
 * node, or did before the boot. *ours: to be freed. */
static int in_force(const struct node *node, const struct network *net, bool fresh,
		    struct network **ours, struct err *err)
{
	int ret;

	if (net->cluster || (!fresh && node->config.owner != OWNER_AGENT))
		return 0;
	*ours = malloc(sizeof(**ours));
	if (!*ours)
		return err_set(err, -ENOMEM, "read the saved settings");
	**ours = *net;
	ret = saved_read(*ours, err);
	if (ret == -ENOENT) {
		free(TAKE_PTR(*ours));
		return 0;
	}
	return ret;
}

static int build(struct node *node, const struct network *net, bool fresh, bool apply,
		 struct err *err)
{
	_cleanup_saved_ struct network *ours = NULL;
	int ret = in_force(node, net, fresh, &ours, err);

	if (ret < 0)
		return ret;
	if (ours)
		net = ours;
	if (!apply)
		ret = settings_agree(&node->config, net, err);
	/* what was just read need not be written again */
	return ret < 0 ? ret
		       : node_build(node, net, fresh, apply || ret, net->cluster && !ours, err);
}

static int make_maps(struct node *node, struct err *err)
{
	unsigned long long cookie;
	int ret = bpffs_make_dirs(err);

	if (!ret)
		ret = bpfobj_make_maps(&node->maps, err);
	if (!ret)
		ret = netns_cookie(&cookie, err);
	if (!ret)
		ret = bpffs_instance(&node->instance, err);
	if (ret < 0)
		return ret;
	memset(&node->config, 0, sizeof(node->config));
	node->config.netns_cookie = cookie;
	return 0;
}

static int build_locked(struct node *node, const struct network *net, bool anew, struct err *err)
{
	_cleanup_close_ int lock = -1;
	int ret = bpffs_mount(err);

	if (ret < 0)
		return ret;
	lock = bpffs_lock(PIN_ROOT, true, err);
	if (lock < 0)
		return lock;

	/* Whoever held the lock before may have done it all. */
	maps_close(&node->maps);
	ret = is_true(node, net, err);
	if (ret < 0 || (!ret && !anew))
		return ret;
	if (node_has_state(node) && !anew && only_ruleset_changed(node, net))
		return 0;
	if (node_has_state(node))
		return build(node, net, false, anew, err);
	maps_close(&node->maps);
	ret = make_maps(node, err);
	return ret ? ret : build(node, net, true, true, err);
}

int node_ensure(struct node *node, const struct network *net, struct err *err)
{
	int ret = open_sockets(node, err);

	if (!ret)
		ret = is_true(node, net, err);
	if (ret > 0)
		ret = build_locked(node, net, false, err);
	return ret < 0 ? err_wrap(err, "base state of the node") : 0;
}

int node_rebuild(struct node *node, const struct network *net, struct err *err)
{
	int ret = build_locked(node, net, true, err);

	return ret < 0 ? err_wrap(err, "base state of the node") : 0;
}

/* ---- look at it ------------------------------------------------------------------------------ */

int node_verify(struct node *node, struct err *err)
{
	int ret = sysctls_verify(node, err);

	if (!ret && !table_untouched(node))
		ret = table_verify(node, err);
	return ret < 0 ? ret : guard_verify(node, err);
}

int node_remove(struct node *node, struct err *err)
{
	_cleanup_close_ int lock = -1;
	int ret = guard_detach(node, err);

	if (!ret && node_has_state(node)) {
		lock = bpffs_lock(PIN_ROOT, true, err);
		ret = lock < 0 ? lock : sysctls_restore(node, err);
	}
	if (!ret)
		ret = nft_remove(&node->nf, err);
	if (!ret)
		ret = saved_remove(err);
	maps_close(&node->maps);
	return ret < 0 ? ret : bpffs_remove(err);
}
