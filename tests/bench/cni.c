// SPDX-License-Identifier: Apache-2.0
/*
 * What ADD and DEL cost beside the reference plugins: `sudo make bench-cni`.
 *
 * Theory: a time says nothing on another machine, and two runs on one machine differ. So everything
 * is a ratio to what ran in the same minute: the subjects take turns, and each round another one
 * begins. ptp takes part twice, with a node for each: how far its second row is from 1.00 is what
 * this run cannot tell apart. Every subject has a node of its own (lib/lab.h), calls ADD and DEL
 * for one pod again and again, and is clocked from fork to exit, as a runtime waits for it. A
 * node's first round makes the base state and is shown apart. The peers keep their files in a tmpfs
 * here, which favours them. `floor` (floor.c) is the kernel's own work, done by a process that does
 * nothing else.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/ctfill.h"
#include "lib/lab.h"
#include "lib/plugin.h"
#include "lib/samples.h"

#define ROUNDS_DEFAULT 100
#define ROUNDS_MIN     50
#define ROUNDS_FULL    50	/* with a full conntrack table, where each takes long */
#define CT_ENTRIES     250000
#define CROWD	       1000	/* pods */

#define ADD_LIMIT   0.25	/* of ptp's median */
#define DEL_LIMIT   0.40
#define CROWD_LIMIT 1.3		/* of the median on an empty node */

#define PEER_PACKAGE "containernetworking-plugins"
#define MEASURED_POD POD_DIR "/measured"

#define NETWORK(type)	   "{\"cniVersion\":\"1.0.0\",\"name\":\"bench\",\"type\":\"" type "\","
#define IPAM(type, extra)  "\"ipam\":{\"type\":\"" type "\"," extra                    \
			   "\"ranges\":[[{\"subnet\":\"10.244.0.0/17\"}]],"            \
			   "\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}}"
#define HOST_LOCAL	   "\"ipMasq\":true," IPAM("host-local", "\"dataDir\":\"/run/host-local\",")

struct subject {
	const char *label;
	const char *path;
	const char *config;
	struct node node;
	struct samples add, del;		/* microseconds, fork to exit */
	struct samples add_inside, del_inside;	/* as the floor says itself: its operations, */
	struct samples add_alone, del_alone;	/* and attaching, or deleting the link, alone */
	long maxrss_kib;
	double first_add;			/* the same of the node's first ADD */
	long first_maxrss_kib;
};

enum { PTP, PTP_AGAIN, BRIDGE, CTNAT, FLOOR, SUBJECTS };

static struct subject subjects[SUBJECTS] = {
	[PTP] = { "ptp + host-local", "/usr/lib/cni/ptp", NETWORK("ptp") HOST_LOCAL },
	[PTP_AGAIN] = { "  the same again (A/A)", "/usr/lib/cni/ptp", NETWORK("ptp") HOST_LOCAL },
	[BRIDGE] = { "bridge + host-local", "/usr/lib/cni/bridge",
		     NETWORK("bridge") "\"isGateway\":true," HOST_LOCAL },
	[CTNAT] = { "ctnat", "ctnat", NETWORK("ctnat") IPAM("ctnat", "") },
	[FLOOR] = { "floor: kernel work only", "bench/floor", "{\"type\":\"floor\"}" },
};

static struct node home;

/* One line that is written over, for whoever watches; the last of its kind wipes it. */
static void progress(const char *what, unsigned int i, unsigned int n)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K%s: %u of %u", what, i, n);
	if (i == n)
		fprintf(stderr, "\r\033[K");
}

/* ---- measuring -------------------------------------------------------------------------------------- */

static int call(struct subject *s, const char *command, const char *pod, const char *prev_result,
		struct plugin_exit *out, struct err *err)
{
	const struct plugin_call call = {
		.path = s->path, .command = command, .container_id = strrchr(pod, '/') + 1, .netns = pod,
		.config = s->config, .prev_result = prev_result,
	};

	return plugin_run(&call, out, err);
}

/* A plugin's result is an object and says nothing of the kind. */
static void add_own_account(const char *output, struct samples *inside, struct samples *alone)
{
	double all, one;

	if (sscanf(output, "[%lf,%lf]", &all, &one) != 2)
		return;
	samples_add(inside, all);
	samples_add(alone, one);
}

/* ADD and DEL of the measured pod, in the subject's node. */
static int round_of(struct subject *s, struct err *err)
{
	struct plugin_exit added, deleted;
	int ret;

	if ((ret = node_enter(&s->node, err)) || (ret = call(s, "ADD", MEASURED_POD, NULL, &added, err)) ||
	    (ret = call(s, "DEL", MEASURED_POD, added.output, &deleted, err)))
		return ret;
	samples_add(&s->add, added.us);
	samples_add(&s->del, deleted.us);
	add_own_account(added.output, &s->add_inside, &s->add_alone);
	add_own_account(deleted.output, &s->del_inside, &s->del_alone);
	if (added.maxrss_kib > s->maxrss_kib)
		s->maxrss_kib = added.maxrss_kib;
	return node_enter(&home, err);
}

