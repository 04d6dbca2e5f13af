/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_LEARN_H
#define CTNAT_LEARN_H

/*
 * Egress: what became of a packet that was told of at ingress. Theory of the answers in flow.h, of
 * entries that wait to be admitted in admit.h. A packet that nobody told us of costs one load.
 */
#include "follow.h"
#include "short.h"

/* A packet as it leaves, with all that is needed to say how it did. */
struct leaving {
	struct plain plain;
	__u32 in;		/* where it came from */
	__u32 generation;	/* of `in`; with `out`'s epoch that of an answer */
	__u32 out_epoch;
	bool to_pod;
};

static __always_inline void copy_tuple(struct flow_key *to, const struct nf_conntrack_tuple *from,
				       bool v4)
{
	union nf_inet_addr addr;

	addr = from->src.u3;
	copy_addr(&to->src, &addr, v4);
	addr = from->dst.u3;
	copy_addr(&to->dst, &addr, v4);
	to->sport = from->src.u.all;
	to->dport = from->dst.u.all;
}

/*
 * Do the entry's NAT bits explain what differs between the packet as it came and as it leaves? If
 * not, somebody else translates (IPVS), by rules that we do not know.
 */
static __always_inline bool is_explained(const struct nf_conn *ct, __u8 dir,
					 const struct flow_key *came, const struct flow_key *leaves)
{
	bool source = !addr_equal(&came->src, &leaves->src) || came->sport != leaves->sport;
	bool target = !addr_equal(&came->dst, &leaves->dst) || came->dport != leaves->dport;
	__u32 source_bit = dir == CT_DIR_ORIGINAL ? IPS_SRC_NAT : IPS_DST_NAT;
	__u32 target_bit = dir == CT_DIR_ORIGINAL ? IPS_DST_NAT : IPS_SRC_NAT;

	return (!source || (ct->status & source_bit)) && (!target || (ct->status & target_bit));
}

struct egress_search {
	const struct addr *addr;
	__u32 except;
	bool found;
};

static long match_egress(void *map, __u32 *ifindex, struct uplink *uplink,
			 struct egress_search *search)
{
	(void)map;
	search->found = *ifindex != search->except && (addr_equal(&uplink->v4, search->addr) ||
						       addr_equal(&uplink->v6, search->addr));
	return search->found;
}

/* Does the packet leave by this uplink with the address of another? Its route has moved, and the
 * answers would go where it no longer leads. */
static __always_inline bool is_misplaced(__u32 out, const struct addr *src)
{
	struct uplink *uplink = bpf_map_lookup_elem(&uplinks, &out);
	struct egress_search search = { .addr = src, .except = out };

	if (!uplink || addr_equal(&uplink->v4, src) || addr_equal(&uplink->v6, src))
		return false;
	bpf_for_each_map_elem(&uplinks, match_egress, &search, 0);
	return search.found;
}

/*
 * Does it say nothing but that the peer was heard? Conntrack may still believe that the peer owes
 * an acknowledgment, which took the short way, and have given the entry a time-out of minutes:
 * a connection that now falls silent would not live as long as it may.
 */
static __always_inline bool is_bare_ack(const struct __sk_buff *skb, const struct plain *plain)
{
	return flow_proto(&plain->key) == IPPROTO_TCP && skb->len == ETH_HLEN + plain->headers;
}

/*
 * Asks conntrack about the packet as it leaves: its inverse is the tuple of the other direction.
 * True: an established flow whose packets may take the short way, and *came is how this one
 * arrived.
 */
static __noinline bool recall(struct __sk_buff *skb, const struct config *cfg,
			      const struct leaving *leaving, struct flow_key *came)
{
	const struct flow_key *leaves = &leaving->plain.key;
	struct ct_key key = key_of_inverse(leaves);
	struct nf_conn *ct;
	bool may, fixed;
	__u8 dir;

	ct = ct_lookup(skb, &key, &dir);
	if (!ct)
		return false;
	came->arrival = arrival(leaving->in, key.proto);
	/* twice the same: the verifier takes no index but a constant */
	if (dir == CT_DIR_ORIGINAL) {
		dir = CT_DIR_REPLY;
		copy_tuple(came, &ct->tuplehash[CT_DIR_REPLY].tuple, leaving->plain.v4);
	} else {
		dir = CT_DIR_ORIGINAL;
		copy_tuple(came, &ct->tuplehash[CT_DIR_ORIGINAL].tuple, leaving->plain.v4);
	}
	may = is_established(ct, key.proto) && may_be_short(ct, key.proto, cfg) &&
	      is_explained(ct, dir, came, leaves);
	fixed = has_extension(ct, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_TIMEOUT));
	/* between pods we refresh the entry, and know no time-out but the common ones */
	if (leaving->to_pod && fixed)
		may = false;
	if (may && !fixed && (leaving->to_pod || is_bare_ack(skb, &leaving->plain)))
		refresh(ct, key.proto);
	if (may && !leaving->to_pod && dir == CT_DIR_ORIGINAL && is_bpfs(ct->status) &&
	    is_misplaced(skb->ifindex, &leaves->src)) {
		may = false;
		bpf_ct_change_timeout(ct, 0);
		flow_delete(came);	/* the next packet opens it again */
		count(skb, REASON_ENDED_EGRESS);
	}
	bpf_ct_release(ct);
	return may;
}

