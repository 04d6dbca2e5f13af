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
	struct flow_key key;
	__u32 in;		/* where it came from */
	__u32 generation;	/* of `in`; with `out`'s epoch that of an answer */
	__u32 out_epoch;
	bool to_pod;
	bool bare_ack;
	bool fixed;		/* its entry has time-outs of its own */
	bool ended;		/* we ended its entry: the next packet opens it again */
};

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
	return plain->proto == IPPROTO_TCP && skb->len == ETH_HLEN + headers_of(plain);
}

/*
 * Asks conntrack about the packet: the entry by which the stack translated it has the tuple by
 * which it came, and the inverse of how it leaves. True: an established flow whose packets may take
 * the short way, and *came is how this one arrived.
 */
static __noinline bool recall(struct __sk_buff *skb, const struct config *cfg,
			      struct leaving *leaving, struct flow_key *came)
{
	const struct flow_key *leaves = &leaving->key;
	__u8 proto = flow_proto(leaves), info, dir;
	const struct nf_conn *seen;
	struct nf_conn *ct;
	bool may;

	seen = entry_of(skb, &info);
	if (!seen)
		return false;
	ct = ct_acquire(skb, seen, info, came, &dir);
	if (!ct)
		return false;
	may = is_established(ct, proto) && may_be_short(ct, proto, cfg) &&
	      leaves_as(ct, dir, &leaves->src, &leaves->dst, leaves->sport,
			leaves->dport) && is_explained(ct, dir, came, leaves);
	leaving->fixed = has_extension(ct, bpf_core_enum_value(enum nf_ct_ext_id,
							       NF_CT_EXT_TIMEOUT));
	/* to a pod we refresh the entry, and know no time-out but the common ones */
	if (leaving->to_pod && leaving->fixed)
		may = false;
	if (may && !leaving->fixed && (leaving->to_pod || leaving->bare_ack))
		refresh(ct, proto);
	if (may && !leaving->to_pod && dir == CT_DIR_ORIGINAL && is_bpfs(ct->status) &&
	    is_misplaced(skb->ifindex, &leaves->src)) {
		may = false;
		ct_end(ct);
		count(skb, REASON_ENDED_EGRESS);
		leaving->ended = true;
	}
	bpf_ct_release(ct);
	return may;
}

/* The smaller of the route's and the device's. 0: the packet's route is none that we could take. */
static __always_inline __u16 way_mtu(struct __sk_buff *skb)
{
	__u32 device = 0, route, mtu6;

	if (!route_mtu(skb, &route) || bpf_check_mtu(skb, 0, &device, 0, 0) < 0)
		return 0;
	if (route && route < device)
		device = route;
	mtu6 = skb->protocol == bpf_htons(ETH_P_IPV6) ? mtu6_of(device_of(skb)) : 0;
	if (mtu6 && mtu6 < device)
		device = mtu6;
	return device < 0xffff ? device : 0xffff;
}

/* A pod is handed its packets beyond the veth, unless somebody wants to see them there. */
static __always_inline enum flow_way way_of(struct __sk_buff *skb, const struct leaving *leaving)
{
	struct net_device *dev = device_of(skb);

	return leaving->to_pod && !has_queue(dev) && classifiers(dev, true) <= 1 ? WAY_PEER :
										   WAY_WIRE;
}

/*
 * Data that leaves by an uplink gives the entry the time-out of what nobody has acknowledged.
 * Conntrack, which misses most of the connection, will not see that somebody does: the next packet
 * of the other direction is a reason to ask, or to meet the stack, and refreshes.
 */
__noinline int await_acknowledgment(const struct flow_key *leaves, __u32 out)
{
	struct flow_key reverse;
	struct flow *flow;

	if (!leaves)
		return -1;
	reverse = (struct flow_key){
		.src = leaves->dst,
		.dst = leaves->src,
		.sport = leaves->dport,
		.dport = leaves->sport,
		.arrival = arrival(out, IPPROTO_TCP, addr_is_v4(&leaves->src)),
	};
	flow = flow_find(&reverse);
	if (dry_run || !flow)
		return -1;
	flow->until = jiffies_now();
	flow->met = flow->until - MEET_SECONDS * hz;	/* to a wire the stack has to be met */
	return 0;
}

