// SPDX-License-Identifier: Apache-2.0
/*
 * Theory. An attachment is made by steps in a fixed order, each of which knows how to undo itself;
 * ADD does them first to last, DEL undoes them last to first. There is one list, so ADD and DEL
 * cannot drift apart:
 *
 *	step		do						undo
 *	record		`attachments`: pending				forget it
 *	addresses	take them in `pods`, or from the delegate	give them back
 *	conntrack	-						flush the addresses' entries
 *	link		the veth pair, down				delete it
 *	answers		-						link down, then void them
 *	program		from_pod on the host side			-  (goes with the link)
 *	host		addresses, sysctls, alias, up			-
 *	pod		addresses, routes, gateway			-
 *	routes		host routes to the addresses			-
 *	ready		`pods` and `attachments`: ready			dying: from_pod drops
 *
 * Read the right column upwards and the order of DEL is: dying, link down, the answers in `flows`
 * void, link gone, conntrack flushed, address free, forgotten. So an address is never handed out
 * while somebody can still speak from it, or while an answer or an entry could deliver to it; and
 * never forgotten before all is done. An answer is learned from a packet that leaves by the link,
 * and none does once it is down: what is void then stays void.
 *
 * A crash at any instruction: the record is the first thing made and the last forgotten, so
 * whatever exists has a record that is not ready, and a lock that is free. The next ADD of the same
 * key unmakes it first; DEL and GC unmake it; an ADD that runs out of addresses too. The record's
 * own list of addresses is only complete once it is ready; before that `pods` is walked for what
 * bears the key. No undo believes the record further than that: each asks the kernel, and takes
 * "already gone" for done.
 *
 * Everything here happens under the attachment's lock.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hook.h"
#include "core/attachment.h"
#include "core/import.h"
#include "core/ipam.h"
#include "core/journal.h"
#include "core/lease.h"
#include "core/plumb.h"
#include "kern/ctnl.h"
#include "kern/netns.h"
#include "kern/rtnl_link.h"

static int map_fd(const struct attachment_work *w, enum map_id id)
{
	return w->node->maps.fd[id];
}

static bool has_maps(const struct attachment_work *w)
{
	return map_fd(w, MAP_ATTACHMENTS) >= 0;
}

/* ---- record ---------------------------------------------------------------------------------- */

static int do_record(struct attachment_work *w, struct err *err)
{
	int ret;

	memset(&w->record, 0, sizeof(w->record));
	w->record.state = STATE_PENDING;
	w->record.created = clock_realtime();
	identity_host_ifname(&w->req->key, w->record.host_ifname);
	memcpy(w->record.network, w->net->name, sizeof(w->record.network));
	if (delegates(w->net))
		memcpy(w->record.ipam, w->net->ipam_type, sizeof(w->record.ipam));
	ret = map_create(map_fd(w, MAP_ATTACHMENTS), &w->req->key, &w->record);
	if (ret < 0)
		return err_set(err, ret, "record in map 'attachments'");
	w->recorded = true;
	w->is_delegated = delegates(w->net);
	return 0;
}

static int undo_record(struct attachment_work *w, struct err *err)
{
	int ret = has_maps(w) ? map_delete(map_fd(w, MAP_ATTACHMENTS), &w->req->key) : 0;

	if (ret < 0 && ret != -ENOENT)
		return err_set(err, ret, "forget in map 'attachments'");
	w->recorded = false;
	return 0;
}

/* ---- conntrack, link, answers ---------------------------------------------------------------- */

static int undo_conntrack(struct attachment_work *w, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < w->n_addrs && !ret; i++)
		ret = ctnl_flush_addr(&w->node->nf, &w->addrs[i], NULL, err);
	return ret;
}

static int undo_link(struct attachment_work *w, struct err *err)
{
	struct link link;
	int ret = rtnl_link_get_name(&w->node->rt, w->record.host_ifname, &link, err);
	__u32 ifindex;

	if (ret == -ENODEV)
		return 0;
	ifindex = ret ? 0 : link.ifindex;
	if (!ret)
		ret = rtnl_link_del(&w->node->rt, link.ifindex, err);
	if (ret < 0 && ret != -ENODEV)
		return err_wrap(err, "interface '%s'", w->record.host_ifname);
	if (has_maps(w))
		map_delete(map_fd(w, MAP_BUDGETS), &ifindex);
	return 0;
}

