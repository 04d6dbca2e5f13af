/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_INSTALL_H
#define CTNAT_AGENT_INSTALL_H

/* What ctnatd puts into the directories of the runtime: the plugin, and the network configuration
 * that makes a node ready. Theory in install.c. */
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "agent/chained.h"
#include "agent/notes.h"
#include "base/addr.h"
#include "base/err.h"

#define INSTALL_PLUGIN	 "ctnat"
#define INSTALL_CONFLIST "10-ctnat.conflist"

/* The plugin's two files, ours and the installed one, as they were when their contents were the
 * same: megabytes that need not be read each time. */
struct install_compared {
	ino_t ino[2];
	struct timespec changed[2];
};

/* Zeroed but for the five names, which are the caller's. */
struct install {
	const char *plugin;   /* the binary that is to be installed */
	const char *conflist; /* the template of the network configuration list */
	const char *bin_dir;  /* where the runtime looks for plugins */
	const char *conf_dir; /* ... and for network configurations */
	struct install_compared compared;
	struct chained chained; /* its bin_dir is ours */
	struct notes notes;	/* what stands to be said since the last install_conflist() */
	struct notes told;
};

/* The plugin, as an executable, where it differs. 1: it was put there; 0: it was there. */
int install_plugin(struct install *install, struct err *err);

/*
 * The network configuration, with the node's ranges, where it differs as a JSON value. ready: the
 * node can serve pods; without it nothing is written, and nothing taken away. 1: it was written; 0:
 * nothing was to be done. CNI_NOT_AVAILABLE: no podCIDR yet. Whatever fails, what was installed
 * stays. May take seconds if plugins in the list do not answer.
 */
int install_conflist(struct install *install, const struct cidr *ranges, size_t n_ranges,
		     bool ready, struct err *err);

/* Is there a configuration of ours in the directory? */
bool install_stands(const struct install *install);

/* What should be said of the last install_conflist(), in lines; NULL: the same as before. */
const char *install_news(struct install *install);

/* Take them away, the configuration first, and the plugin when no attachment is left: without it
 * there is no DEL. A list with plugins that are not from the template is kept, under a name that no
 * runtime reads: the notes say which. */
int install_withdraw_conflist(struct install *install, struct err *err);
int install_withdraw_plugin(const struct install *install, struct err *err);

#endif
