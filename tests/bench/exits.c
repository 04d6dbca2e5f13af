// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the kernel measures each run of a program itself if it is asked to (BPF_STATS_RUN_TIME),
 * and ctnat counts why it was left. So a stream whose frames all end alike gives the cost of that
 * end, of each program that they pass, under the caches and branches of real packets. The kernel's
 * two looks at the clock are in it; what they come to, the row of the least program shows.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "exits.h"
#include "kern/bpffs.h"
#include "kern/maps.h"
#include "lib/ctfill.h"

#define FRAMES 20000
#define SLICES 10		/* of which the least counts */

static const char *const programs[] = { "from_pod", "to_pod", "from_uplink", "to_uplink" };

#define PROGRAMS (sizeof(programs) / sizeof(programs[0]))

static const struct {
	const char *name;
	const char *what;
} reasons[REASON_MAX] = {
#define REASON_ROW(id, name, what) { name, what },
	REASONS(REASON_ROW)
#undef REASON_ROW
};

/* What the frames of a stream are, told by how they differ from those of an established flow. */
struct scene {
	const char *what;
	bool in, tcp, fresh;		/* fresh: each frame a new flow, nothing is established */
	const char *src, *dst;
	unsigned char ttl, flags;
};

static const struct scene scenes[] = {
	{ .what = "established, out" },
	{ .what = "established, in", .in = true },
	{ .what = "new flows", .fresh = true },
	{ .what = "TTL 1", .ttl = 1 },
	{ .what = "TCP of no known flow", .tcp = true, .fresh = true, .flags = TCP_ACK },
	{ .what = "to another pod's range", .fresh = true, .dst = "10.244.1.200" },
	{ .what = "to a private range", .fresh = true, .dst = "192.168.7.7" },
	{ .what = "to the node itself", .fresh = true, .dst = NODE4 },
	{ .what = "with a source that is not the pod's", .fresh = true, .src = "10.244.1.77" },
	{ .what = "new flows to the node", .in = true, .fresh = true },
	{ .what = "one flow to the node", .in = true, .src = "198.51.100.9" },
};

/* What programs and counters say at one moment. */
struct account {
	unsigned long long runs[PROGRAMS], ns[PROGRAMS], packets[REASON_MAX];
};

static int read_account(const int fds[PROGRAMS], struct account *out, struct err *err)
{
	for (size_t i = 0; i < PROGRAMS; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		if (bpf_obj_get_info_by_fd(fds[i], &info, &len) < 0)
			return err_set(err, -errno, "read what '%s' cost", programs[i]);
		out->runs[i] = info.run_cnt;
		out->ns[i] = info.run_time_ns;
	}
	for (int i = 0; i < REASON_MAX; i++) {
		struct counter counter = { 0 };

		stats_read(sites[CTNAT].stats, i, &counter);
		out->packets[i] = counter.packets;
	}
	return 0;
}

static struct stream stream_of(const struct scene *scene)
{
	const struct flows flows = { .tcp = scene->tcp, .n = scene->fresh ? FRAMES : 1 };
	struct stream stream = scene->in ? flows_in(&sites[CTNAT], &flows) :
					   flows_out(&sites[CTNAT], &flows);

	if (scene->fresh || scene->src)
		stream.learned = NULL;
	stream.src = scene->src ?: stream.src;
	stream.dst = scene->dst ?: stream.dst;
	stream.ttl = scene->ttl;
	stream.flags = scene->flags;
	return stream;
}

/* The reasons that grew by most of the frames, in one text. */
static void name_reasons(const struct account *before, const struct account *after, char *out,
			 size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (int i = 0; i < REASON_MAX && len < size; i++) {
		if (after->packets[i] - before->packets[i] > FRAMES / 2)
			len += snprintf(out + len, size - len, "%s%s", len ? ", " : "",
					reasons[i].name);
	}
}

static int measure_scene(const struct scene *scene, const int fds[PROGRAMS], double unit,
			 struct err *err)
{
	const struct stream stream = stream_of(scene);
	double cost[PROGRAMS] = { 0 };
	struct account before, after;
	char names[128];
	int ret = 0;

	for (int slice = 0; slice < SLICES; slice++) {
		if (scene->fresh && (ret = ctfill_flush(err)))
			return ret;
		if ((ret = read_account(fds, &before, err)) ||
		    (ret = inject_anything(&stream, FRAMES, err)) ||
		    (ret = read_account(fds, &after, err)))
			return ret;
		for (size_t i = 0; i < PROGRAMS; i++) {
			unsigned long long runs = after.runs[i] - before.runs[i];
			double ns = 0;

			if (runs > FRAMES / 2)
				ns = (double)(after.ns[i] - before.ns[i]) / runs;

			if (!slice || ns < cost[i])
				cost[i] = ns;
		}
	}
	name_reasons(&before, &after, names, sizeof(names));
	printf("  %-36s %-28s", scene->what, names);
	for (size_t i = 0; i < PROGRAMS; i++) {
		if (cost[i] > 0)
			printf("  %s %.3f", programs[i], cost[i] / unit);
	}
	printf("\n");
	return 0;
}

static int open_programs(int fds[PROGRAMS], struct err *err)
{
	char path[128];

	for (size_t i = 0; i < PROGRAMS; i++) {
		snprintf(path, sizeof(path), PIN_DATAPATH "/%s", programs[i]);
		fds[i] = bpf_obj_get(path);
		if (fds[i] < 0)
			return err_set(err, -errno, "open '%s'", path);
	}
	return 0;
}

int exits_measure(double unit, struct err *err)
{
	_cleanup_close_ int measuring = bpf_enable_stats(BPF_STATS_RUN_TIME);
	struct site *at[] = { &sites[CTNAT] };
	const struct flows flows = { .n = 1 };
	int fds[PROGRAMS], ret;

	if (measuring < 0)
		return err_set(err, -errno, "have the kernel measure programs");
	printf("\nPrograms, by the reason for which they are left; a packet of nftables masquerade "
	       "is 1.00\n");
	ret = flows_open(at, 1, &flows, err);
	if (!ret)
		ret = open_programs(fds, err);
	for (size_t i = 0; !ret && i < sizeof(scenes) / sizeof(scenes[0]); i++)
		ret = measure_scene(&scenes[i], fds, unit, err);
	for (size_t i = 0; !ret && i < PROGRAMS; i++)
		close(fds[i]);
	return ret ? err_wrap(err, "programs by reason") : 0;
}