int attachment_void_answers(const struct node *node, __u32 ifindex, struct err *err)
{
	int fd = node->maps.fd[MAP_FLOW_INDEX], ret;

	if (fd < 0 || !ifindex)
		return 0;
	ret = epoch_raise(fd, ifindex);
	return ret < 0 ? err_set(err, ret, "raise the epoch of interface %u", ifindex) : 0;
}

/* The kernel takes the links of a namespace that goes: then the record knows the device, if the pod
 * ever was ready. */
static int undo_answers(struct attachment_work *w, struct err *err)
{
	const struct link_change down = { .set_up = true };
	struct link link = { .ifindex = w->record.ifindex };
	int ret = rtnl_link_get_name(&w->node->rt, w->record.host_ifname, &link, err);

	if (!ret)
		ret = rtnl_link_change(&w->node->rt, link.ifindex, &down, err);
	if (ret < 0 && ret != -ENODEV)
		return err_wrap(err, "interface '%s'", w->record.host_ifname);
	return attachment_void_answers(w->node, link.ifindex, err);
}

/* ---- ready ----------------------------------------------------------------------------------- */

static int set_pods(struct attachment_work *w, __u32 state)
{
	for (size_t i = 0; i < w->n_addrs; i++) {
		struct pod pod;
		int ret = map_get(map_fd(w, MAP_PODS), &w->addrs[i], &pod);

		if (ret == -ENOENT || (!ret && !key_equal(&pod.owner, &w->req->key)))
			continue;
		if (ret < 0)
			return ret;
		pod.state = state;
		pod.generation++;
		if (state == STATE_READY) {
			pod.ifindex = w->record.ifindex;
			pod.flags |= w->record.flags;
			memcpy(pod.host_mac, w->host_mac, sizeof(pod.host_mac));
			memcpy(pod.pod_mac, w->pod_mac, sizeof(pod.pod_mac));
		}
		ret = map_set(map_fd(w, MAP_PODS), &w->addrs[i], &pod);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int set_record(struct attachment_work *w, __u32 state)
{
	w->record.state = state;
	return map_set(map_fd(w, MAP_ATTACHMENTS), &w->req->key, &w->record);
}

static int do_ready(struct attachment_work *w, struct err *err)
{
	unsigned long long inode;
	int ret = netns_inode(w->pod_netns, &inode, err);

	if (ret < 0)
		return ret;
	w->record.netns = inode;
	w->record.n_addrs = w->n_addrs;
	memcpy(w->record.addrs, w->addrs, sizeof(w->record.addrs));
	ret = node_same_instance(w->node, err);
	if (ret < 0)
		return ret;
	ret = set_pods(w, STATE_READY);
	if (!ret)
		ret = set_record(w, STATE_READY);
	return ret < 0 ? err_set(err, ret, "record as ready") : 0;
}

static int undo_ready(struct attachment_work *w, struct err *err)
{
	int ret;

	if (!w->recorded)
		return 0;
	ret = set_pods(w, STATE_DYING);
	/* a record that never was ready stays pending: its list of addresses is not complete */
	if (!ret && w->record.state == STATE_READY)
		ret = set_record(w, STATE_DYING);
	return ret < 0 ? err_set(err, ret, "record as dying") : 0;
}

/* ---- the list -------------------------------------------------------------------------------- */

static const struct step {
	const char *name;
	int (*make)(struct attachment_work *w, struct err *err);
	int (*undo)(struct attachment_work *w, struct err *err);
} steps[] = {
	{ "record", do_record, undo_record },
	{ "addresses", lease_take, lease_return },
	{ "conntrack", NULL, undo_conntrack },
	{ "link", plumb_link, undo_link },
	{ "answers", NULL, undo_answers },
	{ "program", plumb_program, NULL },
	{ "host", plumb_host, NULL },
	{ "pod", plumb_pod, NULL },
	{ "routes", plumb_routes, NULL },
	{ "ready", do_ready, undo_ready },
};

#define N_STEPS (sizeof(steps) / sizeof(steps[0]))

static int undo_from(struct attachment_work *w, size_t last, struct err *err)
{
	for (size_t i = last + 1; i-- > 0;) {
		int ret;

		if (!steps[i].undo)
			continue;
		hook_point("undo", steps[i].name, "before");
		ret = steps[i].undo(w, err);
		hook_point("undo", steps[i].name, "after");
		if (ret < 0)
			return err_wrap(err, "undo %s", steps[i].name);
	}
	return 0;
}

int attachment_make(struct attachment_work *w, struct err *err)
{
	struct err ignored;	/* the runtime wants to know why it failed, not what came after */

	for (size_t i = 0; i < N_STEPS; i++) {
		int ret;

		if (!steps[i].make)
			continue;
		hook_point("do", steps[i].name, "before");
		ret = steps[i].make(w, err);
		hook_point("do", steps[i].name, "after");
		if (ret < 0) {
			undo_from(w, i, &ignored);
			return err_wrap(err, "%s", steps[i].name);
		}
	}
	return 0;
}

int attachment_unmake(struct attachment_work *w, struct err *err)
{
	return undo_from(w, N_STEPS - 1, err);
}

/* Of the record's addresses those that still are the attachment's: a DEL that died half-way has
 * freed some. */
static void keep_owned(struct attachment_work *w)
{
	struct pod pod;

	w->n_addrs = 0;
	for (__u32 i = 0; i < w->record.n_addrs && i < POD_ADDRS_MAX; i++)
		if (!map_get(map_fd(w, MAP_PODS), &w->record.addrs[i], &pod) &&
		    key_equal(&pod.owner, &w->req->key))
			w->addrs[w->n_addrs++] = w->record.addrs[i];
}

/* What the record, `pods` or, without either, the link's own routes say. */
static int find_addrs(struct attachment_work *w, struct err *err)
{
	struct link link;
	int ret;

	if (w->recorded && w->record.state != STATE_PENDING) {
		keep_owned(w);
		return 0;
	}
	if (w->recorded)
		return ipam_owned(&w->node->maps, &w->req->key, w->addrs, &w->n_addrs, err);
	ret = rtnl_link_get_name(&w->node->rt, w->record.host_ifname, &link, err);
	if (ret < 0)
		return ret == -ENODEV ? 0 : ret;
	return import_addrs(w->node, link.ifindex, w->addrs, &w->n_addrs, err);
}

int attachment_open(struct attachment_work *w, const struct request *req, const struct network *net,
		    struct node *node, bool wait, const struct attachment_lock *held,
		    struct err *err)
{
	int ret;

	memset(w, 0, sizeof(*w));
	w->req = req;
	w->net = net;
	w->node = node;
	w->lock.fd = -1;
	w->pod_netns = -1;
	w->is_delegated = delegates(net);
	identity_host_ifname(&req->key, w->record.host_ifname);
	if (has_maps(w)) {
		ret = identity_lock(&req->key, wait, held, &w->lock, err);
		if (ret < 0)
			return ret;
		ret = map_get(map_fd(w, MAP_ATTACHMENTS), &req->key, &w->record);
		if (ret < 0 && ret != -ENOENT)
			return err_set(err, ret, "read map 'attachments'");
		w->recorded = !ret;
		/* of another network's attachment only its record knows; of ours, the record may
		 * have been read back from the link (import.c), which knows no IPAM plugin */
		if (w->recorded && (w->record.ipam[0] || strcmp(w->record.network, net->name)))
			w->is_delegated = w->record.ipam[0];
	}
	return find_addrs(w, err);
}

void attachment_close(struct attachment_work *w)
{
	nl_close(&w->pod_rt);
	cleanup_close(&w->pod_netns);
	cleanup_close(&w->lock.fd);
}
