// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: every destination has one class, that of the longest prefix that holds it (design: bpf,
 * kernel, service, leave; bpf/abi.h). The list below is written in order of authority: where the
 * same prefix comes twice, the later one counts. A longer prefix always wins over a shorter one,
 * whoever gave it, so "everything in 10/8 stays, but 10.9/16" needs no order.
 *
 *	the rest of the world			bpf
 *	multicast, limited broadcast		leave
 *	link-local (with the metadata address)	kernel
 *	private ranges, unless serviceCIDRs	kernel: services are somewhere in there, and a flow
 *	  is set, if only to []			that BPF inserts would never meet kube-proxy's DNAT
 *	this node's pod ranges			leave, and marked as pod ranges
 *	serviceCIDRs				service
 *	nonMasqueradeCIDRs			leave
 *	masqueradeCIDRs				bpf
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cidrset.h"
#include "core/identity.h"
#include "core/settings.h"

struct default_class {
	const char *cidr;
	enum masq_class class;
};

static const struct default_class defaults[] = {
	{ "0.0.0.0/0", CLASS_BPF },	     { "::/0", CLASS_BPF },
	{ "224.0.0.0/4", CLASS_LEAVE },	     { "ff00::/8", CLASS_LEAVE },
	{ "255.255.255.255/32", CLASS_LEAVE }, { "169.254.0.0/16", CLASS_KERNEL },
	{ "fe80::/10", CLASS_KERNEL },
};

/* RFC 1918, RFC 6598, RFC 4193 */
static const struct default_class private_ranges[] = {
	{ "10.0.0.0/8", CLASS_KERNEL },	    { "172.16.0.0/12", CLASS_KERNEL },
	{ "192.168.0.0/16", CLASS_KERNEL }, { "100.64.0.0/10", CLASS_KERNEL },
	{ "fc00::/7", CLASS_KERNEL },
};

static __u64 hash_list(__u64 hash, const struct cidr_list *list)
{
	hash = hash_bytes(hash, &list->set, sizeof(list->set));
	return hash_bytes(hash, list->cidrs, list->n * sizeof(list->cidrs[0]));
}

__u64 settings_hash(const struct node_settings *s)
{
	__u64 hash = hash_list(hash_list(hash_list(HASH_SEED, &s->non_masquerade), &s->services),
			       &s->masquerade);
	const __u64 numbers[] = { s->mtu,      s->port_min,	s->port_max,  s->spoof_check,
				  s->datapath, s->insert_limit, s->short_way, s->stack_mark };

	for (size_t i = 0; i < s->n_uplinks; i++)
		hash = hash_bytes(hash, s->uplinks[i], strlen(s->uplinks[i]) + 1);
	return hash_bytes(hash, numbers, sizeof(numbers));
}

struct wanted {
	struct classed_cidr *list;
	size_t n, max;
};

/* The later of two equal prefixes counts. */
static int want(struct wanted *w, const struct cidr *cidr, enum masq_class class, struct err *err)
{
	struct cidr masked = cidr_mask(cidr);

	for (size_t i = 0; i < w->n; i++) {
		if (w->list[i].cidr.len == masked.len &&
		    addr_equal(&w->list[i].cidr.addr, &masked.addr)) {
			w->list[i].class = class;
			return 0;
		}
	}
	if (w->n == w->max) {
		size_t max = w->max ? 2 * w->max : 64;
		struct classed_cidr *list = reallocarray(w->list, max, sizeof(*list));

		if (!list)
			return err_set(err, -ENOMEM, "collect the classes of destinations");
		w->list = list;
		w->max = max;
	}
	w->list[w->n++] = (struct classed_cidr){ masked, class };
	return 0;
}

static int want_defaults(struct wanted *w, const struct default_class *list, size_t n,
			 struct err *err)
{
	struct cidr cidr;
	int ret = 0;

	for (size_t i = 0; i < n && !ret; i++) {
		ret = cidr_parse(list[i].cidr, &cidr);
		if (!ret)
			ret = want(w, &cidr, list[i].class, err);
	}
	return ret;
}

static int want_list(struct wanted *w, const struct cidr_list *list, enum masq_class class,
		     struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < list->n && !ret; i++)
		ret = want(w, &list->cidrs[i], class, err);
	return ret;
}

static int want_ranges(struct wanted *w, const struct network *net, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < net->n_sets; i++)
		for (size_t j = 0; j < net->sets[i].n && !ret; j++)
			ret = want(w, &net->sets[i].ranges[j].subnet, CLASS_LEAVE, err);
	return ret;
}

static int want_all(struct wanted *w, const struct network *net, struct err *err)
{
	const struct node_settings *s = &net->node;
	int ret = want_defaults(w, defaults, sizeof(defaults) / sizeof(defaults[0]), err);

	if (!ret && !s->services.set)
		ret = want_defaults(w, private_ranges,
				    sizeof(private_ranges) / sizeof(private_ranges[0]), err);
	if (!ret)
		ret = want_ranges(w, net, err);
	if (!ret)
		ret = want_list(w, &s->services, CLASS_SERVICE, err);
	if (!ret)
		ret = want_list(w, &s->non_masquerade, CLASS_LEAVE, err);
	return ret ? ret : want_list(w, &s->masquerade, CLASS_BPF, err);
}

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

	if (!map_get(node->maps.fd[MAP_MASQ_CIDRS], &key, &old) && old.prefixlen == key.prefixlen)
		value.pod_range = value.pod_range || old.pod_range;
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
	const struct wanted *wanted;
	struct node *node;
};

/* Pod ranges stay, which other networks may have added: they fall back to `leave`. */
static int forget_unwanted(const void *key, const void *value, void *data)
{
	const struct cidr_class *class = value;
	const struct forgetting *f = data;
	const struct cidr_key *k = key;
	struct cidr_class left = { CLASS_LEAVE, class->prefixlen, 1 };

	for (size_t i = 0; i < f->wanted->n; i++) {
		const struct cidr *cidr = &f->wanted->list[i].cidr;

		if (cidr->len == k->prefixlen && addr_equal(&cidr->addr, &k->addr))
			return 0;
	}
	return class->pod_range ? put_class(f->node, key, &left) :
				  map_delete(f->node->maps.fd[MAP_MASQ_CIDRS], key);
}

/* What is wanted is written before what is not wanted goes: no destination is without a class
 * meanwhile. */
static int write_classes(struct node *node, const struct wanted *w, struct err *err)
{
	struct forgetting f = { w, node };
	int ret = 0;

	for (size_t i = 0; i < w->n && !ret; i++)
		ret = set_class(node, &w->list[i].cidr, w->list[i].class, false, err);
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
	struct wanted wanted = { NULL, 0, 0 };
	int ret = want_all(&wanted, net, err);

	if (!ret)
		ret = write_classes(node, &wanted, err);
	free(wanted.list);
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
	config->mtu = s->mtu;
	config->owner = OWNER_CONFLIST;
	config->settings_hash = settings_hash(s);
	memcpy(config->network, net->name, sizeof(config->network));
	return 0;
}
