/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_POLICY_H
#define CTNAT_POLICY_H

/*
 * Decisions: who speaks, to which class of destination, within which limit. They read maps and a
 * parsed packet, and change nothing but the pod's budget.
 *
 * A pod speaks with its own addresses. Whatever else arrives from its veth is a mistake or an
 * attack, and the node must be as it was before: no neighbour entry, no route, no answer. What IPv6
 * needs before and beside the pod's own addresses is let through by name, and little of it:
 * neighbour solicitation and advertisement, MLD reports.
 */
#include "maps.h"
#include "pkt.h"
#include "stats.h"

/* MLD (RFC 2710, RFC 3810) as hosts send it: never a query. */
#define MLD_REPORT	131
#define MLD_DONE	132
#define MLD2_REPORT	143

#define ICMP4_REDIRECT	5
#define ICMP4_ROUTER	9	/* RFC 1256 */

#define DHCP_SERVER	67
#define DHCP6_SERVER	547

/*
 * Packets a second that a veth may send with a link-local source. Each new source can cost the node
 * a neighbour entry, of a table that all pods share and whose entries live for at least 5 s: a pod
 * may take some 40 of its 1024.
 */
#define LINK_LOCAL_LIMIT 8

/* fe80::1, the gateway of every pod (POD_GATEWAY6 in core/network.h): the node's, and nobody else
 * speaks for it. */
static const struct addr gateway6 = { .byte = { [0] = 0xfe, [1] = 0x80, [15] = 1 } };

/* The pod that owns both the address and the veth, or NULL. */
static __always_inline struct pod *pod_of(const struct __sk_buff *skb, const struct addr *addr)
{
	struct pod *pod = bpf_map_lookup_elem(&pods, addr);

	return pod && pod->ifindex == skb->ifindex ? pod : NULL;
}

static __always_inline bool may_have_class(const struct addr *dst)
{
	struct cidr_bloom *bloom = bpf_map_lookup_elem(&cidr_bloom, &(__u32){ 0 });

	if (!bloom)
		return true;
	if (addr_is_v4(dst))
		return has_bit(bloom->v4, dst->byte[12] << 8 | dst->byte[13]);
	return has_bit(bloom->v6, dst->byte[0] << 8 | dst->byte[1]);
}

static __always_inline enum masq_class class_of(const struct addr *dst)
{
	struct cidr_key key = { .prefixlen = 8 * sizeof(*dst), .addr = *dst };
	struct cidr_class *found;

	if (!may_have_class(dst))
		return CLASS_BPF;
	found = bpf_map_lookup_elem(&masq_cidrs, &key);
	return found ? found->class : CLASS_BPF;
}

/* This second's budget of the veth. */
static __always_inline struct budget *budget_of(const struct __sk_buff *skb)
{
	__u32 second = bpf_ktime_get_coarse_ns() / 1000000000, place = skb->ifindex % BUDGETS;
	struct budget *budget = bpf_map_lookup_elem(&budgets, &place);

	/* Two CPUs may both begin the second: then a few inserts are forgotten, which
	 * is no harm. */
	if (budget && (budget->second != second || budget->ifindex != skb->ifindex))
		*budget = (struct budget){ .ifindex = skb->ifindex, .second = second };
	return budget;
}

static __always_inline bool may_insert(const struct budget *budget, const struct config *cfg)
{
	return !budget || !cfg->insert_limit || budget->inserts < (__s64)cfg->insert_limit;
}

/* +1: inserted; -1: found out that one was answered. */
static __always_inline void charge_insert(struct budget *budget, int n)
{
	if (budget && (n > 0 || budget->inserts > 0))
		__sync_fetch_and_add(&budget->inserts, n);
}

static __always_inline bool may_be_link_local(const struct __sk_buff *skb)
{
	struct budget *budget = budget_of(skb);

	return !budget || __sync_fetch_and_add(&budget->link_local, 1) < LINK_LOCAL_LIMIT;
}

static __always_inline bool is_mld_report(const struct pkt *pkt)
{
	return pkt->proto == IPPROTO_ICMPV6 && pkt->ttl == 1 && !(pkt->flags & PKT_FRAGMENT) &&
	       (pkt->icmp_type == MLD_REPORT || pkt->icmp_type == MLD_DONE ||
		pkt->icmp_type == MLD2_REPORT);
}

/* Messages that only routers and servers send. A pod is neither, whatever its source address. */
static __always_inline enum reason rogue(const struct pkt *pkt)
{
	__u16 sport = bpf_ntohs(pkt->sport);

	if (pkt->proto == IPPROTO_UDP && sport == (pkt->v4 ? DHCP_SERVER : DHCP6_SERVER))
		return REASON_DROP_ROGUE_DHCP;
	if (pkt->v4 && pkt->proto == IPPROTO_ICMP &&
	    (pkt->icmp_type == ICMP4_REDIRECT || pkt->icmp_type == ICMP4_ROUTER))
		return REASON_DROP_ROGUE_RA;
	if (!pkt->v4 && pkt->proto == IPPROTO_ICMPV6 &&
	    (pkt->icmp_type == NDISC_ROUTER_ADVERTISEMENT || pkt->icmp_type == NDISC_REDIRECT))
		return REASON_DROP_ROGUE_RA;
	return GO_ON;
}

/*
 * A solicitation speaks for its source, which has been checked; if that is ::, and an advertisement
 * always, it claims its target. Hop limit 255 says that it was not forwarded (RFC 4861); extension
 * headers and fragments (RFC 6980) have no honest use here, and the kernel's idea of them need not
 * be ours.
 */