static void forget_samples(struct subject *s)
{
	s->maxrss_kib = 0;
	s->add.n = s->del.n = 0;
	s->add_inside.n = s->del_inside.n = s->add_alone.n = s->del_alone.n = 0;
}

/* A node with the pod that is measured, and its first round. */
static int settle(struct subject *s, struct err *err)
{
	int ret;

	if ((ret = node_make(&home, &s->node, err)) || (ret = node_enter(&s->node, err)) ||
	    (ret = pod_make(MEASURED_POD, err)) || (ret = round_of(s, err)))
		return ret;
	s->first_add = s->add.value[0];
	s->first_maxrss_kib = s->maxrss_kib;
	forget_samples(s);
	return 0;
}

static int take_turns(struct subject *const *s, size_t n, unsigned int rounds, const char *what,
		      struct err *err)
{
	int ret = 0;

	for (unsigned int round = 0; !ret && round < rounds; round++) {
		progress(what, round + 1, rounds);
		for (size_t i = 0; !ret && i < n; i++)
			ret = round_of(s[(round + i) % n], err);
	}
	return ret;
}

/* ---- what is said ----------------------------------------------------------------------------------- */

static double ratio(const struct samples *a, const struct samples *b, double q)
{
	return samples_quantile(a, q) / samples_quantile(b, q);
}

/* A line of the verdict; true if the limit is kept. */
static bool judge(const char *what, double value, double limit)
{
	bool kept = value <= limit;

	printf("%s  %-58s %5.2f  (at most %.2f)\n", kept ? "PASS" : "FAIL", what, value, limit);
	return kept;
}

static void say_circumstances(unsigned int rounds)
{
	FILE *version = popen("dpkg-query -W -f '${Version}' " PEER_PACKAGE " 2>/dev/null", "r");
	char text[128] = "";
	struct utsname uts;

	if (version) {
		if (!fgets(text, sizeof(text), version))
			strcpy(text, "of unknown version");
		pclose(version);
	}
	uname(&uts);
	printf("ctnat beside %s %s, IPv4, ipMasq; kernel %s, %ld CPUs; %u rounds in turns\n\n",
	       PEER_PACKAGE, text, uts.release, sysconf(_SC_NPROCESSORS_ONLN), rounds);
}

static void say_row(const char *label, const struct samples *add, const struct samples *del)
{
	const struct subject *ptp = &subjects[PTP];

	printf("%-26s %8.2f %8.2f   %8.2f %8.2f", label, ratio(add, &ptp->add, 0.5), ratio(add, &ptp->add, 0.99),
	       ratio(del, &ptp->del, 0.5), ratio(del, &ptp->del, 0.99));
	printf("   %9.2f %8.2f", samples_median(add) / 1e3, samples_median(del) / 1e3);
}

static void say_table(void)
{
	const struct subject *ptp = &subjects[PTP], *ctnat = &subjects[CTNAT], *floor = &subjects[FLOOR];
	double median = samples_median(&ptp->add);

	printf("%-26s %17s   %17s   %18s   %s\n", "", "ADD / ptp's", "DEL / ptp's", "ms, this run only", "peak");
	printf("%-26s %8s %8s   %8s %8s   %9s %8s   %s\n", "fork to exit", "median", "p99", "median", "p99",
	       "ADD", "DEL", "memory");
	for (size_t i = 0; i < SUBJECTS; i++) {
		say_row(subjects[i].label, &subjects[i].add, &subjects[i].del);
		printf("   %3.1f MB\n", subjects[i].maxrss_kib / 1024.0);
	}
	say_row("  of that, operations", &floor->add_inside, &floor->del_inside);
	printf("\n");
	say_row("  attach; delete the link", &floor->add_alone, &floor->del_alone);
	printf("\n\nThe first ADD of a node, which makes its base state: ctnat %.2f, %.1f MB; ptp %.2f, %.1f MB.\n",
	       ctnat->first_add / median, ctnat->first_maxrss_kib / 1024.0, ptp->first_add / median,
	       ptp->first_maxrss_kib / 1024.0);
	printf("ctnat beside the floor: ADD %.2f, DEL %.2f.\n\n",
	       ratio(&ctnat->add, &floor->add, 0.5), ratio(&ctnat->del, &floor->del, 0.5));
}

/* ---- the experiments -------------------------------------------------------------------------------- */

static int measure_latency(unsigned int rounds, bool *kept, struct err *err)
{
	struct subject *all[SUBJECTS];
	int ret = 0;

	for (size_t i = 0; !ret && i < SUBJECTS; i++)
		ret = settle(all[i] = &subjects[i], err);
	if (!ret)
		ret = take_turns(all, SUBJECTS, rounds, "ADD and DEL", err);
	if (ret)
		return ret;

	say_table();
	*kept &= judge("ADD, median / ptp's", ratio(&subjects[CTNAT].add, &subjects[PTP].add, 0.5), ADD_LIMIT);
	*kept &= judge("DEL, median / ptp's", ratio(&subjects[CTNAT].del, &subjects[PTP].del, 0.5), DEL_LIMIT);
	return 0;
}

