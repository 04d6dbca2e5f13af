/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_PLUGIN_H
#define CTNAT_TESTS_PLUGIN_H

/* Calling a CNI plugin as a runtime does: environment, configuration on stdin, result on stdout. */
#include "base/err.h"

struct plugin_call {
	const char *path;		/* absolute */
	const char *command;		/* "ADD" */
	const char *container_id;
	const char *netns;
	const char *config;
	const char *prev_result;	/* what ADD printed, for the verbs after it; NULL: none */
};

struct plugin_exit {
	double us;			/* fork to exit, as the caller sees it */
	long maxrss_kib;		/* of the largest of its processes */
	char output[8192];		/* what it printed, with a NUL */
};

/* Runs it to its end. -EIO if it exits other than with 0; the message then holds
 * what it printed. */
int plugin_run(const struct plugin_call *call, struct plugin_exit *out, struct err *err);

#endif
