// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: everything is read when it is asked for, from where it is counted: a daemon that keeps
 * copies would lose them with each restart, and the plugin has none. What is read (core/inspect.h)
 * is a few system calls and as much as there are pods.
 *
 * Every series is there from the start, with 0: an increase from nothing to one is no increase for
 * rate(). That the counters of the base table begin anew with each new table, and those of the maps
 * with each boot, is what Prometheus expects of a counter.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/metrics.h"
#include "core/inspect.h"
#include "core/journal.h"
#include "kern/bpfobj.h"

#define RANGES_MAX 64

struct label {
	const char *name, *value;
};

/* "# HELP" and "# TYPE" of what follows. */
static void begin(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_escaped(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '\\' || *value == '"')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
}

/* Labels end with one without a name. */
static void put_series(FILE *out, const char *name, const struct label *labels)
{
	const char *before = "{";

	fputs(name, out);
	for (; labels && labels->name; labels++) {
		fprintf(out, "%s%s=\"", before, labels->name);
		put_escaped(out, labels->value);
		fputc('"', out);
		before = ",";
	}
	fputs(*before == ',' ? "} " : " ", out);
}

static void put(FILE *out, const char *name, const struct label *labels, unsigned long long value)
{
	put_series(out, name, labels);
	fprintf(out, "%llu\n", value);
}

#define LABELS(...) ((const struct label[]){ __VA_ARGS__, { NULL, NULL } })

/* ---- the datapath ---------------------------------------------------------------------------- */

static void put_build(FILE *out, const struct metrics_input *in)
{
	begin(out, "ctnat_build_info", "gauge", "Always 1; which ctnatd this is.");
	put(out, "ctnat_build_info", LABELS({ "version", in->version }), 1);
}

static void put_level(FILE *out, const struct metrics_input *in, const struct counts *counts)
{
	bool made = node_has_state(in->node);
	const char *level = made ? level_name(counts->config.level) : "none";
	const char *reason = made ? counts->config.reason : "no base state has been made";
	char build[16];

	snprintf(build, sizeof(build), "%u", counts->config.build);
	begin(out, "ctnat_datapath_info", "gauge",
	      "Always 1; the datapath's level in force, why it is not full, and the build of its "
	      "programs.");
	put(out, "ctnat_datapath_info",
	    LABELS({ "level", level }, { "reason", reason }, { "build", build }), 1);
}

static void put_reasons(FILE *out, const struct counts *counts)
{
	begin(out, "ctnat_datapath_packets_total", "counter",
	      "Packets by what ctnat's programs did with them; ctnatctl stats explains them.");
	for (int i = 0; i < REASON_MAX; i++)
		put(out, "ctnat_datapath_packets_total", LABELS({ "reason", reason_name(i) }),
		    counts->reasons[i].packets);
	begin(out, "ctnat_datapath_bytes_total", "counter",
	      "Bytes of frames by what ctnat's programs did with them.");
	for (int i = 0; i < REASON_MAX; i++)
		put(out, "ctnat_datapath_bytes_total", LABELS({ "reason", reason_name(i) }),
		    counts->reasons[i].bytes);
	begin(out, "ctnat_leaks_total", "counter",
	      "Packets that a guard dropped because they would have left with a pod's address.");
	put(out, "ctnat_leaks_total", NULL,
	    counts->reasons[REASON_DROP_LEAK].packets + counts->table.leaks);
}

static void put_table(FILE *out, const struct counts *counts)
{
	begin(out, "ctnat_table_packets_total", "counter",
	      "Packets that met a rule of the base table: masquerade (first packets of flows that "
	      "BPF did not insert), service_unrouted (dropped, nobody translated the service).");
	put(out, "ctnat_table_packets_total", LABELS({ "rule", "masquerade" }),
	    counts->table.masqueraded);
	put(out, "ctnat_table_packets_total", LABELS({ "rule", "service_unrouted" }),
	    counts->table.unrouted);
}

static void put_conntrack(FILE *out, const struct counts *counts)
{
	begin(out, "ctnat_conntrack_entries", "gauge", "Entries in the node's conntrack table.");
	put(out, "ctnat_conntrack_entries", NULL, counts->conntrack);
	begin(out, "ctnat_conntrack_entries_limit", "gauge",
	      "Entries that the node's conntrack table may have.");
	put(out, "ctnat_conntrack_entries_limit", NULL, counts->conntrack_max);
}

/* ---- pods ------------------------------------------------------------------------------------ */

/* Addresses that pods can have: without that of the network, and IPv4's broadcast. */
static unsigned long long range_size(const struct cidr *range)
{
	struct addr first = cidr_first(range), last = cidr_last(range);
	unsigned long long distance = addr_distance(&first, &last);

	if (range->len >= 127)
		return distance + 1;
	return addr_is_v4(&range->addr) ? distance - 1 : distance;
}

static void put_addresses(FILE *out, const struct metrics_input *in, const unsigned int *used)
{
	char text[ADDR_STRLEN];

	begin(out, "ctnat_addresses", "gauge",
	      "Pod addresses by range; \"other\" are in use and of no range of this node.");
	for (size_t i = 0; i < in->n_ranges; i++) {
		unsigned long long size = range_size(&in->ranges[i]);
		const char *range = cidr_format(&in->ranges[i], text);

		put(out, "ctnat_addresses", LABELS({ "range", range }, { "state", "used" }),
		    used[i]);
		put(out, "ctnat_addresses", LABELS({ "range", range }, { "state", "free" }),
		    size > used[i] ? size - used[i] : 0);
	}
	put(out, "ctnat_addresses", LABELS({ "range", "other" }, { "state", "used" }),
	    used[in->n_ranges]);
}