static __always_inline enum reason judge_nd(const struct __sk_buff *skb, const struct pkt *pkt,
					    bool own_source)
{
	bool nameless = addr_is_zero(&pkt->src);
	bool claims = nameless || pkt->icmp_type == NDISC_NEIGHBOUR_ADVERTISEMENT;

	if (pkt->ttl != 255 || pkt->flags)
		return REASON_DROP_SPOOFED_ND;
	if (nameless ? pkt->icmp_type == NDISC_NEIGHBOUR_ADVERTISEMENT :
	    !own_source && (!addr_is_link_local(&pkt->src) || addr_equal(&pkt->src, &gateway6)))
		return REASON_DROP_SPOOFED_ND;
	if (claims && !pod_of(skb, &pkt->target) &&
	    (!addr_is_link_local(&pkt->target) || addr_equal(&pkt->target, &gateway6)))
		return REASON_DROP_SPOOFED_ND;
	if (!own_source && !may_be_link_local(skb))
		return REASON_DROP_LINK_LOCAL;
	return REASON_PASS_NEIGHBOUR;
}

/*
 * Who speaks? GO_ON: the pod *pod, with an address of its own; or, only where spoof_check is off,
 * somebody else, and then *pod is NULL. The order matters: what may never be said at all comes
 * before the question who says it.
 */
static __always_inline enum reason judge_speaker(const struct __sk_buff *skb,
						 const struct config *cfg, const struct pkt *pkt,
						 struct pod **pod)
{
	bool link_local = !pkt->v4 && (addr_is_zero(&pkt->src) || addr_is_link_local(&pkt->src));
	enum reason reason = rogue(pkt);

	if (reason != GO_ON)
		return reason;
	if (pkt->flags & PKT_OPAQUE)
		return REASON_DROP_SPOOFED_ND;
	*pod = pkt->v4 || !addr_is_v4(&pkt->src) ? pod_of(skb, &pkt->src) : NULL;
	if (*pod && (*pod)->state == STATE_DYING)
		return REASON_DROP_DYING;
	if (is_nd(pkt))
		return judge_nd(skb, pkt, *pod);
	if (link_local && is_mld_report(pkt))
		return may_be_link_local(skb) ? REASON_PASS_NEIGHBOUR : REASON_DROP_LINK_LOCAL;
	if (*pod || !cfg->spoof_check)
		return GO_ON;
	return link_local ? REASON_DROP_LINK_LOCAL : REASON_DROP_SPOOFED;
}

/*
 * ARP speaks for its sender's addresses: the IP must be the pod's, the MAC the one that sent the
 * frame (not that of the pod's record: `tuning` may have changed it). Only requests and replies;
 * probes (sender 0.0.0.0) get no answer, and so find what they ask for free.
 */
static __always_inline enum reason judge_arp(struct __sk_buff *skb)
{
	struct addr sender;
	struct ethhdr eth;
	struct pod *pod;
	struct arp arp;

	if (!parse_arp(skb, &eth, &arp))
		return REASON_DROP_SPOOFED_ARP;
	if (arp.op != bpf_htons(ARP_REQUEST) && arp.op != bpf_htons(ARP_REPLY))
		return REASON_DROP_SPOOFED_ARP;
	for (int i = 0; i < ETH_ALEN; i++) {
		if (arp.sender_mac[i] != eth.h_source[i])
			return REASON_DROP_SPOOFED_ARP;
	}
	sender = addr_v4(arp.sender);
	pod = pod_of(skb, &sender);
	if (!pod)
		return REASON_DROP_SPOOFED_ARP;
	return pod->state == STATE_DYING ? REASON_DROP_DYING : REASON_PASS_NEIGHBOUR;
}

/*
 * What the frame says, before any header in it is believed. Only a frame to a foreign MAC is let go
 * unseen, because the stack drops it; to broadcast and multicast MACs speak the very ARP and
 * neighbour discovery that must be judged.
 *
 * The same with VLAN tags: the kernel has taken the first one off before we run. With VID 0 it goes
 * on as if there had been none, so a tagged packet is judged as any other (and never translated:
 * judge_shape). A second tag would be taken off behind us, and what it covers delivered unjudged.
 */
static __always_inline enum reason judge_frame(struct __sk_buff *skb)
{
	if (skb->pkt_type == PACKET_OTHERHOST)
		return REASON_PASS_NOT_OURS;
	if (is_tag(skb->protocol))
		return REASON_DROP_NESTED_TAG;
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return judge_arp(skb);
	return is_ip(skb) ? GO_ON : REASON_PASS_NOT_OURS;
}

/* Only what both sides understand alike is looked up in conntrack; the stack is always right about
 * the rest. */
static __always_inline enum reason judge_shape(const struct __sk_buff *skb, const struct pkt *pkt,
					       const struct pod *pod)
{
	if (skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return REASON_PASS_NOT_OURS;
	if (pkt->flags & PKT_BAD_LENGTH)
		return REASON_PASS_MALFORMED;
	if (!pod || pkt->flags || pkt->ttl <= 1 ||
	    (pkt->proto != IPPROTO_TCP && pkt->proto != IPPROTO_UDP))
		return REASON_PASS_STACK;
	return GO_ON;
}

static __always_inline bool is_plain_syn(const struct pkt *pkt)
{
	return pkt->proto == IPPROTO_TCP &&
	       (pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* May a flow that conntrack does not know be opened here, and does BPF translate it? */
static __always_inline enum reason judge_opening(const struct pkt *pkt)
{
	if (pkt->proto == IPPROTO_TCP && !is_plain_syn(pkt))
		return REASON_PASS_NOT_SYN;
	switch (class_of(&pkt->dst)) {
	case CLASS_BPF:
		return GO_ON;
	case CLASS_SERVICE:
		return REASON_PASS_SERVICE;
	case CLASS_LEAVE:
		return REASON_PASS_LEAVE;
	default:
		return REASON_PASS_KERNEL;
	}
}

#endif
