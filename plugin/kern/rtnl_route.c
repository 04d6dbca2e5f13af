// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: lists ask for one family at a time: a dump of all families asks every protocol in the
 * kernel, some of which refuse our filters. Filters are the kernel's work; they are checked again
 * here, for next hops of multipath routes come all together, and the destination is nothing that it
 * filters by.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kern/rtnl_route.h"

static void route_put(struct nlmsghdr *nlh, const struct route *route)
{
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = addr_family(&route->dst.addr);
	rtm->rtm_dst_len = cidr_family_len(&route->dst);
	rtm->rtm_protocol = route->protocol;
	rtm->rtm_scope = route->scope;
	rtm->rtm_type = route->type ? route->type : RTN_UNICAST;
	rtm->rtm_flags = route->onlink ? RTNH_F_ONLINK : 0;

	mnl_attr_put_u32(nlh, RTA_TABLE, route->table ? route->table : RT_TABLE_MAIN);
	nl_put_addr(nlh, RTA_DST, &route->dst.addr);
	if (!addr_is_zero(&route->gateway))
		nl_put_addr(nlh, RTA_GATEWAY, &route->gateway);
	if (!addr_is_zero(&route->prefsrc))
		nl_put_addr(nlh, RTA_PREFSRC, &route->prefsrc);
	if (route->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, (__u32)route->oif);
	if (route->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	if (route->mtu) {
		struct nlattr *metrics = mnl_attr_nest_start(nlh, RTA_METRICS);

		mnl_attr_put_u32(nlh, RTAX_MTU, route->mtu);
		mnl_attr_nest_end(nlh, metrics);
	}
}

static int route_new(struct nl *nl, unsigned int flags, const char *what,
		     const struct route *route, struct err *err)
{
	struct nl_request req;
	struct nlmsghdr *nlh = nl_request(&req, RTM_NEWROUTE, NLM_F_CREATE | flags);
	char buf[ADDR_STRLEN];
	int rc;

	route_put(nlh, route);
	rc = nl_talk(nl, nlh, NULL, err);
	if (rc < 0)
		err_wrap(err, "%s route %s on link %d", what, cidr_format(&route->dst, buf),
			 route->oif);
	return rc;
}

int rtnl_route_add(struct nl *nl, const struct route *route, struct err *err)
{
	return route_new(nl, NLM_F_EXCL, "add", route, err);
}

int rtnl_route_replace(struct nl *nl, const struct route *route, struct err *err)
{
	return route_new(nl, NLM_F_REPLACE, "replace", route, err);
}

void rtnl_batch_route_add(struct rtnl_batch *batch, const struct route *route)
{
	route_put(rtnl_batch_add(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL), route);
}

void rtnl_batch_route_replace(struct rtnl_batch *batch, const struct route *route)
{
	route_put(rtnl_batch_add(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE), route);
}

void rtnl_batch_route_del(struct rtnl_batch *batch, const struct route *route)
{
	route_put(rtnl_batch_add(batch, RTM_DELROUTE, 0), route);
}

/* ---- what the kernel says of a route --------------------------------------------------------- */

/* The address behind the family in RTA_VIA: an IPv4 route's IPv6 gateway. */
static void route_parse_via(const struct nlattr *attr, struct addr *gateway)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	if (len == sizeof(*via) + sizeof(struct addr) && via->rtvia_family == AF_INET6)
		*gateway = addr_from_bytes(AF_INET6, via->rtvia_addr);
}

static void route_parse_metrics(const struct nlattr *metrics, struct route *route)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, metrics) {
		if (mnl_attr_get_type(attr) == RTAX_MTU)
			nl_get_bytes(attr, &route->mtu, sizeof(route->mtu));
	}
}

