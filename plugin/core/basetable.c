// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cidrset.h"
#include "base/cleanup.h"
#include "core/basetable.h"
#include "kern/nft.h"

#define POD_SOURCE 1	/* the one class of the list of pod sources */

/* What the maps say, collected; freed by collect_free(). */
struct collect {
	const struct node *node;
	struct classed_cidr *classes, *sources;
	size_t n_classes, n_sources;
	struct nft_uplink uplinks[UPLINKS_MAX];
	size_t n_uplinks;
};

static int note_class(const void *key, const void *value, void *data)
{
	const struct cidr_key *k = key;
	const struct cidr_class *v = value;
	struct collect *c = data;

	if (c->n_classes == CIDRS_MAX || c->n_sources == CIDRS_MAX)
		return -ENOSPC;
	c->classes[c->n_classes++] = (struct classed_cidr){ { k->addr, k->prefixlen }, v->class };
	if (v->pod_range)
		c->sources[c->n_sources++] =
			(struct classed_cidr){ { k->addr, k->prefixlen }, POD_SOURCE };
	return 0;
}

bool table_range_holds(const struct node *node, const struct addr *addr)
{
	struct cidr_key key = { 128, *addr };
	struct cidr_class class;

	return !map_get(node->maps.fd[MAP_MASQ_CIDRS], &key, &class) && class.pod_range;
}

static int note_delegated(const void *key, const void *value, void *data)
{
	const struct pod *pod = value;
	struct collect *c = data;

	if (!(pod->flags & POD_DELEGATED) || table_range_holds(c->node, key))
		return 0;
	if (c->n_sources == CIDRS_MAX + PODS_MAX)
		return -ENOSPC;
	c->sources[c->n_sources++] = (struct classed_cidr){ cidr_host(key), POD_SOURCE };
	return 0;
}

static int note_uplink(const void *key, const void *value, void *data)
{
	const struct uplink *uplink = value;
	struct collect *c = data;
	struct nft_uplink *out = &c->uplinks[c->n_uplinks++];

	(void)key;
	__builtin_memcpy(out->name, uplink->name, sizeof(out->name));
	out->v4 = uplink->v4;
	out->v6 = uplink->v6;
	return 0;
}

static void collect_free(struct collect *c)
{
	free(c->classes);
	free(c->sources);
}

static int collect(const struct node *node, struct collect *c, struct err *err)
{
	int ret;

	c->node = node;
	c->classes = calloc(CIDRS_MAX, sizeof(*c->classes));
	c->sources = calloc(CIDRS_MAX + PODS_MAX, sizeof(*c->sources));
	if (!c->classes || !c->sources)
		return err_set(err, -ENOMEM, "collect the base table");
	ret = map_each(node->maps.fd[MAP_MASQ_CIDRS], sizeof(struct cidr_key),
		       sizeof(struct cidr_class), note_class, c);
	if (!ret)
		ret = map_each(node->maps.fd[MAP_PODS], sizeof(struct addr), sizeof(struct pod),
			       note_delegated, c);
	if (!ret)
		ret = map_each(node->maps.fd[MAP_UPLINKS], sizeof(__u32), sizeof(struct uplink),
			       note_uplink, c);
	return ret < 0 ? err_set(err, ret, "read the maps for the base table") : 0;
}

/* Both families' intervals of one class, one behind the other. Returns an array that the caller
 * frees. */
static struct addr_range *flatten(const struct classed_cidr *in, size_t n, __u32 class,
				  size_t *n_out)
{
	size_t max = 2 * n + 1;
	struct addr_range *out = calloc(2 * max, sizeof(*out));
	int v4, v6;

	if (!out)
		return NULL;
	v4 = cidrset_flatten(in, n, AF_INET, class, out, max);
	v6 = v4 < 0 ? v4 : cidrset_flatten(in, n, AF_INET6, class, out + v4, max);
	if (v6 < 0) {
		free(out);
		return NULL;
	}
	*n_out = v4 + v6;
	return out;
}

static int with_spec(struct node *node,
		     int (*use)(struct nl *, const struct nft_spec *, struct err *),
		     struct err *err)
{
	struct collect c = { 0 };
	struct nft_spec spec = {
		.port_min = node->config.port_min,
		.port_max = node->config.port_max,
		.guard = node->config.level == LEVEL_NFTABLES,
	};
	_cleanup_free_ struct addr_range *pods = NULL, *leave = NULL, *services = NULL;
	int ret = collect(node, &c, err);

	if (!ret) {
		spec.pods = pods = flatten(c.sources, c.n_sources, POD_SOURCE, &spec.n_pods);
		spec.leave = leave = flatten(c.classes, c.n_classes, CLASS_LEAVE, &spec.n_leave);
		spec.services = services =
			flatten(c.classes, c.n_classes, CLASS_SERVICE, &spec.n_services);
		spec.uplinks = c.uplinks;
		spec.n_uplinks = c.n_uplinks;
		ret = pods && leave && services
			      ? use(&node->nf, &spec, err)
			      : err_set(err, -ENOMEM, "flatten the prefixes of the base table");
	}
	collect_free(&c);
	return ret;
}

int table_make(struct node *node, struct err *err)
{
	int ret = with_spec(node, nft_apply, err);

	return ret < 0 ? err_wrap(err, "make table 'inet ctnat'") : 0;
}

int table_verify(struct node *node, struct err *err)
{
	int ret = with_spec(node, nft_verify, err);

	return ret < 0 ? err_wrap(err, "table 'inet ctnat'") : 0;
}
