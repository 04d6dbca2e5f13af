/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_ROUTE_H
#define CTNAT_ROUTE_H

/*
 * Which way a new flow leaves, and with which address of the node: asked of the FIB as the stack
 * will ask it, with the source before and the destination after translation (SNAT happens behind
 * routing, and changes no destination). Policy routing, multipath and VRFs are followed so; a rule
 * on a mark that some table sets in prerouting is not.
 */
#include "guard.h"
#include "maps.h"
#include "pkt.h"
#include "stats.h"

/* len: of the IP packet, or 0: the MTU does not matter. */
static __always_inline long fib_ask(struct __sk_buff *skb, const struct pkt *pkt,
				    const struct addr *dst, __u16 len, struct bpf_fib_lookup *fib)
{
	*fib = (struct bpf_fib_lookup){
		.l4_protocol = pkt->proto,
		.sport = pkt->sport,
		.dport = pkt->dport,
		.tot_len = len,
		.ifindex = skb->ifindex,
	};
	if (pkt->v4) {
		fib->family = AF_INET;
		fib->tos = pkt->flow;
		fib->ipv4_src = addr_ip(&pkt->src);
		fib->ipv4_dst = addr_ip(dst);
	} else {
		fib->family = AF_INET6;
		fib->flowinfo = pkt->flow;
		__builtin_memcpy(fib->ipv6_src, &pkt->src, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, dst, sizeof(fib->ipv6_dst));
	}
	return bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
}

/* The neighbour's state and the MTU are the stack's business. */
static __always_inline bool is_forwarded(long fib_ret)
{
	return fib_ret == BPF_FIB_LKUP_RET_SUCCESS || fib_ret == BPF_FIB_LKUP_RET_NO_NEIGH ||
	       fib_ret == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

/*
 * The FIB says NOT_FWDED of the node's own addresses. It also says so of what has no route at all,
 * which an address that the node has lost could be only where the uplink keeps other addresses and
 * there is no default route.
 */
static __always_inline bool is_still_ours(struct __sk_buff *skb, const struct pkt *pkt,
					  const struct addr *addr)
{
	struct bpf_fib_lookup fib;

	return fib_ask(skb, pkt, addr, 0, &fib) == BPF_FIB_LKUP_RET_NOT_FWDED;
}

/*
 * The same of the address by which pods leave there, which all flows ask about. age: of the last
 * answer that will do, in jiffies.
 */
static __always_inline bool is_uplinks_still(struct __sk_buff *skb, const struct pkt *pkt,
					     const struct addr *addr, __u32 oif, __u32 age)
{
	struct guard_watch *guard = guard_of(oif);
	__u32 now = bpf_jiffies64(), *checked;

	if (!guard)
		return is_still_ours(skb, pkt, addr);
	checked = pkt->v4 ? &guard->checked4 : &guard->checked6;
	if (now - *checked < age)
		return true;
	if (!is_still_ours(skb, pkt, addr))
		return false;
	*checked = now;
	return true;
}

/* Of an established flow that leaves there. Others that were renewed in this very jiffy may have
 * asked. */
static __always_inline bool is_ours_now(struct __sk_buff *skb, const struct pkt *pkt,
					const struct addr *addr, __u32 oif)
{
	struct uplink *uplink = bpf_map_lookup_elem(&uplinks, &oif);

	if (uplink && addr_equal(pkt->v4 ? &uplink->v4 : &uplink->v6, addr))
		return is_uplinks_still(skb, pkt, addr, oif, 1);
	return is_still_ours(skb, pkt, addr);
}

/* GO_ON: the flow leaves by uplink *oif, with *egress for its source. */
static __noinline enum reason find_egress(struct __sk_buff *skb, const struct pkt *pkt,
					  const struct pod *pod, struct addr *egress,
					  __u32 *oif)
{
	struct bpf_fib_lookup fib;
	struct uplink *uplink;

	if (!is_forwarded(fib_ask(skb, pkt, &pkt->dst, 0, &fib)))
		return REASON_PASS_LOCAL;
	*oif = fib.ifindex;
	uplink = bpf_map_lookup_elem(&uplinks, oif);
	if (!uplink || uplink->flags & UPLINK_FORMER)
		return REASON_PASS_NO_UPLINK;
	*egress = pod->egress;
	if (!addr_is_zero(egress))
		return is_still_ours(skb, pkt, egress) ? GO_ON : REASON_PASS_NO_EGRESS;
	*egress = pkt->v4 ? uplink->v4 : uplink->v6;
	/* once a second will do: a flow that is opened with one that the node has lost meanwhile is
	 * ended by its next packet (is_homeless() in follow.h) */
	if (addr_is_zero(egress) || !is_uplinks_still(skb, pkt, egress, *oif, hz))
		return REASON_PASS_NO_EGRESS;
	return GO_ON;
}

#endif
