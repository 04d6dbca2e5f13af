// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: an attachment leaves three traces, each of which may be missing: its record, its host
 * link, its addresses in `pods`. The record is believed first; a link without one, and an address
 * whose owner has none, are listed as what they are. The name of the pod stands in the journal
 * alone, for as long as its ADD is among the last operations.
 */
#include <errno.h>
#include <linux/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/identity.h"
#include "core/import.h"
#include "core/inspect.h"
#include "core/ipam.h"
#include "core/programs.h"
#include "core/roster.h"
#include "kern/rtnl_link.h"

#define PREFIX_MIN 6	/* of a container ID that may be cut short */

struct roster {
	struct node *node;
	struct nl_array entries;
	struct journal_entry *journal;
	int n_journal;
	struct err *err;
};

/* ---- what is wrong --------------------------------------------------------------------------- */

static void fault(struct roster_entry *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The first one counts. */
static void fault(struct roster_entry *e, const char *fmt, ...)
{
	va_list args;

	if (e->fault[0])
		return;
	va_start(args, fmt);
	vsnprintf(e->fault, sizeof(e->fault), fmt, args);
	va_end(args);
}

static void judge_addrs(struct node *node, struct roster_entry *e)
{
	char text[ADDR_STRLEN];
	struct pod pod;

	for (__u32 i = 0; i < e->record.n_addrs; i++) {
		const struct addr *addr = &e->record.addrs[i];

		if (map_get(node->maps.fd[MAP_PODS], addr, &pod) < 0 ||
		    !key_equal(&pod.owner, &e->key))
			fault(e, "address %s is not its own in map 'pods': delete the pod",
			      addr_format(addr, text));
		else if (pod.ifindex != e->record.ifindex)
			fault(e, "map 'pods' has another interface for %s: delete the pod",
			      addr_format(addr, text));
	}
}

static void judge_routes(struct node *node, struct roster_entry *e)
{
	struct addr routed[POD_ADDRS_MAX];
	char text[ADDR_STRLEN];
	size_t n = 0;

	if (import_addrs(node, (int)e->record.ifindex, routed, &n, NULL) < 0)
		return;
	for (__u32 i = 0; i < e->record.n_addrs; i++) {
		size_t j = 0;

		while (j < n && !addr_equal(&routed[j], &e->record.addrs[i]))
			j++;
		if (j == n)
			fault(e, "the route to %s is gone: delete the pod",
			      addr_format(&e->record.addrs[i], text));
	}
}

static void judge_ready(struct node *node, struct roster_entry *e)
{
	struct attachment_key key;
	char network[NETWORK_NAME_MAX];
	struct link link;
	struct err err;

	if (rtnl_link_get_name(&node->rt, e->record.host_ifname, &link, NULL) < 0) {
		fault(e, "its host link is gone: ctnatctl gc removes the rest");
		return;
	}
	if (identity_parse_alias(link.alias, &key, network) < 0 || !key_equal(&key, &e->key))
		fault(e, "its host link bears another alias: delete the pod");
	if (link.ifindex != (int)e->record.ifindex)
		fault(e, "its host link is another one than at ADD: delete the pod");
	if (!(link.flags & IFF_UP))
		fault(e, "its host link is down: ip link set %s up", link.name);
	if (programs_verify(node, link.ifindex, DEVICE_POD, link.name, &err) < 0)
		fault(e, "%.400s: delete the pod", err.msg);
	judge_addrs(node, e);
	judge_routes(node, e);
}

static void judge(struct node *node, struct roster_entry *e)
{
	bool busy = identity_is_locked(&e->key);

	switch (e->record.state) {
	case STATE_READY:
		judge_ready(node, e);
		break;
	case STATE_PENDING:
		fault(e, busy ? "an ADD is at work" :
				"its ADD did not finish: ctnatctl gc removes it");
		break;
	default:
		fault(e, busy ? "a DEL is at work" :
				"its DEL did not finish: ctnatctl gc removes it");
	}
}

/* ---- what there is --------------------------------------------------------------------------- */

static struct roster_entry *add(struct roster *r, const struct attachment_key *key)
{
	struct roster_entry *e = nl_array_add(&r->entries);

	if (!e)
		return NULL;
	e->key = *key;
	for (int i = r->n_journal - 1; i >= 0 && !e->pod[0]; i--)	/* the last one first */
		if (key_equal(&r->journal[i].key, key))
			memcpy(e->pod, r->journal[i].pod, sizeof(e->pod));
	return e;
}

static bool has_record(const struct roster *r, const struct attachment_key *key)
{
	struct attachment record;

	return !map_get(r->node->maps.fd[MAP_ATTACHMENTS], key, &record);
}

/* Of one that never was ready the record has no list. */
static void find_addrs(const struct roster *r, struct roster_entry *e)
{
	size_t n = 0;

	if (e->record.state == STATE_PENDING &&
	    !ipam_owned(&r->node->maps, &e->key, e->record.addrs, &n, NULL))
		e->record.n_addrs = (__u32)n;
	if (e->record.n_addrs > POD_ADDRS_MAX)
		e->record.n_addrs = POD_ADDRS_MAX;
}

static int note_record(const void *key, const void *value, void *data)
{
	struct roster *r = data;
	struct roster_entry *e = add(r, key);

	if (!e)
		return -ENOMEM;
	e->recorded = true;
	e->record = *(const struct attachment *)value;
	find_addrs(r, e);
	judge(r->node, e);
	return 0;
}

static int note_link(const struct host_link *link, void *data, struct err *err)
{
	struct roster *r = data;
	struct roster_entry *e;
	size_t n = 0;

	if (has_record(r, &link->key))
		return 0;
	e = add(r, &link->key);
	if (!e)
		return err_set(err, -ENOMEM, "list attachments");
	memcpy(e->record.host_ifname, link->name, sizeof(e->record.host_ifname));
	memcpy(e->record.network, link->network, sizeof(e->record.network));
	e->record.ifindex = (__u32)link->ifindex;
	import_addrs(r->node, link->ifindex, e->record.addrs, &n, NULL);
	e->record.n_addrs = (__u32)n;
	fault(e, "it has no record: only its DEL, or the runtime's GC, removes it");
	return 0;
}

static int note_address(const void *key, const void *value, void *data)
{
	const struct pod *pod = value;
	struct roster *r = data;
	struct roster_entry *entries = r->entries.items, *e;

	if (has_record(r, &pod->owner))
		return 0;
	for (size_t i = 0; i < r->entries.n; i++)
		if (key_equal(&entries[i].key, &pod->owner))
			return 0;	/* its link is there */
	e = add(r, &pod->owner);
	if (!e)
		return -ENOMEM;
	e->record.addrs[0] = *(const struct addr *)key;
	e->record.n_addrs = 1;
	e->record.created = pod->created;
	fault(e, "an address without an attachment: ctnatctl gc frees it");
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct roster_entry *x = a, *y = b;

	if (x->record.created != y->record.created)
		return x->record.created < y->record.created ? -1 : 1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static int collect(struct roster *r, struct err *err)
{
	const int *fd = r->node->maps.fd;
	int ret = 0;

	if (fd[MAP_JOURNAL] >= 0)
		ret = inspect_journal(r->node, r->journal, err);
	if (ret < 0)
		return ret;
	r->n_journal = ret;
	ret = map_each(fd[MAP_ATTACHMENTS], sizeof(struct attachment_key),
		       sizeof(struct attachment), note_record, r);
	if (ret < 0)
		return err_set(err, ret, "walk map 'attachments'");
	ret = import_each_link(r->node, note_link, r, err);
	if (ret < 0)
		return ret;
	ret = map_each(fd[MAP_PODS], sizeof(struct addr), sizeof(struct pod), note_address, r);
	return ret < 0 ? err_set(err, ret, "walk map 'pods'") : 0;
}

int roster_list(struct node *node, struct roster_entry **out, size_t *n, struct err *err)
{
	_cleanup_free_ struct journal_entry *journal = calloc(JOURNAL_SIZE, sizeof(*journal));
	struct roster r = { .node = node, .entries.size = sizeof(**out), .journal = journal };
	int ret;

	if (!journal)
		return err_set(err, -ENOMEM, "read map 'journal'");
	ret = collect(&r, err);
	if (ret < 0) {
		free(r.entries.items);
		return ret;
	}
	if (r.entries.n)
		qsort(r.entries.items, r.entries.n, sizeof(struct roster_entry), by_age);
	*out = r.entries.items;
	*n = r.entries.n;
	return 0;
}

/* ---- who is meant ---------------------------------------------------------------------------- */

static bool has_address(const struct roster_entry *e, const struct addr *addr)
{
	for (__u32 i = 0; i < e->record.n_addrs; i++)
		if (addr_equal(&e->record.addrs[i], addr))
			return true;
	return false;
}

static bool is_meant(const struct roster_entry *e, const char *text)
{
	const char *name = strchr(e->pod, '/');
	size_t len = strlen(text);
	struct addr addr;

	if (!addr_parse(text, &addr))
		return has_address(e, &addr);
	return !strcmp(e->key.container_id, text) || !strcmp(e->record.host_ifname, text) ||
	       !strcmp(e->pod, text) || (name && !strcmp(name + 1, text)) ||
	       (len >= PREFIX_MIN && !strncmp(e->key.container_id, text, len));
}

const struct roster_entry *roster_find(const struct roster_entry *list, size_t n, const char *text,
				       struct err *err)
{
	const struct roster_entry *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!is_meant(&list[i], text))
			continue;
		if (found && !strcmp(found->key.container_id, list[i].key.container_id))
			continue;
		if (found) {
			err_cni(err, CNI_INVALID_ENV,
				"'%s' means more than one pod: give an address, see "
				"ctnatctl pods",
				text);
			return NULL;
		}
		found = &list[i];
	}
	if (!found)
		err_cni(err, CNI_INVALID_ENV,
			"no attachment of this node is '%s' (address, container, host link or "
			"namespace/name): see ctnatctl pods",
			text);
	return found;
}