static void put_attachments(FILE *out, const struct counts *counts)
{
	static const char *const states[] = {
		[STATE_PENDING] = "pending",
		[STATE_READY] = "ready",
		[STATE_DYING] = "dying",
	};

	begin(out, "ctnat_attachments", "gauge", "Attachments of pods by state.");
	for (int state = STATE_PENDING; state <= STATE_DYING; state++)
		put(out, "ctnat_attachments", LABELS({ "state", states[state] }),
		    counts->attachments[state]);
}

static void put_operations(FILE *out, const struct counts *counts)
{
	begin(out, "ctnat_operations_total", "counter",
	      "Calls of the plugin by verb and CNI error code; 0 is success.");
	for (int verb = VERB_ADD; verb < VERB_VERSION; verb++)
		for (int i = 0; i < OUTCOMES; i++)
			put(out, "ctnat_operations_total",
			    LABELS({ "verb", verb_name(verb) }, { "code", outcome_name(i) }),
			    counts->ended[verb][i]);
}

static void put_node(FILE *out, const struct metrics_input *in, const struct counts *counts,
		     const unsigned int *used)
{
	put_level(out, in, counts);
	put_reasons(out, counts);
	put_table(out, counts);
	put_conntrack(out, counts);
	put_addresses(out, in, used);
	put_attachments(out, counts);
	put_operations(out, counts);
}

/* ---- ctnatd ---------------------------------------------------------------------------------- */

static void put_base(FILE *out, const struct metrics_input *in)
{
	begin(out, "ctnat_base_whole", "gauge",
	      "Whether sysctls, base table and guards were all there when last verified.");
	put(out, "ctnat_base_whole", NULL, in->base_whole);
	begin(out, "ctnat_base_repairs_total", "counter",
	      "Times that ctnatd restored a part of the base state.");
	put(out, "ctnat_base_repairs_total", NULL, in->base_repairs);
	begin(out, "ctnat_routes", "gauge", "Routes to other nodes' pods by the way they take.");
	put(out, "ctnat_routes", LABELS({ "way", "direct" }), in->direct_routes);
	put(out, "ctnat_routes", LABELS({ "way", "vxlan" }), in->vxlan_routes);
	begin(out, "ctnat_config_generation", "gauge",
	      "Grows when a changed configuration file is in force.");
	put(out, "ctnat_config_generation", NULL, in->config_generation);
	begin(out, "ctnat_config_reload_success", "gauge",
	      "Whether the configuration file that is there could be used.");
	put(out, "ctnat_config_reload_success", NULL, in->config_good);
}

static void put_last_events(FILE *out, const struct metrics_input *in)
{
	static const char name[] = "ctnat_watch_last_event_timestamp_seconds";

	begin(out, name, "gauge", "When something last came by the watch, a bookmark included.");
	for (size_t i = 0; i < in->n_watches; i++) {
		__u64 ms = in->watches[i].last_event / 1000000;

		put_series(out, name, LABELS({ "resource", in->watches[i].resource }));
		fprintf(out, "%llu.%03u\n", (unsigned long long)(ms / 1000),
			(unsigned int)(ms % 1000));
	}
}

#define PUT_WATCHES(out, in, name, type, field, help)                                      \
	do {                                                                               \
		begin(out, name, type, help);                                              \
		for (size_t i_ = 0; i_ < (in)->n_watches; i_++)                            \
			put(out, name, LABELS({ "resource", (in)->watches[i_].resource }), \
			    (in)->watches[i_].field);                                      \
	} while (0)

static void put_watches(FILE *out, const struct metrics_input *in)
{
	PUT_WATCHES(out, in, "ctnat_watch_synced", "gauge", synced,
		    "Whether a list of the API server's objects was complete once.");
	PUT_WATCHES(out, in, "ctnat_watch_connected", "gauge", connected,
		    "Whether a watch of the API server's objects stands.");
	PUT_WATCHES(out, in, "ctnat_watch_lists_total", "counter", lists,
		    "Lists that were asked of the API server.");
	PUT_WATCHES(out, in, "ctnat_watch_errors_total", "counter", errors,
		    "Requests to the API server that failed.");
	put_last_events(out, in);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int read_node(const struct metrics_input *in, struct counts *counts, unsigned int *used,
		     struct err *err)
{
	int ret;

	if (!in->node)
		return 0;
	ret = inspect_counts(in->node, counts, err);
	return ret < 0 ? ret : inspect_addresses(in->node, in->ranges, in->n_ranges, used, err);
}

int metrics_render(const struct metrics_input *in, char **text, size_t *len, struct err *err)
{
	unsigned int used[RANGES_MAX + 1] = { 0 };
	struct counts counts = { 0 };
	char *buf = NULL;
	size_t size;
	FILE *out;
	int ret;

	if (in->n_ranges > RANGES_MAX)
		return err_set(err, -E2BIG, "metrics of %zu ranges", in->n_ranges);
	ret = read_node(in, &counts, used, err);
	if (ret < 0)
		return ret;
	out = open_memstream(&buf, &size);
	if (!out)
		return err_set(err, -errno, "write the metrics");
	put_build(out, in);
	if (in->node)
		put_node(out, in, &counts, used);
	put_base(out, in);
	put_watches(out, in);
	if (fclose(out)) {
		free(buf);
		return err_set(err, -ENOMEM, "write the metrics");
	}
	*text = buf;
	*len = size;
	return 0;
}
