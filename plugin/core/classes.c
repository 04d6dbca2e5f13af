// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: every destination has one class, that of the longest prefix that holds it (design: bpf,
 * kernel, service, leave; bpf/abi.h). The list below is written in order of authority: where the
 * same prefix comes twice, the later one counts. A longer prefix always wins over a shorter one,
 * whoever gave it, so "everything in 10/8 stays, but 10.9/16" needs no order.
 *
 *	the rest of the world			bpf; kernel while ctnatd does not know the services,
 *						whose external addresses may be anywhere
 *	multicast, limited broadcast		leave
 *	link-local (with the metadata address)	kernel
 *	private ranges, while nobody said	kernel: services are somewhere in there, and a flow
 *	  where the services are (serviceCIDRs,	that BPF inserts would never meet kube-proxy's DNAT
 *	  if only [], or ctnatd)
 *	pods of all nodes, as ctnatd knows them	leave
 *	services' external addresses, likewise	kernel
 *	services' own addresses, likewise	service
 *	this node's pod ranges			leave, and marked as pod ranges
 *	serviceCIDRs				service
 *	nonMasqueradeCIDRs			leave
 *	masqueradeCIDRs				bpf
 *
 * A cluster has thousands of prefixes that say nothing new: a node's within the range of all pods.
 * What ctnatd knows is left out where the next shorter prefix has the same class; so maps and table
 * stay small, and a service that comes or goes within its range changes nothing at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/classes.h"

#define PREFIX_LENGTHS 129 /* so many prefixes can hold one another */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct default_class {
	const char *cidr;
	enum masq_class class;
};

static const struct default_class special_ranges[] = {
	{ "224.0.0.0/4", CLASS_LEAVE },	       { "ff00::/8", CLASS_LEAVE },
	{ "255.255.255.255/32", CLASS_LEAVE }, { "169.254.0.0/16", CLASS_KERNEL },
	{ "fe80::/10", CLASS_KERNEL },
};

/* RFC 1918, RFC 6598, RFC 4193 */
static const struct default_class private_ranges[] = {
	{ "10.0.0.0/8", CLASS_KERNEL },	    { "172.16.0.0/12", CLASS_KERNEL },
	{ "192.168.0.0/16", CLASS_KERNEL }, { "100.64.0.0/10", CLASS_KERNEL },
	{ "fc00::/7", CLASS_KERNEL },
};

/* A prefix that somebody wants. */
struct wanted {
	struct classed_cidr prefix;
	size_t order; /* of authority */
	bool spare;   /* may go where it says nothing new */
};

struct collection {
	struct wanted *list;
	size_t n, max;
};

static int want(struct collection *c, const struct cidr *cidr, enum masq_class class, bool spare,
		struct err *err)
{
	if (c->n == c->max) {
		size_t max = c->max ? 2 * c->max : 64;
		struct wanted *list = reallocarray(c->list, max, sizeof(*list));

		if (!list)
			return err_set(err, -ENOMEM, "collect the classes of destinations");
		c->list = list;
		c->max = max;
	}
	c->list[c->n] = (struct wanted){ { cidr_mask(cidr), class }, c->n, spare };
	c->n++;
	return 0;
}

static int want_defaults(struct collection *c, const struct default_class *list, size_t n,
			 struct err *err)
{
	struct cidr cidr;
	int ret = 0;

	for (size_t i = 0; i < n && !ret; i++) {
		ret = cidr_parse(list[i].cidr, &cidr);
		if (!ret)
			ret = want(c, &cidr, list[i].class, false, err);
	}
	return ret;
}

static int want_world(struct collection *c, const struct network *net, struct err *err)
{
	enum masq_class class =
		net->cluster && !net->cluster->services_known ? CLASS_KERNEL : CLASS_BPF;
	const struct default_class world[] = { { "0.0.0.0/0", class }, { "::/0", class } };

	return want_defaults(c, world, COUNT(world), err);
}

static bool services_are_known(const struct network *net)
{
	return net->node.services.set || (net->cluster && net->cluster->services_known);
}

static int want_all(struct collection *c, const struct cidr *cidrs, size_t n, enum masq_class class,
		    bool spare, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < n && !ret; i++)
		ret = want(c, &cidrs[i], class, spare, err);
	return ret;
}

