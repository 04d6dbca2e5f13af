// SPDX-License-Identifier: Apache-2.0
/*
 * ctnatd, the agent of a node. The plugin works without it; it does early and continuously what
 * depends on the cluster. One thread, one loop:
 *
 *	kube		what the API server says ----> cluster (a model)     \
 *	node_event	links, routes, ruleset, files                         } ---> settle
 *	timers		in case that nobody said anything                    /
 *	serve		/metrics, /healthz, /readyz
 *
 * Events are gathered for a moment before settle.c makes true what has become of them: a hundred
 * changes cost what one costs. Killed at any point, it leaves a node that works, and the next one
 * goes on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/kube.h"
#include "agent/node_event.h"
#include "agent/options.h"
#include "agent/pages.h"
#include "agent/settle.h"
#include "agent/uninstall.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "kern/bpffs.h"
#include "kern/sysctl.h"

#ifndef CTNAT_VERSION
#define CTNAT_VERSION "unknown"
#endif

#define GATHER_MS  100	 /* of events, before they are looked at */
#define REST_MS	   500	 /* at most, between two looks */
#define RESTLESS   5	 /* looks in a row that had to make the base state again */
#define LOOK_MS	   10000 /* ... and without any event */
#define COLLECT_MS 60000 /* between two walks over all attachments */

struct agent {
	struct options options;
	struct loop loop;
	struct agent_config config;
	bool config_good;	 /* the file is what is in force */
	bool listening;		 /* on config.metrics_address */
	__u64 config_generation; /* files that came into force */
	__u64 config_kept;	 /* the generation of the copy on disk */
	struct cluster cluster;
	struct kube kube;
	struct settle settle;
	struct node_events events;
	struct pages pages;
	struct serve *serve;
	struct loop_source signals;
	struct loop_timer look, collect;
	__u64 rested; /* loop_now_ms(): from then on looking may begin again */
	bool marked;  /* the node's condition */
	unsigned int restless;
	bool connected[KINDS]; /* a watch stands */
	struct log_state config_log, serve_log, collect_log, trouble[KINDS];
};

static struct agent agent; /* too large for a stack frame */

/* ---- what is to be looked at, and when ------------------------------------------------------- */

/* Soon, but after a rest four times as long as the last look, if that was short. */
static void look_soon(void)
{
	__u64 now = loop_now_ms(), due = now + GATHER_MS;

	if (due < agent.rested)
		due = agent.rested;
	if (!agent.look.armed || agent.look.due > due * 1000000)
		loop_arm(&agent.loop, &agent.look, due - now);
}

/* A file that is no good changes nothing. */
static void read_config(void)
{
	struct agent_config config;
	struct err err;
	int ret = config_read(agent.options.config, &config, &err);

	agent.config_good = !ret;
	log_state(&agent.config_log, "configuration", ret ? err.msg : NULL);
	if (ret && !agent.config_generation) {
		ret = config_read(CONFIG_KEPT, &config, NULL);
		if (!ret)
			log_line(LOG_WARNING, "configuration: the last good one is in force");
	}
	if (ret || (agent.config_generation && !memcmp(&config, &agent.config, sizeof(config))))
		return;
	log_set_level(config.log_level);
	if (agent.config_generation)
		log_line(LOG_INFO, "configuration: '%s' has changed", agent.options.config);
	agent.config = config;
	agent.listening = false;
	if (agent.config_generation++) /* the first time start_kube() is told */
		kube_nodes(&agent.kube, config.overlay != OVERLAY_NONE);
}

/* An address that is not to be had now may be later: a ctnatd that is about to end has it. */
static void listen_for_metrics(void)
{
	struct err err;
	int ret;

	if (agent.listening)
		return;
	ret = serve_listen(agent.serve, agent.config.metrics_address, &err);
	log_state(&agent.serve_log, "metricsAddress", ret < 0 ? err.msg : NULL);
	agent.listening = ret >= 0;
}

