// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a pod whose namespace is gone has no veth, for the kernel takes both ends. So a ready
 * attachment without its host link is dead, even if its DEL never comes. An attachment that is
 * pending or dying has an owner as long as somebody holds its lock; the lock is never waited for
 * here, because the caller holds one itself: two ADDs that reclaimed each other would wait for
 * ever.
 *
 * What a delegated IPAM plugin gave can only be given back with that network's own configuration:
 * attachments of other networks with a delegate are left to their own DEL or GC.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/ipam.h"
#include "core/reclaim.h"
#include "kern/ctnl.h"
#include "kern/rtnl_link.h"

const char *reclaim_why(const struct attachment_work *w)
{
	struct link link;

	if (!w->recorded)
		return NULL;
	if (w->record.state == STATE_PENDING)
		return "its ADD did not finish";
	if (w->record.state != STATE_READY)
		return "its DEL did not finish";
	return rtnl_link_get_name(&w->node->rt, w->record.host_ifname, &link, NULL) == -ENODEV ?
		       "its host link is gone, and with it the namespace" :
		       NULL;
}

/* In the order of a DEL (attachment.c), without a link: that went with the record, or before. */
static int free_address(struct node *node, const struct addr *addr, const struct pod *pod,
			struct err *err)
{
	int ret = attachment_void_answers(node, pod->ifindex, err);

	if (!ret)
		ret = ctnl_flush_addr(&node->nf, addr, NULL, err);
	return ret < 0 ? ret : ipam_free(&node->maps, &pod->owner, addr, err);
}

int reclaim_address(struct node *node, const struct addr *addr, const struct pod *pod,
		    bool look_only, struct err *err)
{
	int fd = node->maps.fd[MAP_ATTACHMENTS], ret = 0;
	struct attachment_lock lock;
	struct attachment record;

	if (map_get(fd, &pod->owner, &record) != -ENOENT ||
	    identity_lock(&pod->owner, false, NULL, &lock, NULL) < 0)
		return 0;
	if (map_get(fd, &pod->owner, &record) == -ENOENT) {
		ret = look_only ? 0 : free_address(node, addr, pod, err);
		ret = ret < 0 ? ret : 1;
	}
	cleanup_close(&lock.fd);
	return ret;
}

static bool is_foreign(const struct attachment_work *w, const struct network *net)
{
	return w->record.ipam[0] && strcmp(w->record.network, net->name);
}

int reclaim_one(struct node *node, const struct network *net, const struct request *req,
		const struct attachment_key *key, const struct attachment_lock *held)
{
	struct request dead = *req;
	struct attachment_work w;
	struct err ignored;
	int ret;

	dead.key = *key;
	dead.netns[0] = '\0';
	if (key_equal(key, &req->key))
		return 0;
	ret = attachment_open(&w, &dead, net, node, false, held, &ignored);
	if (!ret && reclaim_why(&w) && !is_foreign(&w, net)) {
		ret = attachment_unmake(&w, &ignored);
		ret = ret < 0 ? ret : 1;
	}
	attachment_close(&w);
	return ret == -EWOULDBLOCK ? 0 : ret;
}

struct sweep {
	struct node *node;
	const struct network *net;
	const struct request *req;
	const struct attachment_lock *held;
	int n;
};

static int sweep_one(const void *key, const void *value, void *data)
{
	struct sweep *sweep = data;

	(void)value;
	if (reclaim_one(sweep->node, sweep->net, sweep->req, key, sweep->held) > 0)
		sweep->n++;
	return 0;
}

int reclaim_dead(struct node *node, const struct network *net, const struct request *req,
		 const struct attachment_lock *held)
{
	struct sweep sweep = { node, net, req, held, 0 };
	int ret = map_each(node->maps.fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
			   sizeof(struct attachment), sweep_one, &sweep);

	return ret < 0 ? ret : sweep.n;
}
