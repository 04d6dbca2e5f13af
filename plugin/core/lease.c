// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: an address of a pod is an entry of `pods` (ipam.c), whoever chose it. What another IPAM
 * plugin chose is outside the ranges that the base table knows, unless by chance, and so is named
 * there one by one. An address that is wanted may be held by an attachment that is dead: that one
 * is unmade first.
 */
#include <errno.h>
#include <string.h>

#include "core/basetable.h"
#include "core/ipam.h"
#include "core/lease.h"
#include "core/reclaim.h"
#include "kern/nft.h"

/* ctnat's own ranges; with what dead attachments still hold, if need be. */
static int allocate(struct attachment_work *w, struct err *err)
{
	struct attachment_key holder;
	int ret;

	/* each turn takes something from the dead, so there is an end */
	do {
		ret = ipam_allocate(&w->node->maps, &w->req->key, w->net, w->addrs, &w->n_addrs,
				    &holder, err);
	} while ((ret == -EADDRINUSE &&
		  reclaim_one(w->node, w->net, w->req, &holder, &w->lock) > 0) ||
		 (ret == -ENOSPC && reclaim_dead(w->node, w->net, w->req, &w->lock) > 0));
	return ret;
}

static int claim_delegated(struct attachment_work *w, const struct addr *addr, struct err *err)
{
	struct attachment_key holder;
	int ret = ipam_claim(&w->node->maps, &w->req->key, addr, POD_DELEGATED, &holder, err);

	if (ret == -EADDRINUSE && reclaim_one(w->node, w->net, w->req, &holder, &w->lock) > 0)
		ret = ipam_claim(&w->node->maps, &w->req->key, addr, POD_DELEGATED, NULL, err);
	if (ret < 0)
		return ret;
	w->addrs[w->n_addrs++] = *addr;	/* from here on lease_return() gives it back */
	return table_range_holds(w->node, addr) ? 0 : nft_pod_add(&w->node->nf, addr, err);
}

static int delegate(struct attachment_work *w, struct err *err)
{
	int ret = w->req->delegate(VERB_ADD, w->req, w->net, &w->delegated, err);

	for (size_t i = 0; i < w->delegated.n_addrs && !ret; i++)
		ret = claim_delegated(w, &w->delegated.addrs[i].addr, err);
	return ret;
}

int lease_take(struct attachment_work *w, struct err *err)
{
	w->n_addrs = 0;
	return w->is_delegated ? delegate(w, err) : allocate(w, err);
}

/* A DEL may have to do without: bpffs is gone. */
static bool has_pods(const struct attachment_work *w)
{
	return w->node->maps.fd[MAP_PODS] >= 0;
}

static int free_one(struct attachment_work *w, const struct addr *addr, struct err *err)
{
	struct pod pod;
	int ret = 0;

	if (!map_get(w->node->maps.fd[MAP_PODS], addr, &pod) && pod.flags & POD_DELEGATED &&
	    !table_range_holds(w->node, addr))
		ret = nft_pod_del(&w->node->nf, addr, err);
	return ret < 0 ? ret : ipam_free(&w->node->maps, &w->req->key, addr, err);
}

/*
 * Tells the delegate that gave the addresses. A network that has moved to another IPAM plugin since
 * then has no configuration for the old one any more: what it can do with the new one is tried, and
 * must not keep the pod from going.
 */
static int undelegate(struct attachment_work *w, struct err *err)
{
	struct request del = *w->req;
	struct network old = *w->net;
	struct err ignored;

	del.verb = VERB_DEL;
	if (!w->record.ipam[0] || !strcmp(w->record.ipam, w->net->ipam_type))
		return w->req->delegate(VERB_DEL, &del, w->net, NULL, err);
	memcpy(old.ipam_type, w->record.ipam, sizeof(old.ipam_type));
	w->req->delegate(VERB_DEL, &del, &old, NULL, &ignored);
	return 0;
}

/* The delegate forgets first: were it told last, a crash between would leave its address taken with
 * nobody to tell it. */
int lease_return(struct attachment_work *w, struct err *err)
{
	int ret = w->is_delegated ? undelegate(w, err) : 0;

	for (size_t i = 0; i < w->n_addrs && !ret && has_pods(w); i++)
		ret = free_one(w, &w->addrs[i], err);
	return ret;
}