/* Once; and again if somebody says otherwise, or the node was deleted and made anew. */
static void mark_available(void)
{
	const struct peer *self = cluster_self(&agent.cluster);

	if (!settle_ready(&agent.settle) || (agent.marked && !(self && self->unavailable)))
		return;
	if (!agent.marked)
		log_line(LOG_INFO, "node '%s' can serve pods", agent.options.node_name);
	kube_mark_available(&agent.kube);
	agent.marked = true;
}

/* A trouble is over when a watch stands: the next one is said again, if it is the same, too. */
static void look_at_watches(void)
{
	struct kube_state state;

	for (enum kind kind = 0; kind < KINDS; kind++) {
		kube_state(&agent.kube, kind, &state);
		if (state.watching && !agent.connected[kind])
			log_line(LOG_INFO, "API server: %ss are watched", kind_name(kind));
		if (state.watching)
			agent.trouble[kind].last[0] = '\0';
		agent.connected[kind] = state.watching;
	}
}

/* A copy of what the node can have. */
static void keep_config(void)
{
	struct err err;

	if (agent.config_kept == agent.config_generation || !agent.config_good ||
	    !agent.settle.base_stands)
		return;
	if (config_keep(agent.options.config, &err) < 0)
		log_line(LOG_WARNING, "keep a copy of the configuration: %s", err.msg);
	agent.config_kept = agent.config_generation;
}

static void look(struct loop_timer *timer)
{
	__u64 began = loop_now_ms(), took, repairs;

	read_config();
	listen_for_metrics();
	look_at_watches();
	repairs = agent.settle.repairs;
	settle_now(&agent.settle);
	keep_config();
	agent.restless = agent.settle.repairs != repairs ? agent.restless + 1 : 0;
	mark_available();
	took = loop_now_ms() - began;
	agent.rested = began + took + 4 * (took < REST_MS / 4 ? took : REST_MS / 4);
	loop_arm(&agent.loop, timer, LOOK_MS);
}

static void collect(struct loop_timer *timer)
{
	struct err err;
	int n = settle_collect(&err);

	log_state(&agent.collect_log, "attachments", n < 0 ? err.msg : NULL);
	if (n > 0)
		log_line(LOG_INFO,
			 "attachments: %d had lost their pod, and gave back what they held", n);
	loop_arm(&agent.loop, timer, COLLECT_MS);
}

static void happened(enum node_event event, void *data)
{
	(void)data;
	if (event == EVENT_NETWORK)
		settle_forget(&agent.settle);
	/* what is made again each time wakes us each time: somebody else works against us */
	if (agent.restless < RESTLESS || event == EVENT_FILES)
		look_soon();
}

/* A node that is new to the API server, or was deleted there, has no condition of ours. */
static void cluster_changed(void *data)
{
	(void)data;
	if (!cluster_self(&agent.cluster))
		agent.marked = false;
	look_soon();
}

static void cluster_trouble(void *data, enum kind kind, const struct err *err)
{
	(void)data;
	log_state(&agent.trouble[kind], "API server", err->msg);
}

static void signalled(struct loop_source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(source->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			look_soon();
		else
			loop_stop(&agent.loop);
	}
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static int catch_signals(struct err *err)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	agent.signals = (struct loop_source){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
					      .fn = signalled };
	if (agent.signals.fd < 0)
		return err_set(err, -errno, "open a descriptor for signals");
	return loop_watch(&agent.loop, &agent.signals, EPOLLIN, err);
}

static int start_kube(struct err *err)
{
	const struct kube_config config = {
		.server = agent.options.server,
		.ca_file = agent.options.ca,
		.token_file = agent.options.token,
		.node_name = agent.options.node_name,
		.all_nodes = agent.config.overlay != OVERLAY_NONE,
		.changed = cluster_changed,
		.trouble = cluster_trouble,
		.silence_ms = agent.options.silence_ms,
	};

	return kube_start(&agent.kube, &agent.loop, &config, &agent.cluster, err);
}

