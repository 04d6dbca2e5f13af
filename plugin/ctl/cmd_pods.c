// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/cleanup.h"
#include "core/journal.h"
#include "core/roster.h"
#include "ctl/cmd.h"
#include "ctl/show.h"

static const char *state_name(const struct roster_entry *e)
{
	static const char *const names[] = {
		[STATE_PENDING] = "pending",
		[STATE_READY] = "ready",
		[STATE_DYING] = "dying",
	};

	if (!e->recorded)
		return "unrecorded";
	return e->record.state >= STATE_PENDING && e->record.state <= STATE_DYING ?
		       names[e->record.state] :
		       "unknown";
}

/* The largest unit of which there are two. */
static void put_age(struct out *out, __u64 created, bool json)
{
	static const struct {
		const char *name;
		__u64 seconds;
	} units[] = { { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
	__u64 now = clock_realtime(), age = 0;
	size_t i = 0;

	if (created && now > created)
		age = (now - created) / 1000000000;
	if (json) {
		out_number(out, "age_seconds", age);
		return;
	}
	if (!created) {
		out_text(out, "age", "%s", "");
		return;
	}
	while (units[i].seconds > 1 && age < 2 * units[i].seconds)
		i++;
	out_text(out, "age", "%llu%s", (unsigned long long)(age / units[i].seconds),
		 units[i].name);
}

static void put_pod(struct out *out, const struct roster_entry *e, bool json)
{
	out_object(out, NULL);
	out_text(out, "pod", "%s", e->pod);
	show_container(out, &e->key, json);
	show_addrs(out, "addresses", e->record.addrs, e->record.n_addrs, json);
	out_text(out, "link", "%s", e->record.host_ifname);
	out_text(out, "state", "%s", state_name(e));
	out_text(out, "network", "%s", e->record.network);
	put_age(out, e->record.created, json);
	out_flag(out, "shaped", e->record.flags & POD_SHAPED);
	out_text(out, "problem", "%s", e->fault);
	out_close(out);
}

int cmd_pods(struct node *node, const struct options *options, struct out *out, struct err *err)
{
	_cleanup_free_ struct roster_entry *pods = NULL;
	size_t n = 0;
	int ret = node_has_records(node) ? roster_list(node, &pods, &n, err) : 0;

	if (ret < 0)
		return ret;
	out_list(out, "pods");
	for (size_t i = 0; i < n; i++)
		put_pod(out, &pods[i], options->json);
	out_close(out);
	return 0;
}
