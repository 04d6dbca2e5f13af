// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: the packet's story is told in the order in which it happens (README.md), and each part
 * is asked of whoever decides it:
 *
 *	comes in	from_pod or from_uplink, by a dry run (kern/dryrun.c)
 *	conntrack	ctnetlink: does it know the flow, and what does its entry say?
 *	routing		the FIB, as for a packet that comes by that device
 *	translation	follows from the reason: by BPF, by the entry, by the base table (by the
 *			rules of nft_table.c: what a pod of ours sends to whom is neither `leave`
 *			nor a pod of ours), or by nobody; so what conntrack takes for invalid
 *	leaves		to_uplink, by a dry run on the packet as it is by then; or to_pod
 *
 * What others decide, kube-proxy's DNAT and the firewall's FORWARD above all, is not known here,
 * and said to be so.
 */
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/basetable.h"
#include "core/origin.h"
#include "kern/ctnl.h"
#include "kern/dryrun.h"
#include "kern/sysctl.h"

#define IPS_ADMITTED IPS_HELPER	/* bpf/admit.h */

struct asking {
	struct node *node;
	struct dryrun dry;
	bool has_programs;
	struct explanation *x;
	struct err *err;
};

static const struct {
	const char *name, *what;
} classes[] = {
	[CLASS_BPF] = { "bpf", "translated, by an entry that BPF inserts" },
	[CLASS_KERNEL] = { "kernel", "translated by the base table, after kube-proxy" },
	[CLASS_SERVICE] = { "service", "kube-proxy's; dropped if nobody translates it" },
	[CLASS_LEAVE] = { "leave", "left as it is" },
};

const char *class_name(enum masq_class class)
{
	return class >= CLASS_BPF && class <= CLASS_LEAVE ? classes[class].name : "unknown";
}

const char *class_what(enum masq_class class)
{
	return class >= CLASS_BPF && class <= CLASS_LEAVE ? classes[class].what : "";
}

static void drop(struct explanation *x, enum stage stage, const char *why)
{
	if (x->dropped)
		return;
	x->dropped = stage;
	snprintf(x->why, sizeof(x->why), "%s", why);
}

/* ---- what is known of it --------------------------------------------------------------------- */

static void find_class(const struct node *node, const struct addr *dst, struct explanation *x)
{
	struct cidr_key key = { 128, *dst };
	struct cidr_class found;

	x->class = CLASS_BPF;
	if (map_get(node->maps.fd[MAP_MASQ_CIDRS], &key, &found) < 0)
		return;
	x->class = found.class;
	x->prefix = cidr_mask(&(struct cidr){ *dst, found.prefixlen });
	x->has_prefix = true;
}

/* Of ICMP only who sent it knows the id. */
static int find_entry(struct asking *a)
{
	struct explanation *x = a->x;
	const struct packet *p = &x->packet;
	const struct ct_tuple tuple = { p->src, p->dst, p->sport, p->dport };
	unsigned int entries, max;
	int ret = ctnl_count(&a->node->nf, &entries, &max, a->err);

	if (ret < 0)
		return ret;
	x->table_full = entries >= max;
	if (!packet_has_ports(p->proto))
		return 0;
	ret = ctnl_find(&a->node->nf, &tuple, p->proto, &x->entry, &x->reply, a->err);
	x->known = !ret;
	return ret == -ENOENT ? 0 : ret;
}

static int ask(struct asking *a, enum tc_prog prog, const struct packet *packet,
	       const struct link *device, bool leaves, struct dryrun_answer *out)
{
	static const __u8 other[MAC_LEN] = { 2, 0, 0, 0, 0, 1 };
	struct dryrun_frame frame = { .ifindex = (__u32)device->ifindex };

	_Static_assert(PACKET_MAX <= DRYRUN_FRAME_MAX, "a packet fits");
	frame.len = packet_write(packet, leaves ? device->mac : other,
				 leaves ? other : device->mac, frame.bytes);
	return dryrun_ask(&a->dry, prog, &frame, out, a->err);
}

/* ---- comes in -------------------------------------------------------------------------------- */

/* An uplink without Ethernet has a guard, and nobody at its ingress. */
static bool is_judged(const struct asking *a)
{
	__u32 ifindex = (__u32)a->x->device.ifindex;
	struct uplink uplink;

	if (!a->has_programs || a->x->origin == ORIGIN_NODE)
		return false;
	return a->x->origin == ORIGIN_POD ||
	       (!map_get(a->node->maps.fd[MAP_UPLINKS], &ifindex, &uplink) &&
		uplink.flags & UPLINK_ETHERNET);
}

/* Does the entry that conntrack has end before the packet meets it? */
static bool is_ended(const struct explanation *x)
{
	return x->beside[REASON_PASS_REVIVED] || x->beside[REASON_ENDED_EGRESS];
}