static void route_parse_attr(const struct nlattr *attr, struct route *route)
{
	switch (mnl_attr_get_type(attr)) {
	case RTA_TABLE:
		nl_get_bytes(attr, &route->table, sizeof(route->table));
		break;
	case RTA_DST:
		nl_get_addr(attr, &route->dst.addr);
		break;
	case RTA_GATEWAY:
		nl_get_addr(attr, &route->gateway);
		break;
	case RTA_VIA:
		route_parse_via(attr, &route->gateway);
		break;
	case RTA_PREFSRC:
		nl_get_addr(attr, &route->prefsrc);
		break;
	case RTA_OIF:
		nl_get_bytes(attr, &route->oif, sizeof(route->oif));
		break;
	case RTA_PRIORITY:
		nl_get_bytes(attr, &route->metric, sizeof(route->metric));
		break;
	case RTA_METRICS:
		route_parse_metrics(attr, route);
		break;
	}
}

/* Sets *multipath if there are several next hops: it holds them.
 * Returns 1, 0 if the message is about another family, or -EBADMSG. */
static int route_parse(const struct nlmsghdr *nlh, struct route *out,
		       const struct nlattr **multipath)
{
	static const __u8 any[sizeof(struct addr)];
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	struct route route;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return -EBADMSG;
	if (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6)
		return 0;

	route = (struct route){
		.dst.addr = addr_from_bytes(rtm->rtm_family, any), /* no RTA_DST: the default */
		.table = rtm->rtm_table,
		.protocol = rtm->rtm_protocol,
		.scope = rtm->rtm_scope,
		.type = rtm->rtm_type,
		.onlink = rtm->rtm_flags & RTNH_F_ONLINK,
	};
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_MULTIPATH)
			*multipath = attr;
		else
			route_parse_attr(attr, &route);
	}
	route.dst = cidr_from_family_len(&route.dst.addr, rtm->rtm_dst_len);
	*out = route;
	return 1;
}

static int route_take(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *multipath = NULL;
	int rc = route_parse(nlh, data, &multipath);

	return rc < 0 ? rc : 0;
}

