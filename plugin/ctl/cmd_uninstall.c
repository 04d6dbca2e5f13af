// SPDX-License-Identifier: Apache-2.0
#include "core/uninstall.h"
#include "ctl/cmd.h"

int cmd_uninstall(struct node *node, const struct options *options, struct out *out,
		  struct err *err)
{
	unsigned int unmade;
	int ret = uninstall_base(node, options->force, &unmade, err);

	if (ret < 0)
		return ret;
	out_text(out, "removed", "maps, programs, table 'inet ctnat', %u attachments", unmade);
	out_text(out, "kept", UNINSTALL_KEPT);
	return 0;
}
