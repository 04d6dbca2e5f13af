// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the base state is made part by part, under the node's lock. Each part can be made again
 * over what is there, so a build that died or failed is put right by the next one; and until it is
 * done nobody believes it: `config.created` is missing the first time, and later on
 * `config.nft_generation` is 0, which no ruleset has.
 *
 * The order within node_build() is that of its table of parts; the maps are there before. The table
 * comes before the programs, because it makes a modular kernel load nf_nat, whose BTF the programs
 * need; conntrack's sysctls come after both, for the level says whether they matter. The guard
 * stands on the uplinks before a pod's program opens a flow that it must admit, and before any new
 * pod's veth is up.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hook.h"
#include "core/basetable.h"
#include "core/forwarding.h"
#include "core/guard.h"
#include "core/import.h"
#include "core/journal.h"
#include "core/node_build.h"
#include "core/plumb.h"
#include "core/saved.h"
#include "core/settings.h"
#include "core/takeover.h"
#include "core/uplink.h"
#include "kern/bpfobj.h"
#include "kern/nft.h"

static const __u32 config_key;

#define TABLE_TRIES 3 /* against somebody who changes the ruleset all the while */

enum { /* config.selftest; 0: not run */
       SELFTEST_PASSED = 1,
       SELFTEST_FAILED,
};

/* No ruleset has generation 0: whoever comes while the build is half done, or after it died,
 * builds. */
static int mark_dirty(struct node *node, struct err *err)
{
	int ret;

	node->config.nft_generation = 0;
	ret = map_set(node->maps.fd[MAP_CONFIG], &config_key, &node->config);
	return ret < 0 ? err_set(err, ret, "write map 'config'") : 0;
}

/* Somebody may have flushed the ruleset while we built: the generation that is believed is one at
 * which the table was seen whole, read before it was looked at. */
static int settle_table(struct node *node, struct err *err)
{
	__u32 generation;
	int ret;

	for (int tries = 0;; tries++) {
		ret = nft_generation(&node->nf, &generation, err);
		if (!ret)
			ret = table_verify(node, err);
		if (!ret || tries == TABLE_TRIES)
			break;
		ret = table_make(node, err);
		if (ret < 0)
			break;
	}
	if (!ret)
		node->config.nft_generation = generation;
	return ret;
}

static int commit(struct node *node, struct err *err)
{
	int ret = settle_table(node, err);

	if (ret < 0)
		return ret;
	node->config.created = clock_realtime();
	node->config.generation++;
	ret = map_set(node->maps.fd[MAP_CONFIG], &config_key, &node->config);
	return ret < 0 ? err_set(err, ret, "write map 'config'") : 0;
}

/* Tried once a boot: neither kernel nor answer changes. */
static int selftest(struct node *node, struct err *err)
{
	int ret;

	if (node->config.selftest == SELFTEST_PASSED)
		return 0;
	if (node->config.selftest == SELFTEST_FAILED)
		return err_cni(err, CNI_NOT_AVAILABLE,
			       "conntrack entries that BPF inserts do not live on this kernel");
	ret = bpfobj_selftest(err);
	node->config.selftest = ret < 0 ? SELFTEST_FAILED : SELFTEST_PASSED;
	/* also where this fails the whole build */
	map_set(node->maps.fd[MAP_CONFIG], &config_key, &node->config);
	return ret;
}

static int load_programs(struct node *node, enum datapath_level wanted, struct err *err)
{
	char reason[sizeof(node->config.reason)] = "", no_reason[1];
	enum datapath_level level;
	int ret = bpfobj_load(wanted, &level, reason, sizeof(reason), err);

	if (!ret && level == LEVEL_FULL)
		ret = selftest(node, err);
	if (ret < 0 && wanted == LEVEL_NONE) {
		snprintf(reason, sizeof(reason), "%.*s", (int)sizeof(reason) - 1, err->msg);
		ret = bpfobj_load(LEVEL_ASSISTED, &level, no_reason, sizeof(no_reason), err);
	}
	if (ret < 0)
		return ret;
	node->config.level = level;
	node->config.wanted_level = wanted;
	node->config.build = PROGRAMS_BUILD;
	memcpy(node->config.reason, reason, sizeof(reason));
	/* at this level the table is the guard */
	return level == LEVEL_NFTABLES ? table_make(node, err) : 0;
}

