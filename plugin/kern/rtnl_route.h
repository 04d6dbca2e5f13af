/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_RTNL_ROUTE_H
#define CTNAT_KERN_RTNL_ROUTE_H

/* Routes. */
#include <stdbool.h>

#include "base/addr.h"
#include "kern/nl.h"
#include "kern/rtnl_batch.h"

/* Our protocol numbers (/etc/iproute2/rt_protos has no entries there) mark our routes: to this
 * node's pods, and to the other nodes. */
#define RTPROT_CTNAT	   201
#define RTPROT_CTNAT_NODES 202

struct route {
	struct cidr dst;		/* ::ffff:0:0/96: IPv4 default; ::/0: IPv6 default */
	struct addr gateway;		/* all zero: none */
	struct addr prefsrc;		/* all zero: none */
	int oif;
	unsigned int table;		/* 0: main */
	unsigned int metric;		/* 0: the kernel's default */
	unsigned int mtu;		/* 0: none */
	unsigned char protocol;		/* RTPROT_* */
	unsigned char scope;		/* RT_SCOPE_* */
	unsigned char type;		/* RTN_*; 0: unicast */
	bool onlink;
};

/* Creates, -EEXIST if there is one with the same destination and metric. */
int rtnl_route_add(struct nl *nl, const struct route *route, struct err *err);
int rtnl_route_replace(struct nl *nl, const struct route *route, struct err *err);

/* What the FIB answers for a packet to `dst` (RTM_GETROUTE): type, oif, gateway, prefsrc.
 * -ENETUNREACH etc. as the kernel says. */
int rtnl_route_get(struct nl *nl, const struct addr *dst, struct route *out, struct err *err);

/* Is that error an answer (no route, or one that refuses), or a failure to give one? */
bool rtnl_is_no_route(int error);

/* The same for a packet as it comes by a device. Policy rules are asked, too. */
struct route_query {
	struct addr src, dst;
	int iif;			/* 0: the node's own packet */
	__u8 proto;			/* with ports, TCP or UDP; else 0 */
	__u16 sport, dport;		/* host order */
};
int rtnl_route_resolve(struct nl *nl, const struct route_query *query, struct route *out,
		       struct err *err);

/* What a list shall hold of the main table. The kernel filters, except by destination. */
struct route_filter {
	int oif;			/* 0: any */
	unsigned char protocol;		/* 0: any */
	bool default_only;		/* only 0.0.0.0/0 and ::/0 */
	/* May be NULL. A long table need not be in memory for the sake of a few of its routes. */
	bool (*keep)(const struct route *route, const void *data);
	const void *data;
};

/* In an array that the caller frees. Multipath routes give one entry per next hop. */
int rtnl_route_list(struct nl *nl, const struct route_filter *filter, struct route **out, size_t *n,
		    struct err *err);

/* Into a batch. -EEXIST is what an added one fails with where there is one with the same
 * destination and metric, whoever's; a replacement asks nobody. Only a route of the same protocol
 * is deleted. */
void rtnl_batch_route_add(struct rtnl_batch *batch, const struct route *route);
void rtnl_batch_route_replace(struct rtnl_batch *batch, const struct route *route);
void rtnl_batch_route_del(struct rtnl_batch *batch, const struct route *route);

#endif
