// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: GC is told which attachments of a network live, and removes the network's others. Four
 * kinds of leftovers:
 *
 *	records		of the network that are not among the living
 *	links		whose alias names the network, without a record and not among the living
 *	addresses	in `pods` whose owner has no record at all, of whatever network: nobody else
 *			will come for them
 *	the delegate's	by its own GC
 *
 * What somebody works on (its lock is held) is left alone, pending or not: it is either on its way
 * to be alive, or on its way out. GC goes on after a failure and reports the first.
 */
#include <errno.h>
#include <string.h>

#include "core/attachment.h"
#include "core/import.h"
#include "core/pod.h"
#include "core/reclaim.h"

struct gc {
	struct node *node;
	const struct request *req;
	const struct network *net;
	const struct attachment_key *valid;
	size_t n_valid;
	int ret;		/* first failure */
	struct err err;		/* what it said */
};

static bool is_valid(const struct gc *gc, const struct attachment_key *key)
{
	for (size_t i = 0; i < gc->n_valid; i++)
		if (key_equal(&gc->valid[i], key))
			return true;
	return false;
}

static void note_failure(struct gc *gc, int ret, const struct err *err)
{
	if (gc->ret)
		return;
	gc->ret = ret;
	gc->err = *err;
}

/* Unmakes the attachment if nobody works on it and it still is what it seemed:
 * `recorded` or not. */
static void collect(struct gc *gc, const struct attachment_key *key, bool recorded)
{
	struct request stale = *gc->req;
	struct attachment_work w;
	struct err err;
	int ret;

	stale.key = *key;
	stale.netns[0] = '\0';
	ret = attachment_open(&w, &stale, gc->net, gc->node, false, NULL, &err);
	if (!ret && w.recorded == recorded)
		ret = attachment_unmake(&w, &err);
	if (ret < 0 && ret != -EWOULDBLOCK)
		note_failure(gc, ret, &err);
	attachment_close(&w);
}

static int visit_record(const void *key, const void *value, void *data)
{
	const struct attachment *record = value;
	struct gc *gc = data;

	if (!strcmp(record->network, gc->net->name) && !is_valid(gc, key))
		collect(gc, key, true);
	return 0;
}

static int visit_link(const struct host_link *link, void *data, struct err *err)
{
	struct attachment record;
	struct gc *gc = data;

	(void)err;
	if (strcmp(link->network, gc->net->name) || is_valid(gc, &link->key))
		return 0;
	if (map_get(gc->node->maps.fd[MAP_ATTACHMENTS], &link->key, &record) == -ENOENT)
		collect(gc, &link->key, false);
	return 0;
}

static int visit_address(const void *key, const void *value, void *data)
{
	struct gc *gc = data;
	struct err err;
	int ret = reclaim_address(gc->node, key, value, false, &err);

	if (ret < 0)
		note_failure(gc, ret, &err);
	return 0;
}

static int sweep(struct gc *gc, struct err *err)
{
	struct node *node = gc->node;
	int ret = map_each(node->maps.fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
			   sizeof(struct attachment), visit_record, gc);

	if (ret < 0)
		return err_set(err, ret, "walk map 'attachments'");
	ret = import_each_link(node, visit_link, gc, err);
	if (ret < 0)
		return ret;
	ret = map_each(node->maps.fd[MAP_PODS], sizeof(struct addr), sizeof(struct pod),
		       visit_address, gc);
	if (ret < 0)
		return err_set(err, ret, "walk map 'pods'");
	if (gc->ret < 0 && err)
		*err = gc->err;
	return gc->ret;
}

int pod_gc(const struct request *req, const struct network *net, const struct attachment_key *valid,
	   size_t n, struct err *err)
{
	struct node node = NODE_CLOSED;
	struct gc gc = {
		.node = &node, .req = req, .net = net, .valid = valid, .n_valid = n,
	};
	int ret = node_open(&node, err);

	if (!ret && node_has_records(&node))
		ret = sweep(&gc, err);
	if (!ret && delegates(net))
		ret = req->delegate(VERB_GC, req, net, NULL, err);
	node_close(&node);
	return ret;
}
