/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CTL_CMD_H
#define CTNAT_CTL_CMD_H

/* The commands of ctnatctl: each fills `out`, which main prints, and returns what ctnatctl exits
 * with, or a negative errno. None but gc and uninstall changes anything. */
#include "base/err.h"
#include "core/node.h"
#include "ctl/out.h"

/* Which of these a command may be given stands in the table of main.c; numbers are in range. */
struct options {
	bool json;
	bool force;		/* uninstall: also with live attachments */
	bool dry_run;		/* gc: say what, and do nothing */
	const char *pod;	/* flows: whose; NULL: everybody's */
	unsigned int limit;	/* flows: rows */
	const char *in;		/* explain: pod or uplink that sends it; NULL: by its source */
	const char *flags;	/* explain: of TCP; NULL: syn */
	int sport;		/* explain; -1: not given */
	unsigned int ttl;	/* explain */
	int n_args;
	char **args;		/* what is no option, after the command */
};

int cmd_status(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_stats(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_log(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_pods(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_flows(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_routes(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_explain(struct node *node, const struct options *options, struct out *out,
		struct err *err);
int cmd_gc(struct node *node, const struct options *options, struct out *out, struct err *err);
int cmd_uninstall(struct node *node, const struct options *options, struct out *out,
		  struct err *err);

#endif