/* A way that a packet was seen to take. */
struct way {
	__u32 mtu;
	__u32 priority;
	__u8 macs[2 * MAC_LEN];
};

static __always_inline bool same_way(const struct flow *flow, __u32 out, const struct way *way,
				     const struct flow_key *leaves)
{
	return flow->ifindex == out && flow->mtu == way->mtu && flow->priority == way->priority &&
	       flow->ports == leaves->ports && addr_equal(&flow->src, &leaves->src) &&
	       addr_equal(&flow->dst, &leaves->dst) &&
	       mac_equal(flow->dst_mac, way->macs) &&
	       mac_equal(flow->src_mac, way->macs + MAC_LEN);
}

/*
 * Makes the answer, if one is waited for: ingress left "stack", under a generation that still
 * holds. An answer that was here before and says the same was not learned, but renewed.
 */
static __noinline int answer(struct __sk_buff *skb, const struct leaving *leaving,
			     const struct flow_key *came)
{
	struct way way = { .mtu = way_mtu(skb), .priority = skb->priority };
	const struct flow_key *leaves = &leaving->key;
	struct flow *flow = flow_find(came);

	if (!flow || flow->way != WAY_STACK || !is_current(flow, leaving->generation) || !way.mtu ||
	    bpf_skb_load_bytes(skb, 0, way.macs, sizeof(way.macs)) < 0 || !flow_claim(flow))
		return -1;
	if (same_key(&flow->key, came)) {
		if (!same_way(flow, skb->ifindex, &way, leaves)) {
			flow->ifindex = skb->ifindex;
			flow->mtu = way.mtu;
			flow->priority = way.priority;
			flow->src = leaves->src;
			flow->dst = leaves->dst;
			flow->ports = leaves->ports;
			__builtin_memcpy(flow->dst_mac, way.macs, sizeof(way.macs));
			set_deltas(flow, came, leaves);
			count(skb, REASON_LEARNED);
		}
		flow->generation = leaving->generation + leaving->out_epoch;
		flow->until = jiffies_now() + hz;
		/* time-outs of its own only the kernel knows: it has to be met each second */
		flow->met = flow->until - hz - (leaving->fixed ? MEET_SECONDS * hz : 0);
		flow->way = way_of(skb, leaving);
	}
	flow_release(flow);
	return 0;
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
	struct config *cfg = get_config();
	struct leaving leaving = { .in = skb->ingress_ifindex, .to_pod = to_pod };
	struct flow_key came;
	struct plain plain;

	if (!cfg || !leaving.in || leaving.in == skb->ifindex ||
	    !parse_plain(skb, &plain, &leaving.key))
		return 0;
	leaving.bare_ack = is_bare_ack(skb, &plain);
	leaving.generation = generation_of(cfg, leaving.in);
	leaving.out_epoch = epoch_of(skb->ifindex);
	/* from one uplink to another it is no pod's flow */
	if (to_pod ? !is_pods(skb, &leaving.key.dst) :
	    bpf_map_lookup_elem(&uplinks, &leaving.in) != NULL)
		return 0;
	/* what a pod sends meets somebody behind us, and so the stack: conntrack shall see both
	 * directions, or it would wait for acknowledgments in vain */
	if (to_pod && classifiers(device_of(skb), false) > 1)
		return 0;
	if (!recall(skb, cfg, &leaving, &came)) {
		if (leaving.ended)
			flow_forget(skb, &came);
		return 0;
	}
	if (!to_pod && flow_proto(&came) == IPPROTO_TCP)
		await_acknowledgment(&leaving.key, skb->ifindex);
	return answer(skb, &leaving, &came);
}

/* For a packet that leaves: what ingress told us of it, if anything. It is for nobody else. */
static __always_inline __u32 take_told(struct __sk_buff *skb)
{
	__u32 told = skb->tc_index;

	if (told)
		skb->tc_index = 0;
	return told;
}

#endif
