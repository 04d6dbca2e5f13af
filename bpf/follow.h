/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_FOLLOW_H
#define CTNAT_FOLLOW_H

/* Packets of flows that conntrack knows: what an entry tells us, and when one has to end. */
#include "admit.h"
#include "ct.h"
#include "route.h"
#include "short.h"

/*
 * Does this packet show that an insert was answered? TCP: it is the handshake's third. UDP: the
 * first ones of the pod after a reply, until the flow is assured; a pod that repeats itself is
 * refunded more than it spent, but for two seconds, and at the price of a packet each.
 */
static __always_inline bool is_first_answer(const struct pkt *pkt, const struct nf_conn *ct)
{
	if (!(ct->status & IPS_SRC_NAT))
		return false;
	if (pkt->proto == IPPROTO_TCP)
		return ct->proto.tcp.state == TCP_CONNTRACK_SYN_RECV;
	return (ct->status & (IPS_SEEN_REPLY | IPS_ASSURED)) == IPS_SEEN_REPLY;
}

/*
 * A SYN for a connection that is over. Left alone, the kernel would replace the entry by one of its
 * own masquerade, and the pod's egress address and port range would be lost.
 */
static __always_inline bool is_reopening(const struct pkt *pkt, const struct nf_conn *ct)
{
	return is_plain_syn(pkt) && (ct->proto.tcp.state == TCP_CONNTRACK_TIME_WAIT ||
				     ct->proto.tcp.state == TCP_CONNTRACK_CLOSE);
}

/* UDP that nobody has answered yet, and perhaps nobody will: there is nothing to learn of it. */
static __always_inline bool is_unanswered(const struct nf_conn *ct, __u32 proto)
{
	return proto == IPPROTO_UDP && !(ct->status & IPS_SEEN_REPLY);
}

/*
 * Does the flow leave with an address that the node has lost? The kernel ends entries of its own
 * masquerade then, but not ours. Looked at where conntrack is asked once a second, and where nobody
 * answers.
 */
static __noinline bool is_homeless(struct __sk_buff *skb, const struct pkt *pkt,
				   const struct nf_conn *ct)
{
	struct addr egress;

	if (!is_established(ct, pkt->proto) && !is_unanswered(ct, pkt->proto) && !is_plain_syn(pkt))
		return false;
	egress = read_tuple(ct, true, pkt->v4).dst;
	return is_bpfs(ct->status) && !is_still_ours(skb, pkt, &egress);
}

static __always_inline struct flow_key arrival_of(const struct __sk_buff *skb,
						  const struct pkt *pkt)
{
	return (struct flow_key){
		.src = pkt->src,
		.dst = pkt->dst,
		.sport = pkt->sport,
		.dport = pkt->dport,
		.arrival = arrival(skb->ifindex, pkt->proto, pkt->v4),
	};
}

static __noinline int forget_arrival(struct __sk_buff *skb, const struct pkt *pkt)
{
	struct flow_key came = arrival_of(skb, pkt);

	return flow_forget(skb, &came);
}

/* What begins or ends a connection voids the answers of both directions. */
static __always_inline void follow_turn(struct __sk_buff *skb, const struct pkt *pkt)
{
	if (pkt->proto == IPPROTO_TCP && !is_data_segment(pkt->tcp_flags))
		forget_arrival(skb, pkt);
}

/* Hit? GO_ON: conntrack does not know the flow, or does no longer. generation: see note_asked(). */
static __noinline enum reason follow_out(struct __sk_buff *skb, const struct config *cfg,
					 const struct pkt *pkt, __u32 generation)
{
	enum reason reason = REASON_PASS_ESTABLISHED, end = GO_ON;
	struct flow_key came = arrival_of(skb, pkt);
	struct ct_key key = key_of_flow(pkt);
	struct nf_conn *ct;
	__u8 dir;

	ct = ct_lookup(skb, &key, &dir);
	if (!ct)
		return GO_ON;
	if (dir == CT_DIR_ORIGINAL) {
		if (is_reopening(pkt, ct))
			end = REASON_PASS_REVIVED;
		else if (is_homeless(skb, pkt, ct))
			end = REASON_ENDED_EGRESS;
		else if (is_first_answer(pkt, ct))
			charge_insert(budget_of(skb), -1);
		/* also if it was answered: that may be the very answer that to_pod is to drop */
		if (awaits_admission(ct->status))
			skb->tc_index = TOLD_OPENED;
	}
	if (end != GO_ON && !ct_end(ct))
		end = GO_ON;
	if (end == GO_ON && !awaits_admission(ct->status)) {
		if (is_unanswered(ct, pkt->proto))
			note_stack(cfg, &came, generation);
		else if (pkt->proto != IPPROTO_TCP || is_data_segment(pkt->tcp_flags))
			reason = note_asked(skb, cfg, &came, generation, ct);
	}
	if (reason == REASON_PASS_ASKED)
		expect_port(LOAD(tuple_of(ct, dir == CT_DIR_ORIGINAL), dst.u.all));
	bpf_ct_release(ct);
	if (end == GO_ON)
		return reason;
	flow_forget(skb, &came);
	count(skb, end);
	if (dry_run) {
		skb->tc_index = TOLD_ENDED;
		return GO_ON;
	}
	/* This look-up removes it from the table. If it finds one, another CPU has opened the flow
	 * again. */
	return ct_exists(skb, &key) ? REASON_PASS_ESTABLISHED : GO_ON;
}

/* The same for what comes from an uplink. */
static __noinline enum reason follow_in(struct __sk_buff *skb)
{
	struct config *cfg = get_config();
	enum reason reason = GO_ON;
	struct flow_key came;
	struct plain plain;
	struct nf_conn *ct;
	struct ct_key key;
	__u32 generation;
	__u8 dir;

	if (!cfg || cfg->short_way == SHORT_OFF || foreign(skb) ||
	    !parse_plain(skb, &plain, &came))
		return GO_ON;
	generation = generation_of(cfg, skb->ifindex);
	if (!is_data_segment(plain.tcp_flags)) {
		flow_forget(skb, &came);
		return GO_ON;
	}
	key = key_of_arrival(&came);
	ct = ct_lookup(skb, &key, &dir);
	if (!ct)
		return GO_ON;
	if (is_unanswered(ct, key.proto) && !(ct->status & IPS_NAT_MASK) &&
	    !bpf_map_lookup_elem(&pods, &came.dst))
		note_stack(cfg, &came, generation);	/* the node's own, or in transit */
	else if (note_asked(skb, cfg, &came, generation, ct) == REASON_PASS_ASKED)
		reason = REASON_PASS_ASKED;
	bpf_ct_release(ct);
	return reason;
}

#endif
