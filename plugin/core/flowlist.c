// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: conntrack's table may hold a quarter of a million entries. It passes by, a datagram at a
 * time, and only the first rows are kept. Where a direction's packets arrive follows from who sends
 * them: a pod's by its veth, all others by one of the uplinks.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/flowlist.h"

struct listing {
	struct node *node;
	struct flowcache cache;		/* closed at level nftables */
	__u32 now;
	__u32 uplinks[UPLINKS_MAX];
	size_t n_uplinks;
	const struct addr *addrs;
	size_t n_addrs, current;	/* which of them is listed */
	struct flow_list *list;
	size_t limit;
};

static int note_uplink(const void *key, const void *value, void *data)
{
	struct listing *l = data;

	(void)value;
	if (l->n_uplinks < UPLINKS_MAX)
		l->uplinks[l->n_uplinks++] = *(const __u32 *)key;
	return 0;
}

static bool find_pod(const struct listing *l, const struct addr *addr, struct pod *pod)
{
	return !map_get(l->node->maps.fd[MAP_PODS], addr, pod);
}

static struct flow_side find_answer(const struct listing *l, const struct ct_tuple *tuple,
				    __u8 proto)
{
	struct flow_query query = { tuple->src, tuple->dst, tuple->sport, tuple->dport, proto, 0 };
	struct flow_side side = { .answered = false };
	struct pod pod;

	if (!l->cache.sets)
		return side;
	if (find_pod(l, &tuple->src, &pod)) {
		query.ifindex = pod.ifindex;
		side.answered = flowcache_get(&l->cache, &query, l->now, &side.answer);
		return side;
	}
	for (size_t i = 0; i < l->n_uplinks && !side.answered; i++) {
		query.ifindex = l->uplinks[i];
		side.answered = flowcache_get(&l->cache, &query, l->now, &side.answer);
	}
	return side;
}

/* Of one pod's addresses an entry may bear two: it is listed with the first. */
static bool is_listed(const struct listing *l, const struct ct_entry *entry)
{
	for (size_t i = 0; i < l->current; i++)
		if (addr_equal(&entry->orig.src, &l->addrs[i]) ||
		    addr_equal(&entry->reply.src, &l->addrs[i]))
			return true;
	return false;
}

static int note_entry(const struct ct_entry *entry, void *data)
{
	struct listing *l = data;
	struct flow_list *list = l->list;
	struct pod pod;

	if (l->n_addrs ? is_listed(l, entry) :
			 !find_pod(l, &entry->orig.src, &pod) &&
				 !find_pod(l, &entry->reply.src, &pod))
		return 0;
	if (list->n == l->limit) {
		list->more++;
		return 0;
	}
	list->rows[list->n++] = (struct flow_row){
		.entry = *entry,
		.orig = find_answer(l, &entry->orig, entry->proto),
		.reply = find_answer(l, &entry->reply, entry->proto),
	};
	return 0;
}

static int open_cache(struct listing *l, struct err *err)
{
	int ret;

	if (l->node->config.level >= LEVEL_NFTABLES)
		return 0;
	ret = flowcache_open(&l->cache, &l->node->maps, &l->node->config, err);
	if (!ret)
		ret = flowcache_now(&l->now, err);
	if (ret < 0)
		return ret;
	ret = map_each(l->node->maps.fd[MAP_UPLINKS], sizeof(__u32), sizeof(struct uplink),
		       note_uplink, l);
	return ret < 0 ? err_set(err, ret, "read map 'uplinks'") : 0;
}

static int list_entries(struct listing *l, struct err *err)
{
	int ret = 0;

	if (!l->n_addrs)
		return ctnl_each(&l->node->nf, NULL, note_entry, l, err);
	for (l->current = 0; l->current < l->n_addrs && !ret; l->current++)
		ret = ctnl_each(&l->node->nf, &l->addrs[l->current], note_entry, l, err);
	return ret;
}

int flowlist_read(struct node *node, const struct addr *addrs, size_t n_addrs, size_t limit,
		  struct flow_list *out, struct err *err)
{
	struct flow_list list = { .rows = calloc(limit, sizeof(*list.rows)) };
	struct listing l = {
		.node = node, .addrs = addrs, .n_addrs = n_addrs, .list = &list, .limit = limit,
	};
	int ret = list.rows ? open_cache(&l, err) : err_set(err, -ENOMEM, "list flows");

	if (!ret)
		ret = list_entries(&l, err);
	flowcache_close(&l.cache);
	if (ret < 0) {
		free(list.rows);
		return ret;
	}
	*out = list;
	return 0;
}
