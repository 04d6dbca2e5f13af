// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a pod gets one address from each range set, and the ranges of a set are interchangeable,
 * so they have one family. No address may be reachable by two ways, or two sets could hand it out
 * as different things: ranges never overlap, within a set or across sets. The gateway that
 * host-local's schema names is kept free for whatever it is, but the pods' own gateway is
 * link-local.
 */
#include <stdint.h>
#include <string.h>

#include "cni/ipamconf.h"
#include "conf/value.h"

/* ---- ranges ---------------------------------------------------------------------------------- */

/* Prefixes of which no pod can have an address: this host, loopback, link-local (the gateway's),
 * multicast and beyond. */
static const char *const unusable[] = {
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3",
	"::/80",     "fe80::/10",   "ff00::/8",
};

static int check_usable(const struct json *value, const struct cidr *subnet, struct err *err)
{
	struct cidr bad;

	for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++)
		if (!cidr_parse(unusable[i], &bad) &&
		    addr_is_v4(&bad.addr) == addr_is_v4(&subnet->addr) &&
		    cidr_overlaps(&bad, subnet))
			return json_reject(value, err, "overlaps with %s, which pods cannot have",
					   unusable[i]);
	return 0;
}

/* An optional address. containerd writes "" for one that was not given. */
static int get_addr(const struct json *object, const char *key, struct json *value,
		    struct addr *out, struct err *err)
{
	const char *text;
	int ret;

	ret = json_get(object, key, value, err);
	if (ret <= 0)
		return ret;
	ret = json_string(value, &text, err);
	if (ret || !*text)
		return ret;
	ret = value_addr(value, out, err);
	return ret ? ret : 1;
}

/* The subnet without its network address and, in IPv4, without broadcast; of the smallest ones all
 * of it (RFC 3021). */
static void usable_addresses(struct ip_range *range)
{
	range->first = cidr_first(&range->subnet);
	range->last = cidr_last(&range->subnet);
	if (range->subnet.len >= 127)
		return;
	range->first = addr_add(&range->first, 1);
	if (addr_is_v4(&range->last))
		range->last.byte[15]--; /* broadcast ends in a 1 */
}

static int read_limits(const struct json *object, struct ip_range *range, struct err *err)
{
	struct addr start = range->first, end = range->last;
	struct json start_value = { 0 }, end_value = { 0 };
	int ret;

	ret = get_addr(object, "rangeStart", &start_value, &start, err);
	if (ret < 0)
		return ret;
	if (!cidr_contains(&range->subnet, &start))
		return json_reject(&start_value, err, "is not in the subnet");
	ret = get_addr(object, "rangeEnd", &end_value, &end, err);
	if (ret < 0)
		return ret;
	if (!cidr_contains(&range->subnet, &end))
		return json_reject(&end_value, err, "is not in the subnet");
	if (addr_compare(&start, &end) > 0)
		return json_reject(start_value.node ? &start_value : &end_value, err,
				   "the range ends before it starts");

	if (addr_compare(&start, &range->first) > 0)
		range->first = start;
	if (addr_compare(&end, &range->last) < 0)
		range->last = end;
	return 0;
}

static int read_range(const struct json *object, struct ip_range *out, struct err *err)
{
	struct ip_range range = { 0 };
	struct json value;
	int ret;

	ret = json_get(object, "subnet", &value, err);
	if (!ret)
		return json_missing(object, "subnet", err, "a range needs one");
	if (ret > 0)
		ret = value_cidr(&value, &range.subnet, err);
	if (!ret)
		ret = check_usable(&value, &range.subnet, err);
	if (ret)
		return ret;
	usable_addresses(&range);
	ret = read_limits(object, &range, err);
	if (ret)
		return ret;
	ret = get_addr(object, "gateway", &value, &range.gateway, err);
	if (ret < 0)
		return ret;
	if (ret > 0 && addr_is_v4(&range.gateway) != addr_is_v4(&range.first))
		return json_reject(&value, err, "is not of the subnet's family");
	if (addr_compare(&range.first, &range.last) > 0 ||
	    (addr_equal(&range.first, &range.last) && addr_equal(&range.first, &range.gateway)))
		return json_reject(object, err, "no address is left for pods");
	*out = range;
	return 0;
}

