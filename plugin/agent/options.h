/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_AGENT_OPTIONS_H
#define CTNAT_AGENT_OPTIONS_H

/* ctnatd's command line. */
#include "base/err.h"

enum mode {
	MODE_RUN,
	MODE_MOUNT_BPFFS, /* mounts bpffs for the node if nobody did, and ends */
	MODE_UNINSTALL,	  /* takes everything off this node, and ends */
	MODE_VERSION,
	MODE_HELP,
};

/* Texts are argv's, the environment's, or constants. */
struct options {
	enum mode mode;
	const char *config;		/* ctnatd.json */
	const char *conflist;		/* what is installed, without this node's ranges */
	const char *plugin;		/* the binary that is installed */
	const char *cni_bin, *cni_conf; /* directories */
	const char *service_account;	/* directory: token, ca.crt */
	const char *proc_sys;		/* where the node's /proc/sys is */
	const char *node_name;		/* as Kubernetes calls this node */
	char server[300];		/* "https://192.0.2.1:6443" */
	char token[300], ca[300];	/* files */
	unsigned int silence_ms;	/* 0: as kube.h has it; for tests */
	int force;			/* UNINSTALL: also with live attachments */
};

/* -EINVAL with a message for people, if something is wrong or lacking. */
int options_read(int argc, char **argv, struct options *out, struct err *err);
const char *options_help(void);

#endif
