/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CTL_CMD_H
#define CTNAT_CTL_CMD_H

/* The commands of ctnatctl: each fills `out`, which main prints. */
#include "base/err.h"
#include "core/node.h"
#include "ctl/out.h"

struct options {
	bool json;
	bool force;	/* uninstall: also with live attachments */
};

int cmd_status(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_stats(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_log(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_uninstall(struct node *node, const struct options *options, struct out *out,
		  struct err *err);

#endif
