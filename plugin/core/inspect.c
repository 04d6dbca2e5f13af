// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/inspect.h"
#include "kern/ctnl.h"

static const struct {
	const char *name, *what;
} reasons[] = {
#define REASON_TEXT(id, name, what) { name, what },
	REASONS(REASON_TEXT)
#undef REASON_TEXT
};

const char *reason_name(enum reason reason)
{
	return reasons[reason].name;
}

const char *reason_what(enum reason reason)
{
	return reasons[reason].what;
}

static int note_uplink(const void *key, const void *value, void *data)
{
	struct snapshot *snap = data;

	snap->uplinks[snap->n_uplinks].ifindex = *(const __u32 *)key;
	snap->uplinks[snap->n_uplinks++].uplink = *(const struct uplink *)value;
	return snap->n_uplinks == UPLINKS_MAX;
}

/* data: a counter for each state */
static int note_attachment(const void *key, const void *value, void *data)
{
	const struct attachment *record = value;
	unsigned int *states = data;

	(void)key;
	if (record->state <= STATE_DYING)
		states[record->state]++;
	return 0;
}

static int read_verbs(const struct node *node, __u64 out[VERB_MAX][OUTCOMES])
{
	static const __u32 key;
	struct verbs verbs;
	int ret = map_get(node->maps.fd[MAP_VERBS], &key, &verbs);

	if (!ret)
		memcpy(out, verbs.ended, sizeof(verbs.ended));
	return ret;
}

static void sum_verbs(__u64 ended[VERB_MAX][OUTCOMES], struct snapshot *snap)
{
	for (int verb = 0; verb < VERB_MAX; verb++) {
		snap->ok[verb] = ended[verb][0];
		for (int outcome = 1; outcome < OUTCOMES; outcome++)
			snap->failed[verb] += ended[verb][outcome];
	}
}

int inspect_node(struct node *node, struct snapshot *out, struct err *err)
{
	const int *fd = node->maps.fd;
	unsigned int states[STATE_DYING + 1] = { 0 };
	__u64 ended[VERB_MAX][OUTCOMES];
	struct err fault;
	int ret;

	memset(out, 0, sizeof(*out));
	out->config = node->config;
	ret = map_each(fd[MAP_UPLINKS], sizeof(__u32), sizeof(struct uplink), note_uplink, out);
	if (ret >= 0)
		ret = map_each(fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
			       sizeof(struct attachment), note_attachment, states);
	if (ret >= 0)
		ret = read_verbs(node, ended);
	if (ret < 0)
		return err_set(err, ret, "read the maps");
	out->pending = states[STATE_PENDING];
	out->ready = states[STATE_READY];
	out->dying = states[STATE_DYING];
	sum_verbs(ended, out);
	ret = map_count(fd[MAP_PODS], sizeof(struct addr));
	if (ret < 0)
		return err_set(err, ret, "count map 'pods'");
	out->addresses = ret;
	ret = ctnl_count(&node->nf, &out->conntrack, &out->conntrack_max, err);
	if (ret < 0)
		return ret;
	out->whole = !node_verify(node, &fault);
	if (!out->whole)
		snprintf(out->fault, sizeof(out->fault), "%.*s", (int)sizeof(out->fault) - 1,
			 fault.msg);
	return 0;
}

int inspect_stats(struct node *node, struct counter out[REASON_MAX], struct err *err)
{
	int ret = stats_read_all(node->maps.fd[MAP_STATS], out);

	return ret < 0 ? err_set(err, ret, "read map 'stats'") : 0;
}

/* ---- often ----------------------------------------------------------------------------------- */

static int read_counts(struct node *node, struct counts *out)
{
	static const __u32 key;
	const int *fd = node->maps.fd;
	int ret = map_get(fd[MAP_CONFIG], &key, &out->config);

	if (!ret)
		ret = stats_read_all(fd[MAP_STATS], out->reasons);
	if (!ret)
		ret = read_verbs(node, out->ended);
	if (!ret)
		ret = map_scan(fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
			       sizeof(struct attachment), note_attachment, out->attachments);
	return ret;
}

int inspect_counts(struct node *node, struct counts *out, struct err *err)
{
	int ret;

	memset(out, 0, sizeof(*out));
	ret = node_has_state(node) ? read_counts(node, out) : 0;
	if (ret < 0)
		return err_set(err, ret, "read the maps");
	if (!node->nf.sock)
		return 0;
	ret = nft_count(&node->nf, &out->table, err);
	if (!ret)
		ret = ctnl_count(&node->nf, &out->conntrack, &out->conntrack_max, err);
	return ret;
}

struct usage {
	const struct cidr *ranges;
	size_t n;
	unsigned int *used;
};

static int note_address(const void *key, const void *value, void *data)
{
	const struct usage *usage = data;
	size_t i = 0;

	(void)value;
	while (i < usage->n && !cidr_contains(&usage->ranges[i], key))
		i++;
	usage->used[i]++;
	return 0;
}

int inspect_addresses(struct node *node, const struct cidr *ranges, size_t n, unsigned int *used,
		      struct err *err)
{
	struct usage usage = { ranges, n, used };
	int ret = 0;

	memset(used, 0, (n + 1) * sizeof(*used));
	if (node_has_records(node))
		ret = map_scan(node->maps.fd[MAP_PODS], sizeof(struct addr), sizeof(struct pod),
			       note_address, &usage);
	return ret < 0 ? err_set(err, ret, "read map 'pods'") : 0;
}

static int by_sequence(const void *a, const void *b)
{
	const struct journal_entry *x = a, *y = b;

	return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

int inspect_journal(struct node *node, struct journal_entry out[JOURNAL_SIZE], struct err *err)
{
	int n = 0;

	for (__u32 slot = 0; slot < JOURNAL_SIZE; slot++) {
		int ret = map_get(node->maps.fd[MAP_JOURNAL], &slot, &out[n]);

		if (ret < 0)
			return err_set(err, ret, "read map 'journal'");
		n += out[n].time != 0;	/* 0: never written */
	}
	qsort(out, n, sizeof(*out), by_sequence);
	return n;
}