static int judge_arrival(struct asking *a)
{
	struct explanation *x = a->x;
	struct dryrun_answer answer;
	int ret;

	x->judged = is_judged(a);
	if (!x->judged)
		return 0;
	ret = ask(a, x->origin == ORIGIN_POD ? TC_FROM_POD : TC_FROM_UPLINK, &x->packet,
		  &x->device, false, &answer);
	if (ret < 0)
		return ret;
	x->reason = answer.reason;
	memcpy(x->beside, answer.beside, sizeof(x->beside));
	if (x->reason >= REASON_DROP_FIRST) {
		drop(x, STAGE_PROGRAM, "");
	} else if (x->reason >= REASON_SHORT_OUT && x->reason <= REASON_SHORT_POD) {
		x->by = BY_SHORT_WAY;
		packet_read_back(answer.frame.bytes, &x->leaves);
	} else if (x->reason == REASON_PASS_INSERTED || x->reason == REASON_PASS_RETRIED) {
		x->by = BY_BPF;
		x->leaves.src = answer.egress;
		x->leaves.sport = answer.port;
	}
	return 0;
}

/* ---- routing --------------------------------------------------------------------------------- */

static int find_route(struct asking *a)
{
	struct explanation *x = a->x;
	const struct packet *p = &x->packet;
	bool ports = p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
	struct route_query query = {
		.src = p->src,
		.dst = x->leaves.dst,	/* DNAT comes before routing, SNAT behind it */
		.iif = x->origin == ORIGIN_NODE ? 0 : x->device.ifindex,
		.proto = ports ? p->proto : 0,
		.sport = p->sport,
		.dport = x->leaves.dport,
	};
	struct uplink uplink;
	__u32 ifindex;
	struct link link;

	x->no_route = rtnl_route_resolve(&a->node->rt, &query, &x->route, NULL);
	if (!x->no_route && x->route.type != RTN_UNICAST && x->route.type != RTN_LOCAL &&
	    x->route.type != RTN_MULTICAST && x->route.type != RTN_BROADCAST)
		x->no_route = -EHOSTUNREACH;
	if (x->no_route || x->route.type != RTN_UNICAST)
		return 0;
	ifindex = (__u32)x->route.oif;
	x->by_uplink = !map_get(a->node->maps.fd[MAP_UPLINKS], &ifindex, &uplink);
	if (!rtnl_link_get_index(&a->node->rt, x->route.oif, &link, NULL))
		memcpy(x->route_device, link.name, sizeof(x->route_device));
	return 0;
}

/* ---- translation ----------------------------------------------------------------------------- */

/* What conntrack does not take for the beginning of a flow, nor for part of one: then NAT passes it
 * by. (A segment with ACK alone it takes up in the middle, unless nf_conntrack_tcp_loose is 0.) */
static bool is_invalid(const struct packet *p)
{
	char loose[16] = "1";

	switch (p->proto) {
	case IPPROTO_TCP:
		if (p->tcp_flags & (PACKET_RST | PACKET_FIN))
			return true;
		if (p->tcp_flags & PACKET_SYN)
			return p->tcp_flags & PACKET_ACK;
		sysctl_read("net/netfilter/nf_conntrack_tcp_loose", loose, sizeof(loose), NULL);
		return !(p->tcp_flags & PACKET_ACK) || !strcmp(loose, "0");
	case IPPROTO_ICMP:	/* echo, timestamp, information, address mask: requests */
		return p->icmp_type != 8 && p->icmp_type != 13 && p->icmp_type != 15 &&
		       p->icmp_type != 17;
	case IPPROTO_ICMPV6:	/* echo, node information: requests */
		return p->icmp_type != 128 && p->icmp_type != 139;
	default:
		return false;
	}
}

/* Whom the base table calls a pod: what it translates and guards. */
static bool is_pods(const struct node *node, const struct addr *addr)
{
	struct pod pod;

	return table_range_holds(node, addr) ||
	       (!map_get(node->maps.fd[MAP_PODS], addr, &pod) && pod.flags & POD_DELEGATED);
}

/* The table's part: an address of the uplink, or of whatever device it leaves by. */
static void translate_by_table(struct asking *a)
{
	struct explanation *x = a->x;
	bool v4 = addr_is_v4(&x->packet.src);
	__u32 ifindex = (__u32)x->route.oif;
	struct uplink uplink = { .flags = 0 };

	x->by = x->class == CLASS_KERNEL || x->class == CLASS_SERVICE ? BY_SERVICE : BY_TABLE;
	map_get(a->node->maps.fd[MAP_UPLINKS], &ifindex, &uplink);
	x->leaves.src = v4 ? uplink.v4 : uplink.v6;
	if (x->packet.proto == IPPROTO_TCP || x->packet.proto == IPPROTO_UDP)
		x->leaves.sport = 0;
	if (x->class == CLASS_SERVICE)
		x->provided = "kube-proxy translates the destination; else it is dropped "
			      "(service_unrouted)";
	else if (x->judged && x->reason == REASON_PASS_EXHAUSTED)
		x->provided = "the base table finds a free source port; else it is dropped";
}

