/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_FLOW_H
#define CTNAT_FLOW_H

/*
 * Theory of the short way: it repeats what the stack was just seen to do.
 *
 *	ingress		A packet of an established flow has no answer in `flows`: conntrack is
 *	(short.h)	asked, the answer "stack" is kept, and the packet passes, marked `asked`.
 *	the stack	routes, judges (FORWARD), translates, finds the neighbour.
 *	egress		sees the marked packet as it leaves, asks conntrack what it was when it
 *	(learn.h)	came, and makes the answer from the packet itself: device, MACs, addresses,
 *			ports, MTU.
 *	ingress		does the same to the packets that follow, and redirects them.
 *
 * So a direction of a flow takes the short way only after all of the stack let a packet of just
 * that direction through; we know no routes, neighbours, rules or services, and any kind of entry
 * is served by the same lines: our SNAT, kube-proxy's DNAT, a hostPort, both at once, none at all.
 * Set-up and tear-down stay in the stack: SYN, FIN and RST take no short way and void the answers
 * of both directions; conntrack's state is the truth, the answer a copy of limited life.
 *
 * What ends an answer's validity:
 *
 *	time		One second after conntrack was last asked. It is not asked before that, so
 *			what happens behind our back (conntrack -D, a rule, a route, a neighbour) is
 *			followed within a second.
 *	generation	The sum of three counters: of the configuration, and the epochs of the two
 *			devices that a packet passes. Whoever voids what is known of one of them
 *			counts up. A generation is read *before* conntrack is asked and before a
 *			pod's record is looked at; a DEL marks the record, sets the link down,
 *			counts up, flushes conntrack, frees the address, in this order. So an answer
 *			from before is void, and after it there is nothing to make one from.
 *
 * Renewal differs by what stands behind the device:
 *
 *	wire	One packet a second goes through the stack again, and the answer is made anew. It
 *		meets the firewall, keeps neighbour discovery alive (a MAC that changes silently
 *		would else be a black hole for ever), and refreshes the entry by the kernel's rules.
 *	peer	A pod on this node, behind a veth's queue: a packet through the stack would be
 *		overtaken by those that follow. Conntrack alone is asked, and as nobody else does,
 *		we refresh the entry with the administrator's own time-out.
 *
 * Values are replaced whole; `way` and `until` alone are written in place, which changes nothing of
 * what a reader on another CPU may be using.
 */
#include "kfunc_ct.h"
#include "maps.h"
#include "pkt.h"
#include "stats.h"

#define ANSWER_LIFE_NS 1000000000ull

static __always_inline __u32 epoch_of(__u32 ifindex)
{
	__u32 key = ifindex % EPOCHS;
	const volatile __u32 *epoch = bpf_map_lookup_elem(&epochs, &key);

	return epoch ? *epoch : 0;
}

/* Tells an answer from others that may come to lie in the same place; no hash of quality. */
static __always_inline __u32 flow_tag(const struct flow_key *key)
{
	const __u32 *src = (const void *)&key->src, *dst = (const void *)&key->dst;
	__u32 ports = (__u32)key->sport << 16 | key->dport;

	return (src[3] ^ src[2]) + (dst[3] ^ dst[2]) * 3 + ports * 5 + key->ifindex * 7 + key->proto;
}

/* Of what is known of packets that come by `in`, whichever way they leave. */
static __always_inline __u32 generation_of(const struct config *cfg, __u32 in)
{
	return ((const volatile struct config *)cfg)->generation + epoch_of(in);
}

/* The same of an answer's way as a whole. */
static __always_inline bool is_current(const struct flow *flow, __u32 generation)
{
	return flow->generation == generation + (flow->ifindex ? epoch_of(flow->ifindex) : 0);
}

/* The key of packets in the other direction. An answer "stack" may not know it, then theirs lives
 * on for its second. */
static __always_inline struct flow_key reverse_of(const struct flow *flow, __u32 proto)
{
	return (struct flow_key){
		.src = flow->dst,
		.dst = flow->src,
		.sport = flow->dport,
		.dport = flow->sport,
		.ifindex = flow->ifindex,
		.proto = proto,
	};
}

/* SYN, FIN, RST: both directions are the stack's again. */
static __always_inline void flow_forget(const struct __sk_buff *skb, const struct flow_key *key)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, key);
	struct flow_key reverse;

	if (!flow)
		return;
	reverse = reverse_of(flow, key->proto);
	bpf_map_delete_elem(&flows, key);
	bpf_map_delete_elem(&flows, &reverse);
	count(skb, REASON_FORGOTTEN);
}

/* What ingress tells egress of a packet on its way through the stack: in skb->tc_index, which the
 * stack does not touch. It says what to look at, never what to believe. */
enum told {
	TOLD_ASKED = 0xc7a1,	/* conntrack was asked: see what becomes of it */
	TOLD_OPENED,		/* an entry that BPF inserted: note that it was let out */
};

#endif