int rtnl_route_get(struct nl *nl, const struct addr *dst, struct route *out, struct err *err)
{
	struct route route = { .oif = 0 };
	struct nl_handler handler = { .each = route_take, .data = &route };
	struct nl_request req;
	struct nlmsghdr *nlh = nl_request(&req, RTM_GETROUTE, 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct cidr host = cidr_host(dst);
	char buf[ADDR_STRLEN];
	int rc;

	rtm->rtm_family = addr_family(dst);
	rtm->rtm_dst_len = cidr_family_len(&host);
	nl_put_addr(nlh, RTA_DST, dst);
	rc = nl_talk(nl, nlh, &handler, err);
	if (rc < 0) {
		err_wrap(err, "look up the route to %s", addr_format(dst, buf));
		return rc;
	}
	*out = route;
	return 0;
}

bool rtnl_is_no_route(int error)
{
	switch (error) {
	case -ENETUNREACH:	/* none */
	case -EHOSTUNREACH:	/* unreachable */
	case -EACCES:		/* prohibit */
	case -EINVAL:		/* blackhole */
	case -EAGAIN:		/* throw, and no other table has one */
		return true;
	default:
		return false;
	}
}

static void put_query(struct nlmsghdr *nlh, const struct route_query *query)
{
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct cidr host = cidr_host(&query->dst);

	rtm->rtm_family = addr_family(&query->dst);
	rtm->rtm_dst_len = rtm->rtm_src_len = cidr_family_len(&host);
	nl_put_addr(nlh, RTA_DST, &query->dst);
	nl_put_addr(nlh, RTA_SRC, &query->src);
	if (query->iif)
		mnl_attr_put_u32(nlh, RTA_IIF, (__u32)query->iif);
	if (!query->proto)
		return;
	mnl_attr_put_u8(nlh, RTA_IP_PROTO, query->proto);
	mnl_attr_put_u16(nlh, RTA_SPORT, htons(query->sport));
	mnl_attr_put_u16(nlh, RTA_DPORT, htons(query->dport));
}

int rtnl_route_resolve(struct nl *nl, const struct route_query *query, struct route *out,
		       struct err *err)
{
	struct route route = { .oif = 0 };
	struct nl_handler handler = { .each = route_take, .data = &route };
	struct nl_request req;
	struct nlmsghdr *nlh = nl_request(&req, RTM_GETROUTE, 0);
	char src[ADDR_STRLEN], dst[ADDR_STRLEN];
	int rc;

	put_query(nlh, query);
	rc = nl_talk(nl, nlh, &handler, err);
	if (rc < 0) {
		err_wrap(err, "look up the route from %s to %s", addr_format(&query->src, src),
			 addr_format(&query->dst, dst));
		return rc;
	}
	*out = route;
	return 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct route_list {
	struct nl_array routes;
	size_t settled;		/* routes of the families that are done */
	const struct route_filter *filter;
};

static bool route_wanted(const struct route *route, const struct route_filter *filter)
{
	return route->table == RT_TABLE_MAIN &&
	       (!filter->oif || route->oif == filter->oif) &&
	       (!filter->protocol || route->protocol == filter->protocol) &&
	       (!filter->default_only || !cidr_family_len(&route->dst)) &&
	       (!filter->keep || filter->keep(route, filter->data));
}

static int route_list_add(struct route_list *list, const struct route *route)
{
	struct route *slot;

	if (!route_wanted(route, list->filter))
		return 0;
	slot = nl_array_add(&list->routes);
	if (!slot)
		return -ENOMEM;
	*slot = *route;
	return 0;
}

/* Next hops lie one behind the other, each with its attributes inside. */
static int route_list_add_hops(struct route_list *list, const struct route *common,
			       const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath), rc = 0;
	const struct nlattr *attr;

	while (!rc && left >= (int)sizeof(*hop) && RTNH_OK(hop, left)) {
		struct route route = *common;

		route.oif = hop->rtnh_ifindex;
		mnl_attr_for_each_payload((const void *)(hop + 1), hop->rtnh_len - sizeof(*hop))
			route_parse_attr(attr, &route);
		rc = route_list_add(list, &route);
		left -= RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	return rc;
}

static int route_collect(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *multipath = NULL;
	struct route_list *list = data;
	struct route route;
	int rc = route_parse(nlh, &route, &multipath);

	if (rc <= 0)
		return rc;
	return multipath ? route_list_add_hops(list, &route, multipath) :
			   route_list_add(list, &route);
}

static void route_restart(void *data)
{
	struct route_list *list = data;

	list->routes.n = list->settled;
}

static int route_dump(struct nl *nl, int family, struct route_list *list, struct err *err)
{
	struct nl_handler handler = {
		.each = route_collect, .restart = route_restart, .data = list,
	};
	struct nl_request req;
	struct nlmsghdr *nlh = nl_request(&req, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	int rc;

	rtm->rtm_family = family;
	rtm->rtm_protocol = list->filter->protocol;
	mnl_attr_put_u32(nlh, RTA_TABLE, RT_TABLE_MAIN);
	if (list->filter->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, (__u32)list->filter->oif);
	rc = nl_talk(nl, nlh, &handler, err);
	list->settled = list->routes.n;
	return rc == -ENOENT ? 0 : rc;	/* a table exists once a route is in it */
}

int rtnl_route_list(struct nl *nl, const struct route_filter *filter, struct route **out, size_t *n,
		    struct err *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct route_list list = { .routes.size = sizeof(struct route), .filter = filter };
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(families) / sizeof(families[0]); i++)
		rc = route_dump(nl, families[i], &list, err);
	if (rc < 0) {
		free(list.routes.items);
		err_wrap(err, "list routes");
		return rc;
	}
	*out = list.routes.items;
	*n = list.routes.n;
	return 0;
}