/* The entry's translation, which conntrack does before and behind routing. */
static void translate_by_entry(struct explanation *x)
{
	const struct ct_tuple *came = x->reply ? &x->entry.reply : &x->entry.orig;
	const struct ct_tuple *back = x->reply ? &x->entry.orig : &x->entry.reply;

	if (addr_equal(&came->src, &back->dst) && addr_equal(&came->dst, &back->src) &&
	    came->sport == back->dport && came->dport == back->sport)
		return;
	x->by = BY_ENTRY;
	x->leaves.src = back->dst;
	x->leaves.sport = back->dport;
	x->leaves.dst = back->src;
	x->leaves.dport = back->sport;
}

static void translate_new(struct asking *a)
{
	const struct node *node = a->node;
	struct explanation *x = a->x;

	if (x->no_route || x->route.type != RTN_UNICAST || x->class == CLASS_LEAVE ||
	    !is_pods(node, &x->packet.src) || is_pods(node, &x->packet.dst) ||
	    is_invalid(&x->packet))
		return;
	translate_by_table(a);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

/* As to_pod sees it (bpf/admit.h): an answer to what nobody saw leave. */
static bool is_unadmitted(const struct asking *a)
{
	const __u32 bpfs = IPS_SRC_NAT | IPS_SRC_NAT_DONE;
	const struct explanation *x = a->x;

	return a->node->config.level == LEVEL_FULL && x->known && x->reply &&
	       (x->entry.status & (IPS_SRC_NAT | IPS_NAT_DONE_MASK)) == bpfs &&
	       !(x->entry.status & IPS_ADMITTED);
}

static void judge_delivery(struct asking *a)
{
	struct explanation *x = a->x;
	struct pod pod;

	if (map_get(a->node->maps.fd[MAP_PODS], &x->leaves.dst, &pod) < 0)
		return;
	x->to_this_pod = true;
	x->receiver = pod.owner;
	x->to_pod = REASON_POD_PASS;
	if (!a->has_programs || x->by == BY_SHORT_WAY || !is_unadmitted(a))
		return;
	x->to_pod = REASON_DROP_UNADMITTED;
	drop(x, STAGE_TO_POD, "");
}

static int judge_departure(struct asking *a)
{
	struct explanation *x = a->x;
	struct dryrun_answer answer;
	struct link out;
	int ret;

	if (!x->by_uplink || addr_is_zero(&x->leaves.src))
		return 0;
	if (x->provided)
		return 0;	/* if it leaves at all, we do not know as what */
	if (!a->has_programs) {
		if (x->by == BY_NOBODY && is_pods(a->node, &x->leaves.src) &&
		    x->class != CLASS_LEAVE)
			drop(x, STAGE_GUARD, "the table's chain 'guard': it would leave with a "
					     "pod's address");
		return 0;
	}
	ret = rtnl_link_get_index(&a->node->rt, x->route.oif, &out, a->err);
	if (!ret)
		ret = ask(a, TC_TO_UPLINK, &x->leaves, &out, true, &answer);
	if (ret < 0)
		return ret;
	x->guarded = true;
	x->guard = answer.reason;
	if (x->guard >= REASON_DROP_FIRST)
		drop(x, STAGE_GUARD, "");
	return 0;
}

/* ---- the story ------------------------------------------------------------------------------- */

static int follow(struct asking *a)
{
	struct explanation *x = a->x;
	int ret = find_entry(a);

	if (!ret)
		ret = judge_arrival(a);
	if (ret < 0 || x->dropped)
		return ret;
	if (x->by == BY_NOBODY && x->known && !is_ended(x))
		translate_by_entry(x);
	ret = find_route(a);
	if (ret < 0)
		return ret;
	if (x->no_route)
		drop(x, STAGE_ROUTING, "no route leads there");
	else if (x->route.type == RTN_UNICAST && x->origin != ORIGIN_NODE && x->packet.ttl <= 1)
		drop(x, STAGE_ROUTING, "its TTL or hop limit ends here");
	if (x->by == BY_NOBODY && x->origin == ORIGIN_POD && (!x->known || is_ended(x)))
		translate_new(a);
	if (x->dropped)
		return 0;
	judge_delivery(a);
	return judge_departure(a);
}

/* Those that its story may ask. */
static unsigned int programs_of(enum origin origin)
{
	unsigned int in = origin == ORIGIN_POD	  ? 1u << TC_FROM_POD :
			  origin == ORIGIN_UPLINK ? 1u << TC_FROM_UPLINK :
						    0;

	return in | 1u << TC_TO_UPLINK;
}

int explain(struct node *node, const struct question *question, struct explanation *out,
	    struct err *err)
{
	struct asking a = { .node = node, .x = out, .err = err };
	int ret;

	memset(out, 0, sizeof(*out));
	out->packet = out->leaves = question->packet;
	find_class(node, &out->packet.dst, out);
	ret = origin_find(node, question->in, out, err);
	if (ret < 0)
		return ret;
	a.has_programs = node->config.level < LEVEL_NFTABLES;
	if (a.has_programs)
		ret = dryrun_open(&a.dry, &node->maps, programs_of(out->origin), err);
	if (!ret)
		ret = follow(&a);
	dryrun_close(&a.dry);
	return ret;
}
