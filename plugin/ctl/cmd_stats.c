// SPDX-License-Identifier: Apache-2.0
#include "core/inspect.h"
#include "ctl/cmd.h"

int cmd_stats(struct node *node, const struct options *options, struct out *out, struct err *err)
{
	struct counter stats[REASON_MAX];
	int ret;

	if (!node_has_state(node))
		return 0;
	ret = inspect_stats(node, stats, err);
	for (int i = 0; i < REASON_MAX && !ret; i++) {
		out_object(out, reason_name(i));
		out_number(out, "packets", stats[i].packets);
		out_number(out, "bytes", stats[i].bytes);
		if (!options->json)
			out_text(out, "meaning", "%s", reason_what(i));
		out_close(out);
	}
	return ret;
}