static int watch_node(struct err *err)
{
	static char config_dir[300];
	const char *dirs[] = { config_dir, agent.options.cni_conf, agent.options.cni_bin, NULL };
	const char *slash = strrchr(agent.options.config, '/');

	snprintf(config_dir, sizeof(config_dir), "%.*s",
		 slash ? (int)(slash - agent.options.config) : 1,
		 slash ? agent.options.config : ".");
	return node_events_start(&agent.events, &agent.loop, dirs, happened, NULL, err);
}

static struct install install_paths(void)
{
	return (struct install){
		.plugin = agent.options.plugin,
		.conflist = agent.options.conflist,
		.bin_dir = agent.options.cni_bin,
		.conf_dir = agent.options.cni_conf,
	};
}

static int start(struct err *err)
{
	const struct install install = install_paths();
	int ret = loop_open(&agent.loop, err);

	if (!ret)
		ret = catch_signals(err);
	if (!ret)
		ret = cluster_init(&agent.cluster, agent.options.node_name, err);
	if (!ret)
		ret = settle_open(&agent.settle, &agent.config, &agent.cluster, &install, err);
	if (ret < 0)
		return ret;
	agent.pages = (struct pages){
		.version = CTNAT_VERSION,
		.settle = &agent.settle,
		.cluster = &agent.cluster,
		.kube = &agent.kube,
		.config_good = &agent.config_good,
		.config_generation = &agent.config_generation,
	};
	agent.serve = pages_open(&agent.pages, &agent.loop, err);
	if (!agent.serve)
		return err->errnum;
	read_config();
	if (!agent.config_generation)
		return err_cni(err, CNI_INVALID_CONFIG, "there is no good configuration yet: %s",
			       agent.config_log.last);
	ret = start_kube(err);
	if (!ret)
		ret = watch_node(err);
	agent.look.fn = look;
	agent.collect.fn = collect;
	loop_arm(&agent.loop, &agent.look, 0);
	loop_arm(&agent.loop, &agent.collect, COLLECT_MS);
	return ret;
}

static void stop(void)
{
	node_events_stop(&agent.events);
	kube_stop(&agent.kube);
	serve_close(agent.serve);
	settle_close(&agent.settle);
	cluster_free(&agent.cluster);
	cleanup_close(&agent.signals.fd);
	loop_close(&agent.loop);
}

static int take_off(struct err *err)
{
	struct install install = install_paths();

	return uninstall(&install, agent.options.force, err);
}

static int run(struct err *err)
{
	int ret = start(err);

	if (!ret) {
		log_line(LOG_INFO, "ctnatd " CTNAT_VERSION " on node '%s', API server %s",
			 agent.options.node_name, agent.options.server);
		ret = loop_run(&agent.loop, err);
	}
	stop();
	return ret;
}

static int print_version(struct err *err)
{
	(void)err;
	puts("ctnatd " CTNAT_VERSION);
	return 0;
}

static int print_help(struct err *err)
{
	(void)err;
	fputs(options_help(), stdout);
	return 0;
}

static int (*const modes[])(struct err *err) = {
	[MODE_RUN] = run,
	[MODE_MOUNT_BPFFS] = bpffs_mount,
	[MODE_UNINSTALL] = take_off,
	[MODE_VERSION] = print_version,
	[MODE_HELP] = print_help,
};

int main(int argc, char **argv)
{
	struct err err = { 0 };
	int ret;

	file_fill_stdio();
	ret = options_read(argc, argv, &agent.options, &err);
	if (!ret) {
		sysctl_root(agent.options.proc_sys);
		ret = modes[agent.options.mode](&err);
	}
	if (ret < 0)
		fprintf(stderr, "ctnatd: %s\n", err.msg);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