/* ---- sets ------------------------------------------------------------------------------------ */

static const struct ip_range *find_overlap(const struct range_set *set,
					   const struct ip_range *range)
{
	for (size_t i = 0; i < set->n; i++)
		if (addr_compare(&set->ranges[i].first, &range->last) <= 0 &&
		    addr_compare(&range->first, &set->ranges[i].last) <= 0)
			return &set->ranges[i];
	return NULL;
}

/* Appends the range to the set that is being filled, net->sets[net->n_sets]. */
static int add_range(const struct json *object, struct network *net, struct err *err)
{
	struct range_set *set = &net->sets[net->n_sets];
	const struct ip_range *other = NULL;
	char text[ADDR_STRLEN];
	struct ip_range range;
	int ret;

	ret = read_range(object, &range, err);
	if (ret)
		return ret;
	for (size_t i = 0; !other && i <= net->n_sets; i++)
		other = find_overlap(&net->sets[i], &range);
	if (other)
		return json_reject(object, err, "overlaps with the range in %s",
				   cidr_format(&other->subnet, text));
	if (set->n && addr_is_v4(&set->ranges[0].first) != addr_is_v4(&range.first))
		return json_reject(object, err, "the ranges of a set must have one family");
	if (set->n == CONF_RANGES_MAX)
		return json_reject(object, err, "more than %d ranges in a set", CONF_RANGES_MAX);
	set->ranges[set->n++] = range;
	return 0;
}

static int check_room(const struct json *value, const struct network *net, struct err *err)
{
	if (net->n_sets < CONF_SETS_MAX)
		return 0;
	return json_reject(value, err, "a pod can have no more than %d addresses", CONF_SETS_MAX);
}

static int add_sets(const struct json *object, const char *key, struct network *net,
		    struct err *err)
{
	struct json sets, set = { 0 };
	int ret;

	ret = json_get_list(object, key, &sets, err);
	if (ret <= 0)
		return ret;
	while (json_next(&sets, &set)) {
		struct json range = { 0 };

		ret = json_list(&set, err);
		if (!ret)
			ret = check_room(&set, net, err);
		if (ret)
			return ret;
		while (json_next(&set, &range)) {
			ret = add_range(&range, net, err);
			if (ret)
				return ret;
		}
		if (!net->sets[net->n_sets].n)
			return json_reject(&set, err, "a set needs a range");
		net->n_sets++;
	}
	return 1;
}

