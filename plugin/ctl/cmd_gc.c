// SPDX-License-Identifier: Apache-2.0
#include "core/leftovers.h"
#include "ctl/cmd.h"
#include "ctl/show.h"

struct report {
	struct out *out;
	const struct options *options;
	unsigned int failed;
};

static void put(const struct leftover *left, void *data)
{
	struct report *report = data;
	struct out *out = report->out;
	const char *done = report->options->dry_run ? "would be removed" : "removed";

	out_object(out, NULL);
	show_container(out, &left->key, report->options->json);
	out_text(out, "network", "%s", left->network);
	show_addrs(out, "addresses", left->addrs, left->n_addrs, report->options->json);
	out_text(out, "why", "%s", left->why);
	out_text(out, "outcome", "%s", left->failure[0] ? left->failure : done);
	out_close(out);
	report->failed += left->failure[0] && !left->kept;
}

int cmd_gc(struct node *node, const struct options *options, struct out *out, struct err *err)
{
	struct report report = { out, options, 0 };
	int ret = 0;

	out_list(out, "leftovers");
	if (node_has_records(node))
		ret = leftovers_remove(node, options->dry_run, put, &report, err);
	out_close(out);
	return ret < 0 ? ret : report.failed > 0;
}
