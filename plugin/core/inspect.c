// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
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

static int note_attachment(const void *key, const void *value, void *data)
{
	const struct attachment *record = value;
	struct snapshot *snap = data;

	(void)key;
	snap->ready += record->state == STATE_READY;
	snap->pending += record->state == STATE_PENDING;
	snap->dying += record->state == STATE_DYING;
	return 0;
}

int inspect_node(struct node *node, struct snapshot *out, struct err *err)
{
	const int *fd = node->maps.fd;
	struct verbs *verbs = verbs_map(fd[MAP_VERBS]);
	struct err fault;
	int ret;

	memset(out, 0, sizeof(*out));
	out->config = node->config;
	ret = map_each(fd[MAP_UPLINKS], sizeof(__u32), sizeof(struct uplink), note_uplink, out);
	if (ret >= 0)
		ret = map_each(fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
			       sizeof(struct attachment), note_attachment, out);
	if (ret < 0)
		return err_set(err, ret, "read the maps");
	ret = map_count(fd[MAP_PODS], sizeof(struct addr));
	if (ret < 0)
		return err_set(err, ret, "count map 'pods'");
	out->addresses = ret;
	if (verbs) {
		memcpy(out->ok, verbs->ok, sizeof(out->ok));
		memcpy(out->failed, verbs->failed, sizeof(out->failed));
	}
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
	for (int i = 0; i < REASON_MAX; i++) {
		int ret = stats_read(node->maps.fd[MAP_STATS], i, &out[i]);

		if (ret < 0)
			return err_set(err, ret, "read map 'stats'");
	}
	return 0;
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
