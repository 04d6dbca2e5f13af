// SPDX-License-Identifier: Apache-2.0
#include "core/inspect.h"
#include "ctl/cmd.h"
#include "kern/bpfobj.h"

static void put_uplinks(const struct snapshot *snap, struct out *out)
{
	char v4[ADDR_STRLEN], v6[ADDR_STRLEN];

	out_list(out, "uplinks");
	for (size_t i = 0; i < snap->n_uplinks; i++) {
		const struct uplink *uplink = &snap->uplinks[i].uplink;

		out_object(out, NULL);
		out_text(out, "name", "%s", uplink->name);
		out_text(out, "ipv4", "%s",
			 addr_is_zero(&uplink->v4) ? "" : addr_format(&uplink->v4, v4));
		out_text(out, "ipv6", "%s",
			 addr_is_zero(&uplink->v6) ? "" : addr_format(&uplink->v6, v6));
		out_number(out, "mtu", uplink->mtu);
		out_close(out);
	}
	out_close(out);
}

static void put_verbs(const struct snapshot *snap, struct out *out)
{
	out_object(out, "verbs");
	for (int verb = VERB_ADD; verb <= VERB_VERSION; verb++) {
		out_object(out, verb_name(verb));
		out_number(out, "ok", snap->ok[verb]);
		out_number(out, "failed", snap->failed[verb]);
		out_close(out);
	}
	out_close(out);
}

/* What is configured, unless this level cannot have it. */
static const char *short_way(const struct config *config)
{
	static const char *const names[] = {
		[SHORT_CACHED] = "cached",
		[SHORT_UNCACHED] = "uncached",
		[SHORT_OFF] = "off",
	};

	if (config->level >= LEVEL_NFTABLES)
		return "none at this level";
	return config->short_way <= SHORT_OFF ? names[config->short_way] : "unknown";
}

static void put_mark(__u32 mark, struct out *out)
{
	if (mark)
		out_text(out, "stack_mark", "0x%x", mark);
	else
		out_text(out, "stack_mark", "none");
}

int cmd_status(struct node *node, const struct options *options, struct out *out, struct err *err)
{
	const struct config *config;
	struct snapshot snap;
	int ret;

	(void)options;
	if (!node_has_state(node)) {
		out_text(out, "state", "none: no ADD has run on this node since it booted");
		return 0;
	}
	ret = inspect_node(node, &snap, err);
	if (ret < 0)
		return ret;
	config = &snap.config;
	out_text(out, "state", "%s", snap.whole ? "whole" : snap.fault);
	out_text(out, "datapath", "%s", level_name(config->level));
	out_text(out, "reason", "%s", config->reason);
	out_text(out, "short_way", "%s", short_way(config));
	put_mark(config->stack_mark, out);
	out_text(out, "settings", "%s%s", config->owner == OWNER_AGENT ? "ctnatd" : "network ",
		 config->owner == OWNER_AGENT ? "" : config->network);
	out_number(out, "attachments", snap.ready);
	out_number(out, "pending", snap.pending);
	out_number(out, "dying", snap.dying);
	out_number(out, "addresses", snap.addresses);
	out_text(out, "conntrack", "%u of %u", snap.conntrack, snap.conntrack_max);
	out_text(out, "ports", "%u-%u", config->port_min, config->port_max);
	out_number(out, "insert_limit", config->insert_limit);
	out_flag(out, "spoof_check", config->spoof_check);
	out_number(out, "mtu", config->mtu);
	out_number(out, "generation", config->generation);
	put_uplinks(&snap, out);
	put_verbs(&snap, out);
	return 0;
}