static int want_cluster(struct collection *c, const struct cluster_cidrs *cluster, struct err *err)
{
	int ret = want_all(c, cluster->pods, cluster->n_pods, CLASS_LEAVE, true, err);

	if (!ret)
		ret = want_all(c, cluster->externals, cluster->n_externals, CLASS_KERNEL, true,
			       err);
	return ret ? ret
		   : want_all(c, cluster->services, cluster->n_services, CLASS_SERVICE, true, err);
}

static int want_ranges(struct collection *c, const struct network *net, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < net->n_sets; i++)
		for (size_t j = 0; j < net->sets[i].n && !ret; j++)
			ret = want(c, &net->sets[i].ranges[j].subnet, CLASS_LEAVE, false, err);
	return ret;
}

static int collect(struct collection *c, const struct network *net, struct err *err)
{
	const struct node_settings *s = &net->node;
	int ret = want_world(c, net, err);

	if (!ret)
		ret = want_defaults(c, special_ranges, COUNT(special_ranges), err);
	if (!ret && !services_are_known(net))
		ret = want_defaults(c, private_ranges, COUNT(private_ranges), err);
	if (!ret && net->cluster)
		ret = want_cluster(c, net->cluster, err);
	if (!ret && !net->cluster)	/* where ours are among all pods' */
		ret = want_ranges(c, net, err);
	if (!ret)
		ret = want_all(c, s->services.cidrs, s->services.n, CLASS_SERVICE, false, err);
	if (!ret)
		ret = want_all(c, s->non_masquerade.cidrs, s->non_masquerade.n, CLASS_LEAVE, false,
			       err);
	return ret ? ret : want_all(c, s->masquerade.cidrs, s->masquerade.n, CLASS_BPF, false, err);
}

static int by_prefix(const void *pa, const void *pb)
{
	const struct wanted *a = pa, *b = pb;

	return cidr_compare(&a->prefix.cidr, &b->prefix.cidr)
		       ?: (a->order > b->order) - (a->order < b->order);
}

/* The prefixes that hold the one at hand, the innermost last. */
struct nest {
	const struct classed_cidr *open[PREFIX_LENGTHS];
	size_t depth;
};

static bool says_nothing_new(struct nest *nest, const struct wanted *wanted)
{
	const struct cidr *cidr = &wanted->prefix.cidr;

	while (nest->depth && !cidr_contains(&nest->open[nest->depth - 1]->cidr, &cidr->addr))
		nest->depth--;
	return wanted->spare && nest->depth &&
	       nest->open[nest->depth - 1]->class == wanted->prefix.class;
}

/* Sorted, and of the same prefix the last: what counts. */
static void settle(struct collection *c, struct classed_cidr *out, size_t *n)
{
	struct nest nest = { .depth = 0 };

	qsort(c->list, c->n, sizeof(*c->list), by_prefix);
	*n = 0;
	for (size_t i = 0; i < c->n; i++) {
		if (i + 1 < c->n &&
		    !cidr_compare(&c->list[i].prefix.cidr, &c->list[i + 1].prefix.cidr))
			continue;
		if (says_nothing_new(&nest, &c->list[i]))
			continue;
		out[*n] = c->list[i].prefix;
		nest.open[nest.depth++] = &out[(*n)++];
	}
}

int classes_wanted(const struct network *net, struct classed_cidr **out, size_t *n, struct err *err)
{
	struct collection c = { NULL, 0, 0 };
	struct classed_cidr *list;
	int ret = collect(&c, net, err);

	list = ret ? NULL : calloc(c.n, sizeof(*list));
	if (!ret && !list)
		ret = err_set(err, -ENOMEM, "collect the classes of destinations");
	if (!ret) {
		settle(&c, list, n);
		*out = list;
	}
	free(c.list);
	return ret;
}

const struct classed_cidr *classes_find(const struct classed_cidr *list, size_t n,
					const struct cidr *cidr)
{
	size_t from = 0, to = n;

	while (from < to) {
		size_t middle = (from + to) / 2;
		int order = cidr_compare(cidr, &list[middle].cidr);

		if (!order)
			return &list[middle];
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return NULL;
}