/* host-local's first schema: one range, its keys in the section itself. */
static int add_single(const struct json *ipam, struct network *net, struct err *err)
{
	struct json subnet;
	int ret;

	ret = json_get(ipam, "subnet", &subnet, err);
	if (ret <= 0)
		return ret;
	ret = add_range(ipam, net, err);
	if (ret)
		return ret;
	net->n_sets++;
	return 1;
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* Of a route's keys that we do not know how to honour; ignoring one would send packets elsewhere in
 * silence. */
static const char *const unsupported_route_keys[] = { "advmss", "priority", "table", "scope" };

static int read_route(const struct json *object, struct pod_route *out, struct err *err)
{
	unsigned long long mtu = 0;
	struct addr gateway;
	struct json value;
	int ret;

	ret = json_get(object, "dst", &value, err);
	if (!ret)
		return json_missing(object, "dst", err, "a route needs one");
	if (ret > 0)
		ret = value_cidr(&value, &out->dst, err);
	if (ret)
		return ret;
	/* Every pod's gateway is the same; one that is named is only judged. */
	ret = get_addr(object, "gw", &value, &gateway, err);
	if (ret > 0 && addr_is_v4(&gateway) != addr_is_v4(&out->dst.addr))
		return json_reject(&value, err, "is not of the destination's family");
	if (ret >= 0)
		ret = json_get_integer(object, "mtu", UINT16_MAX, &mtu, err);
	if (ret < 0)
		return ret;
	out->mtu = (__u32)mtu;
	for (size_t i = 0; i < sizeof(unsupported_route_keys) / sizeof(unsupported_route_keys[0]);
	     i++) {
		ret = json_get(object, unsupported_route_keys[i], &value, err);
		if (ret)
			return ret < 0 ? ret
				       : json_reject_code(&value, CNI_UNSUPPORTED_FIELD, err,
							  "not supported");
	}
	return 0;
}

static bool has_route(const struct network *net, const struct cidr *dst)
{
	for (size_t i = 0; i < net->n_routes; i++)
		if (net->routes[i].dst.len == dst->len &&
		    addr_equal(&net->routes[i].dst.addr, &dst->addr))
			return true;
	return false;
}

static int read_routes(const struct json *ipam, struct network *net, struct err *err)
{
	struct json list, item = { 0 };
	int ret;

	ret = json_get_list(ipam, "routes", &list, err);
	if (ret <= 0)
		return ret;
	while (json_next(&list, &item)) {
		struct pod_route route = { 0 };

		if (net->n_routes == CONF_ROUTES_MAX)
			return json_reject(&list, err, "more than %d routes", CONF_ROUTES_MAX);
		ret = read_route(&item, &route, err);
		if (ret)
			return ret;
		if (has_route(net, &route.dst))
			return json_reject(&item, err, "the destination is there twice");
		net->routes[net->n_routes++] = route;
	}
	return 1;
}

/* Whoever names no routes wants his pods to reach the world; [] says that they shall not. */
static void default_routes(struct network *net)
{
	for (size_t i = 0; i < net->n_sets; i++) {
		struct cidr dst = { 0 };

		cidr_parse(addr_is_v4(&net->sets[i].ranges[0].first) ? "0.0.0.0/0" : "::/0", &dst);
		if (!has_route(net, &dst))
			net->routes[net->n_routes++] = (struct pod_route){ .dst = dst };
	}
}

/* ---- all of it ------------------------------------------------------------------------------- */

int ipamconf_parse(const struct json *ipam, const struct json *runtime, enum verb verb,
		   struct network *net, struct err *err)
{
	bool found = false;
	int ret;

	if (strcmp(net->ipam_type, IPAM_BUILT_IN))
		return 0;
	ret = add_single(ipam, net, err);
	found = found || ret > 0;
	if (ret >= 0 && runtime->node)
		ret = add_sets(runtime, "ipRanges", net, err);
	found = found || ret > 0;
	if (ret >= 0)
		ret = add_sets(ipam, "ranges", net, err);
	found = found || ret > 0;
	if (ret < 0)
		return ret;
	if (!found && (verb == VERB_ADD || verb == VERB_CHECK))
		return json_missing(ipam, "ranges", err, "[] makes pods without addresses");
	ret = read_routes(ipam, net, err);
	if (!ret)
		default_routes(net);
	return ret < 0 ? ret : 0;
}

static const struct ip_range *range_of(const struct range_set *set, const struct addr *addr)
{
	for (size_t i = 0; i < set->n; i++)
		if (addr_compare(&set->ranges[i].first, addr) <= 0 &&
		    addr_compare(addr, &set->ranges[i].last) <= 0)
			return &set->ranges[i];
	return NULL;
}

const char *ipamconf_refuses(const struct network *net, const struct addr *addr)
{
	if (delegates(net))
		return NULL;
	for (size_t i = 0; i < net->n_sets; i++) {
		const struct ip_range *range = range_of(&net->sets[i], addr);

		if (!range)
			continue;
		if (addr_equal(addr, &range->gateway))
			return "is the gateway of its range";
		for (size_t j = 0; j < net->n_ips; j++)
			if (range_of(&net->sets[i], &net->ips[j]))
				return "is the second from one set of ranges, which gives one "
				       "address";
		return NULL;
	}
	return "is in none of the ranges";
}