/* Of the second ptp, which stands for "as ever" in every experiment. */
static double del_beside_control(const struct subject *s)
{
	return ratio(&s->del, &subjects[PTP_AGAIN].del, 0.5);
}

/*
 * The hash table belongs to all namespaces: while one's entries fill it, nobody's are quick to
 * walk. So one subject's table is filled at a time, and it takes turns with a ptp whose own is
 * empty. ctnat pays here for what the peers do not do: it looks for the pod's entries, by two walks
 * of the kernel over the table, and deletes them.
 */
static int measure_full_conntrack(struct err *err)
{
	static const size_t filled[] = { PTP, BRIDGE, CTNAT };
	const size_t n = sizeof(filled) / sizeof(filled[0]);
	double usual[sizeof(filled) / sizeof(filled[0])];
	int ret;

	for (size_t i = 0; i < n; i++)
		usual[i] = del_beside_control(&subjects[filled[i]]);
	printf("\nDEL, median, with %u conntrack entries on the node   / ptp's without   / its own without\n",
	       CT_ENTRIES);
	for (size_t i = 0; i < n; i++) {
		struct subject *s = &subjects[filled[i]];
		struct subject *const pair[] = { s, &subjects[PTP_AGAIN] };

		forget_samples(pair[0]);
		forget_samples(pair[1]);
		if ((ret = node_enter(&s->node, err)) || (ret = ctfill(CT_ENTRIES, err)) ||
		    (ret = take_turns(pair, 2, ROUNDS_FULL, "full conntrack table", err)) ||
		    (ret = node_enter(&s->node, err)) || (ret = ctfill_flush(err)) ||
		    (ret = node_enter(&home, err)))
			return ret;
		printf("  %-48s %15.2f %18.2f\n", s->label, del_beside_control(s), del_beside_control(s) / usual[i]);
	}
	return 0;
}

/* The pods stay; they end with the node, when this process does. */
static int crowd(struct subject *s, unsigned int pods, struct err *err)
{
	struct plugin_exit added;
	char pod[64];
	int ret = node_enter(&s->node, err);

	for (unsigned int i = 0; !ret && i < pods; i++) {
		progress("pods", i + 1, pods);
		snprintf(pod, sizeof(pod), POD_DIR "/%u", i);
		ret = pod_make(pod, err);
		if (!ret)
			ret = call(s, "ADD", pod, NULL, &added, err);
	}
	return ret ? ret : node_enter(&home, err);
}

static int measure_crowd(unsigned int rounds, bool *kept, struct err *err)
{
	static struct subject crowded;
	struct subject *const pair[] = { &crowded, &subjects[CTNAT] };
	char what[64];
	int ret;

	crowded = subjects[CTNAT];
	forget_samples(&subjects[CTNAT]);
	forget_samples(&crowded);
	if ((ret = settle(&crowded, err)) || (ret = crowd(&crowded, CROWD, err)) ||
	    (ret = take_turns(pair, 2, rounds, "among many pods", err)))
		return ret;
	snprintf(what, sizeof(what), "ADD on a node with %u pods, median / on an empty one", CROWD);
	printf("\n");
	*kept &= judge(what, ratio(&crowded.add, &subjects[CTNAT].add, 0.5), CROWD_LIMIT);
	printf("      (its DEL: %.2f)\n", ratio(&crowded.del, &subjects[CTNAT].del, 0.5));
	return 0;
}

/* Paths become absolute, because a process that enters a node starts again at "/". Ours lie in the
 * build directory; the plugin may be another one, in $CTNAT. */
static int find_programs(struct err *err)
{
	const char *build = getenv("BUILD") ?: "build", *ctnat = getenv("CTNAT");
	char path[4096];

	for (size_t i = 0; i < SUBJECTS; i++) {
		struct subject *s = &subjects[i];

		if (i == CTNAT && ctnat)
			snprintf(path, sizeof(path), "%s", ctnat);
		else
			snprintf(path, sizeof(path), "%s%s%s", s->path[0] == '/' ? "" : build,
				 s->path[0] == '/' ? "" : "/", s->path);
		s->path = realpath(path, NULL);
		if (!s->path || access(s->path, X_OK) < 0)
			return err_set(err, -errno, "%s: no program '%s'", s->label, path);
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS_DEFAULT;
	bool kept = true;
	struct err err;

	if (rounds < ROUNDS_MIN || rounds > SAMPLES_MAX) {
		fprintf(stderr, "usage: %s [rounds: %d to %d]\n", argv[0], ROUNDS_MIN, SAMPLES_MAX);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (find_programs(&err) < 0 || node_current(&home, &err) < 0)
		goto fail;
	say_circumstances(rounds);
	if (measure_latency(rounds, &kept, &err) < 0 || measure_full_conntrack(&err) < 0 ||
	    measure_crowd(rounds, &kept, &err) < 0)
		goto fail;
	return kept ? 0 : 1;
fail:
	fprintf(stderr, "bench-cni: %s\n", err.msg);
	return 2;
}
