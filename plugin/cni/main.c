// SPDX-License-Identifier: Apache-2.0
/*
 * ctnat, the CNI plugin. A runtime calls it with a verb in CNI_COMMAND, the pod in other variables,
 * and the network's configuration on stdin:
 *
 *	env.c (environment), netconf.c (stdin) -> verb_*.c -> core/pod.h -> result.c (stdout)
 *
 * Whatever is wrong with the input is found before the verb begins, so bad input makes nothing.
 * Success is exit status 0; a failure is status 1 and an error object on stdout. How it went is
 * written into the node's journal, too.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cni/env.h"
#include "cni/ipam_exec.h"
#include "cni/netconf.h"
#include "cni/result.h"
#include "cni/verb.h"
#include "conf/version.h"
#include "core/journal.h"

#define CONFIG_MAX (1U << 20)

static verb_fn *const verbs[] = {
	[VERB_ADD] = verb_add,
	[VERB_DEL] = verb_del,
	[VERB_CHECK] = verb_check,
	[VERB_GC] = verb_gc,
	[VERB_STATUS] = verb_status,
	[VERB_VERSION] = verb_version,
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int read_verb(enum verb *out, struct err *err)
{
	const char *command = getenv("CNI_COMMAND");
	size_t verb = 0;

	if (!command || !*command)
		return err_cni(err, CNI_INVALID_ENV,
			       "CNI_COMMAND: not set, this is a CNI plugin for runtimes to call");
	while (verb < N_VERBS && strcmp(command, verb_name(verb)))
		verb++;
	if (verb == N_VERBS)
		return err_cni(
			err, CNI_INVALID_ENV,
			"CNI_COMMAND: '%.300s': must be ADD, DEL, CHECK, GC, STATUS or VERSION",
			command);
	*out = verb;
	return 0;
}

static int read_config(char **text, size_t *len, struct err *err)
{
	int ret = file_read_all(STDIN_FILENO, CONFIG_MAX, text, len, err);

	if (!ret)
		return 0;
	err->code = CNI_IO;
	return err_wrap(err, "configuration from stdin");
}

/* VERSION gets by without any of it: podman calls it with a dummy environment. */
static int read_input(struct request *req, struct network *net, size_t len, struct err *err)
{
	struct cni_args args = { 0 };
	int ret;

	if (req->verb == VERB_VERSION)
		return 0;
	ret = env_read(req, &args, err);
	return ret ? ret : netconf_parse(req->config, len, req->verb, &args, net, err);
}

static int run(struct request *req, struct network *net, size_t len, struct err *err)
{
	__u64 started = clock_monotonic();
	int ret;

	ret = read_input(req, net, len, err);
	if (!ret)
		ret = verbs[req->verb](req, net, err);
	if (req->verb != VERB_VERSION)
		journal_write(req, net, ret ? err : NULL, started);
	return ret;
}

/* For people who try the binary by hand; runtimes look at stdout only. */
static void print_about(void)
{
	fputs("ctnat: a CNI plugin that translates with the kernel's own connection tracking\n"
	      "CNI versions:", stderr);
	for (const char *const *version = supported_versions; *version; version++)
		fprintf(stderr, " %s", *version);
	fputs("\n", stderr);
}

int main(void)
{
	static struct network net; /* too large for a stack frame */
	char version[CNI_VERSION_MAX] = VERSION_NEWEST;
	struct request req = { .delegate = ipam_exec };
	_cleanup_free_ char *config = NULL;
	struct err err = { 0 };
	size_t len;
	int ret;

	file_fill_stdio();
	/* A runtime that is gone shall not kill us halfway: writing to it fails instead. */
	signal(SIGPIPE, SIG_IGN);
	ret = read_verb(&req.verb, &err);
	if (ret && !getenv("CNI_COMMAND"))
		print_about();
	else if (!ret)
		ret = read_config(&config, &len, &err);
	if (!ret) {
		netconf_version(config, len, version);
		snprintf(net.cni_version, sizeof(net.cni_version), "%s", version);
		req.config = config;
		ret = run(&req, &net, len, &err);
	}
	if (ret)
		result_error(version, &err);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
