// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/classes.h"
#include "core/identity.h"
#include "core/settings.h"

/* ---- what they are --------------------------------------------------------------------------- */

static __u64 hash_list(__u64 hash, const struct cidr_list *list)
{
	hash = hash_bytes(hash, &list->set, sizeof(list->set));
	return hash_bytes(hash, list->cidrs, list->n * sizeof(list->cidrs[0]));
}

static __u64 hash_settings(const struct node_settings *s)
{
	__u64 hash = hash_list(hash_list(hash_list(HASH_SEED, &s->non_masquerade), &s->services),
			       &s->masquerade);
	const __u64 numbers[] = { s->mtu,	   s->overhead,	 s->port_min,
				  s->port_max,	   s->datapath,	 s->spoof_check,
				  s->insert_limit, s->short_way, s->stack_mark };

	for (size_t i = 0; i < s->n_uplinks; i++)
		hash = hash_bytes(hash, s->uplinks[i], strlen(s->uplinks[i]) + 1);
	return hash_bytes(hash, numbers, sizeof(numbers));
}

int settings_hash(const struct network *net, __u64 *out, struct err *err)
{
	_cleanup_free_ struct classed_cidr *classes = NULL;
	__u64 hash = hash_settings(&net->node);
	size_t n = 0;
	int ret = net->cluster ? classes_wanted(net, &classes, &n, err) : 0;

	if (ret < 0)
		return ret;
	*out = hash_bytes(hash, classes, n * sizeof(*classes));
	return 0;
}

/* ---- into the maps --------------------------------------------------------------------------- */

/* The only way into the map. Raw -errno. */
static int put_class(struct node *node, const struct cidr_key *key, const struct cidr_class *value)
{
	const struct cidr cidr = { .addr = key->addr, .len = key->prefixlen };
	int ret = 0;

	if (value->class != CLASS_BPF)
		ret = cidr_bloom_add(node->maps.fd[MAP_CIDR_BLOOM], &cidr);
	return ret ? ret : map_set(node->maps.fd[MAP_MASQ_CIDRS], key, value);
}

/* Writes one prefix; what is a pod range stays one, whatever class its destinations get. */
static int set_class(struct node *node, const struct cidr *cidr, enum masq_class class,
		     bool pod_range, struct err *err)
{
	struct cidr_key key = { cidr->len, cidr->addr };
	struct cidr_class value = { class, cidr->len, pod_range }, old;
	char text[ADDR_STRLEN];
	int ret;

	if (!map_get(node->maps.fd[MAP_MASQ_CIDRS], &key, &old) && old.prefixlen == key.prefixlen) {
		value.pod_range = value.pod_range || old.pod_range;
		if (value.class == old.class && value.pod_range == old.pod_range)
			return 0;
	}
	ret = put_class(node, &key, &value);
	return ret < 0 ? err_set(err, ret, "write %s to map 'masq_cidrs'", cidr_format(cidr, text))
		       : 0;
}

int settings_add_ranges(struct node *node, const struct network *net, struct err *err)
{
	int fd = node->maps.fd[MAP_MASQ_CIDRS], ret = 0;

	for (size_t i = 0; i < net->n_sets; i++) {
		for (size_t j = 0; j < net->sets[i].n && !ret; j++) {
			struct cidr subnet = cidr_mask(&net->sets[i].ranges[j].subnet);
			struct cidr_key key = { subnet.len, subnet.addr };
			struct cidr_class old;
			bool known = !map_get(fd, &key, &old) && old.prefixlen == subnet.len;

			/* an operator's word for this very prefix stands */
			ret = set_class(node, &subnet, known ? old.class : CLASS_LEAVE, true, err);
		}
	}
	return ret;
}

struct forgetting {
	const struct classed_cidr *wanted;
	size_t n;
	struct node *node;
};

/* Pod ranges stay, which other networks may have added: they fall back to `leave`. */
static int forget_unwanted(const void *key, const void *value, void *data)
{
	const struct cidr_class *class = value;
	const struct forgetting *f = data;
	const struct cidr_key *k = key;
	const struct cidr cidr = { k->addr, k->prefixlen };
	struct cidr_class left = { CLASS_LEAVE, class->prefixlen, 1 };

	if (classes_find(f->wanted, f->n, &cidr))
		return 0;
	return class->pod_range ? put_class(f->node, key, &left)
				: map_delete(f->node->maps.fd[MAP_MASQ_CIDRS], key);
}

/* What is wanted is written before what is not wanted goes: no destination is without a class
 * meanwhile. */
static int write_classes(struct node *node, const struct network *net, struct err *err)
{
	_cleanup_free_ struct classed_cidr *wanted = NULL;
	struct forgetting f = { .node = node };
	int ret = classes_wanted(net, &wanted, &f.n, err);

	f.wanted = wanted;
	for (size_t i = 0; i < f.n && !ret; i++)
		ret = set_class(node, &wanted[i].cidr, wanted[i].class, false, err);
	if (ret < 0)
		return ret;
	ret = map_each(node->maps.fd[MAP_MASQ_CIDRS], sizeof(struct cidr_key),
		       sizeof(struct cidr_class), forget_unwanted, &f);
	return ret < 0 ? err_set(err, ret, "write map 'masq_cidrs'") : 0;
}

int settings_apply(struct node *node, const struct network *net, struct err *err)
{
	const struct node_settings *s = &net->node;
	struct config *config = &node->config;
	__u64 hash;
	int ret = settings_hash(net, &hash, err);

	if (!ret)
		ret = write_classes(node, net, err);
	if (!ret)
		ret = settings_add_ranges(node, net, err);
	if (ret < 0)
		return ret;

	config->port_min = s->port_min;
	config->port_max = s->port_max;
	config->insert_limit = s->insert_limit;
	config->insert_timeout_ms = 5000;
	config->spoof_check = s->spoof_check;
	config->short_way = s->short_way;
	config->stack_mark = s->stack_mark;
	config->owner = net->cluster ? OWNER_AGENT : OWNER_CONFLIST;
	config->uplinks_named = s->n_uplinks > 0;
	config->settings_hash = hash;
	memcpy(config->network, net->name, sizeof(config->network));
	return 0;
}