/* The smaller of the route's and the device's. 0: the packet's route is none that we could take. */
static __always_inline __u16 way_mtu(struct __sk_buff *skb)
{
	__u32 device = 0, route;

	if (!route_mtu(skb, &route) || bpf_check_mtu(skb, 0, &device, 0, 0) < 0)
		return 0;
	if (route && route < device)
		device = route;
	return device < 0xffff ? device : 0xffff;
}

/* A pod is handed its packets beyond the veth, unless somebody wants to see them there. */
static __always_inline enum flow_way way_of(struct __sk_buff *skb, const struct leaving *leaving)
{
	struct net_device *dev = device_of(skb);

	return leaving->to_pod && !has_queue(dev) && classifiers(dev, true) <= 1 ? WAY_PEER :
										   WAY_WIRE;
}

static __always_inline bool same_macs(const struct flow *a, const struct flow *b)
{
	const __u32 *x = (const void *)a->dst_mac, *y = (const void *)b->dst_mac;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

static __always_inline bool same_way(const struct flow *a, const struct flow *b)
{
	return a->generation == b->generation && a->ifindex == b->ifindex && a->mtu == b->mtu &&
	       a->priority == b->priority && a->ports == b->ports && addr_equal(&a->src, &b->src) &&
	       addr_equal(&a->dst, &b->dst) && same_macs(a, b);
}

/*
 * Data that leaves by an uplink gives the entry the time-out of what nobody has acknowledged.
 * Conntrack, which misses most of the connection, will not see that somebody does: the next packet
 * of the other direction is a reason to ask, and refreshes.
 */
static __noinline void await_acknowledgment(const struct flow_key *leaves, __u32 out)
{
	struct flow_key reverse = {
		.src = leaves->dst,
		.dst = leaves->src,
		.sport = leaves->dport,
		.dport = leaves->sport,
		.arrival = arrival(out, IPPROTO_TCP),
	};
	struct flow *flow = flow_find(&reverse);

	if (flow)
		flow->until = jiffies_now();
}

/*
 * Makes the answer, if one is waited for: ingress left "stack", under a generation that still
 * holds. An answer that was here before and says the same was not learned, but renewed.
 */
static __noinline void answer(struct __sk_buff *skb, const struct leaving *leaving,
			      struct flow *new)
{
	const struct flow_key *leaves = &leaving->plain.key;
	struct flow *old = flow_find(&new->key);
	bool renewal;

	if (!old || old->way != WAY_STACK || !is_current(old, leaving->generation))
		return;
	new->until = jiffies_now() + hz;
	new->generation = leaving->generation + leaving->out_epoch;
	new->way = way_of(skb, leaving);
	new->ifindex = skb->ifindex;
	new->mtu = way_mtu(skb);
	new->src = leaves->src;
	new->dst = leaves->dst;
	new->ports = leaves->ports;
	new->priority = skb->priority;
	set_deltas(new, &new->key, leaves);
	if (!new->mtu || bpf_skb_load_bytes(skb, 0, new->dst_mac, 2 * MAC_LEN) < 0)
		return;
	renewal = same_way(old, new);
	if (!flow_put(new) && !renewal)
		count(skb, REASON_LEARNED);
}

/* The pod's record, read after the epochs: a DEL that we do not see now has yet to count up. */
static __always_inline bool is_pods(const struct __sk_buff *skb, const struct addr *addr)
{
	struct pod *pod = pod_of(skb, addr);

	return pod && pod->state != STATE_DYING;
}

/*
 * Conntrack was asked about the packet; it has come through the stack, and leaves. Not static: then
 * the verifier looks at it once, not again for every way in which it is come to.
 */
__noinline int learn(struct __sk_buff *skb, bool to_pod)
{
	struct config *cfg = bpf_map_lookup_elem(&config, &(__u32){ 0 });
	struct leaving leaving = { .in = skb->ingress_ifindex, .to_pod = to_pod };
	struct flow new = {};

	if (!cfg || !leaving.in || leaving.in == skb->ifindex || !parse_plain(skb, &leaving.plain))
		return 0;
	leaving.generation = generation_of(cfg, leaving.in);
	leaving.out_epoch = epoch_of(skb->ifindex);
	/* from one uplink to another it is no pod's flow */
	if (to_pod ? !is_pods(skb, &leaving.plain.key.dst) :
	    bpf_map_lookup_elem(&uplinks, &leaving.in) != NULL)
		return 0;
	/* what a pod sends meets somebody behind us, and so the stack: conntrack shall see both
	 * directions, or it would wait for acknowledgments in vain */
	if (to_pod && classifiers(device_of(skb), false) > 1)
		return 0;
	if (!recall(skb, cfg, &leaving, &new.key))
		return 0;
	answer(skb, &leaving, &new);
	if (!to_pod && flow_proto(&new.key) == IPPROTO_TCP)
		await_acknowledgment(&leaving.plain.key, skb->ifindex);
	return 0;
}

/* For a packet that leaves: what ingress told us of it, if anything. It is for nobody else. */
static __always_inline __u16 take_told(struct __sk_buff *skb)
{
	__u16 told = skb->tc_index;

	if (told)
		skb->tc_index = 0;
	return told;
}

#endif
