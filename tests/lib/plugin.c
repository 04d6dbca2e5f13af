// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the clock shall see the plugin and as little else as can be. Whatever takes time (files
 * for stdin and stdout, the environment) is made before it starts; files are memfds, so that nobody
 * waits for a reader; and nothing is read until the child is reaped. wait4() then tells the peak
 * memory of the child and of those it waited for: of a plugin that delegates, the largest counts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "lib/plugin.h"

#define ENV_MAX 8

struct environment {
	char text[ENV_MAX][512];
	char *vars[ENV_MAX + 1];
};

static void set_environment(struct environment *env, const struct plugin_call *call)
{
	const char *const pairs[][2] = {
		{ "CNI_COMMAND", call->command },
		{ "CNI_CONTAINERID", call->container_id },
		{ "CNI_NETNS", call->netns },
		{ "CNI_IFNAME", "eth0" },
		{ "CNI_PATH", "/usr/lib/cni" },
		{ "PATH", "/usr/sbin:/usr/bin:/sbin:/bin" },
	};
	const size_t n = sizeof(pairs) / sizeof(pairs[0]);

	for (size_t i = 0; i < n; i++) {
		snprintf(env->text[i], sizeof(env->text[i]), "%s=%s", pairs[i][0], pairs[i][1]);
		env->vars[i] = env->text[i];
	}
	env->vars[n] = NULL;
}

/* The configuration as the specification wants it: with the earlier result as one more key. */
static int write_config(int fd, const struct plugin_call *call)
{
	int open_len = strrchr(call->config, '}') - call->config;
	int n = call->prev_result ?
		dprintf(fd, "%.*s,\"prevResult\":%s}", open_len, call->config, call->prev_result) :
		dprintf(fd, "%s", call->config);

	return n < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

int plugin_run(const struct plugin_call *call, struct plugin_exit *out, struct err *err)
{
	_cleanup_close_ int in_fd = memfd_create("stdin", MFD_CLOEXEC);
	_cleanup_close_ int out_fd = memfd_create("stdout", MFD_CLOEXEC);
	char *const argv[] = { (char *)call->path, NULL };
	struct environment env;
	struct rusage usage;
	ssize_t len;
	int status;
	double start;
	pid_t pid;

	set_environment(&env, call);
	if (in_fd < 0 || out_fd < 0 || write_config(in_fd, call) < 0)
		return err_set(err, -errno, "make stdin and stdout for '%s'", call->path);

	start = now_us();
	pid = fork();
	if (pid == 0) {
		if (dup2(in_fd, STDIN_FILENO) >= 0 && dup2(out_fd, STDOUT_FILENO) >= 0)
			execve(call->path, argv, env.vars);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0)
		return err_set(err, -errno, "run '%s'", call->path);
	out->us = now_us() - start;
	out->maxrss_kib = usage.ru_maxrss;

	len = pread(out_fd, out->output, sizeof(out->output) - 1, 0);
	out->output[len < 0 ? 0 : len] = '\0';
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_cni(err, CNI_IO, "%s of '%s' ended with status %#x: %s", call->command, call->path,
			       status, out->output);
	return 0;
}