struct build {
	struct node *node;
	const struct network *net;
	bool apply;  /* the settings are new */
	bool reload; /* and so must the programs be */
	bool moved;  /* the uplinks or their addresses are not what they were */
	bool fresh;  /* no base state was here */
	bool save;   /* the settings are ctnatd's, and of now */
	struct lost *lost;
};

static int build_takeover(const struct build *b, struct err *err)
{
	return b->fresh ? takeover_begin(b->node, err) : 0;
}

static int build_settings(const struct build *b, struct err *err)
{
	return b->apply ? settings_apply(b->node, b->net, err)
			: settings_add_ranges(b->node, b->net, err);
}

static int build_uplinks(const struct build *b, struct err *err)
{
	int ret = b->fresh ? uplinks_adopt(b->node, err) : 0;

	return ret ? ret : uplinks_refresh(b->node, &b->net->node, b->lost, err);
}

static int build_sysctls(const struct build *b, struct err *err)
{
	return forwarding_enable(b->node, b->apply, err);
}

static int build_table(const struct build *b, struct err *err)
{
	return table_make(b->node, err);
}

static int build_lost(const struct build *b, struct err *err)
{
	return uplinks_end_lost(b->node, b->lost, err);
}

static int build_programs(const struct build *b, struct err *err)
{
	enum datapath_level wanted =
		b->apply ? b->net->node.datapath : b->node->config.wanted_level;

	return b->reload ? load_programs(b->node, wanted, err) : 0;
}

static int build_tracking(const struct build *b, struct err *err)
{
	/* programs that are loaded anew may reach a level that has a short way */
	return b->apply || b->reload ? tracking_relax(b->node, err) : 0;
}

static int build_pods(const struct build *b, struct err *err)
{
	return b->fresh ? import_pods(b->node, err) : 0;
}

static int build_routes(const struct build *b, struct err *err)
{
	return b->moved ? plumb_renew_routes(b->node, err) : 0;
}

static int build_attach(const struct build *b, struct err *err)
{
	return b->reload ? import_attach(b->node, err) : 0;
}

static int build_guard(const struct build *b, struct err *err)
{
	return guard_attach(b->node, err);
}

static int build_farewell(const struct build *b, struct err *err)
{
	return b->fresh ? takeover_end(err) : 0;
}

/* Nothing is saved that could not be made: an ADD would have to make it, too. */
static int build_saved(const struct build *b, struct err *err)
{
	return b->save ? saved_write(b->net, err) : 0;
}

static int build_commit(const struct build *b, struct err *err)
{
	return commit(b->node, err);
}

static const struct {
	const char *name;
	int (*make)(const struct build *b, struct err *err);
} parts[] = {
	{ "takeover", build_takeover }, { "uplinks", build_uplinks },
	{ "settings", build_settings }, { "sysctls", build_sysctls },
	{ "pods", build_pods },		{ "routes", build_routes },
	{ "table", build_table },	{ "lost", build_lost },
	{ "programs", build_programs }, { "tracking", build_tracking },
	{ "guard", build_guard },	{ "attach", build_attach },
	{ "farewell", build_farewell }, { "saved", build_saved },
	{ "commit", build_commit },
};

int node_build(struct node *node, const struct network *net, bool fresh, bool apply, bool save,
	       struct err *err)
{
	bool reload = fresh || node->config.build != PROGRAMS_BUILD ||
		      (apply && node->config.wanted_level != net->node.datapath);
	struct lost lost = { .n = 0 };
	const struct build b = {
		.node = node,
		.net = net,
		.apply = apply,
		.reload = reload,
		.moved = fresh || !uplinks_stand(node),
		.fresh = fresh,
		.save = save && apply,
		.lost = &lost,
	};

	if (!fresh) {
		int ret = mark_dirty(node, err);

		if (ret < 0)
			return ret;
	}

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int ret;

		hook_point("node", parts[i].name, "before");
		ret = parts[i].make(&b, err);
		if (ret < 0)
			return err_wrap(err, "%s", parts[i].name);
	}
	hook_point("node", "commit", "after");
	return 0;
}
