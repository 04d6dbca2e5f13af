// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/leftovers.h"
#include "core/reclaim.h"
#include "kern/rtnl_link.h"

struct sweep {
	struct node *node;
	bool look_only;
	void (*fn)(const struct leftover *leftover, void *data);
	void *data;
};

static void say_failure(struct leftover *left, const struct err *err)
{
	snprintf(left->failure, sizeof(left->failure), "%.*s", (int)sizeof(left->failure) - 1,
		 err->msg);
}

/* The open attachment is dead. */
static void remove_attachment(const struct sweep *sweep, struct attachment_work *w,
			      const char *why)
{
	struct leftover left = { .key = w->req->key, .why = why, .n_addrs = w->n_addrs };
	struct err err;

	memcpy(left.network, w->record.network, sizeof(left.network));
	memcpy(left.addrs, w->addrs, sizeof(left.addrs));
	left.kept = w->record.ipam[0];
	if (left.kept)
		snprintf(left.failure, sizeof(left.failure),
			 "left as it is: IPAM plugin '%s' gave its addresses, and only its DEL or "
			 "the runtime's GC gives them back",
			 w->record.ipam);
	else if (!sweep->look_only && attachment_unmake(w, &err) < 0)
		say_failure(&left, &err);
	sweep->fn(&left, sweep->data);
}

static int visit_record(const void *key, const void *value, void *data)
{
	const struct attachment *record = value;
	const struct attachment_key *k = key;
	struct request req = { .verb = VERB_GC, .key = *k, .delegate = no_delegate };
	static struct network net;	/* too large for a stack frame */
	struct sweep *sweep = data;
	struct attachment_work w;
	const char *why;
	struct err err;

	memcpy(net.name, record->network, sizeof(net.name));
	/* who works on it knows what he does */
	if (!attachment_open(&w, &req, &net, sweep->node, false, NULL, &err)) {
		why = reclaim_why(&w);
		if (why)
			remove_attachment(sweep, &w, why);
	}
	attachment_close(&w);
	return 0;
}

/* Nobody says who lives: so a link is proof enough. */
static bool has_link(const struct sweep *sweep, const struct attachment_key *key)
{
	char name[IFNAME_MAX];
	struct link link;

	identity_host_ifname(key, name);
	return rtnl_link_get_name(&sweep->node->rt, name, &link, NULL) != -ENODEV;
}

static int visit_address(const void *key, const void *value, void *data)
{
	const struct pod *pod = value;
	struct sweep *sweep = data;
	struct leftover left = { .key = pod->owner,
				 .addrs = { *(const struct addr *)key },
				 .n_addrs = 1,
				 .why = "an address without an attachment" };
	struct err err;
	int ret = has_link(sweep, &pod->owner) ?
			  0 :
			  reclaim_address(sweep->node, key, pod, sweep->look_only, &err);

	if (ret < 0)
		say_failure(&left, &err);
	if (ret)
		sweep->fn(&left, sweep->data);
	return 0;
}

int leftovers_remove(struct node *node, bool look_only,
		     void (*fn)(const struct leftover *leftover, void *data), void *data,
		     struct err *err)
{
	struct sweep sweep = { node, look_only, fn, data };
	const int *fd = node->maps.fd;
	int ret = map_each(fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
			   sizeof(struct attachment), visit_record, &sweep);

	if (ret < 0)
		return err_set(err, ret, "walk map 'attachments'");
	ret = map_each(fd[MAP_PODS], sizeof(struct addr), sizeof(struct pod), visit_address,
		       &sweep);
	return ret < 0 ? err_set(err, ret, "walk map 'pods'") : 0;
}
