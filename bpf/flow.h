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
 *			what happens behind our back (conntrack -D, a route, a neighbour) is
 *			followed within a second; by what leaves to a wire, see below.
 *	generation	The sum of three counters: of the configuration, and the epochs of the two
 *			devices that a packet passes. Whoever voids what is known of one of them
 *			counts up. A generation is read *before* conntrack is asked and before a
 *			pod's record is looked at; a DEL marks the record, sets the link down,
 *			counts up, flushes conntrack, frees the address, in this order. So an answer
 *			from before is void, and after it there is nothing to make one from.
 *
 * Renewal differs by what stands behind the device:
 *
 *	wire	Conntrack and the FIB are asked: entry, route, MTU, neighbour and our address are
 *		as they were. Every fourth second or so, and whenever something is not, a packet
 *		goes through the stack again, and the answer is made anew. It meets the firewall,
 *		keeps neighbour discovery alive (a MAC that changes silently would else be a black
 *		hole for ever), and refreshes the entry by the kernel's rules.
 *	peer	A pod on this node, behind a veth's queue: a packet through the stack would be
 *		overtaken by those that follow. Conntrack alone is asked, and as nobody else does,
 *		we refresh the entry with the administrator's own time-out.
 */
#include "places.h"
#include "stats.h"

/* When a flow that leaves by the wire met the stack so long ago, its next renewal does again. */
#define MEET_SECONDS	4

/* Of what is known of packets that come by `in`, whichever way they leave. */
static __always_inline __u32 generation_of(const struct config *cfg, __u32 in)
{
	return READ_ONCE(cfg->generation) + epoch_of(in);
}

/* The same of an answer's way as a whole. */
static __always_inline bool is_current(const struct flow *flow, __u32 generation)
{
	return flow->generation == generation + (flow->ifindex ? epoch_of(flow->ifindex) : 0);
}

/* The same for each packet, of an answer that names a way. */
static __always_inline bool is_ways_current(const struct flow_index *index,
					    const struct flow *flow, const struct config *cfg,
					    __u32 in)
{
	return flow->generation ==
	       READ_ONCE(cfg->generation) + epoch_in(index, in) + epoch_in(index, flow->ifindex);
}

/* SYN, FIN, RST, or an entry that we end: both directions are the stack's again. An answer "stack"
 * may not know its reverse; then that one lives on for its second. */
__noinline int flow_forget(struct __sk_buff *skb, const struct flow_key *key)
{
	struct flow_key reverse = { 0 };

	if (!key || flow_delete(key, &reverse))
		return -1;
	flow_delete(&reverse, NULL);
	count(skb, REASON_FORGOTTEN);
	return 0;
}

/* What ingress tells egress of a packet on its way through the stack: in skb->tc_index, which the
 * stack does not touch. It says what to look at, never what to believe. */
enum told {
	TOLD_ASKED = 0xc7a1,	/* conntrack was asked: see what becomes of it */
	TOLD_OPENED,		/* its entry may be one of BPF's: note that it was let out */
	TOLD_ENDED,		/* nobody: a dry run, to itself, of an entry that it would end */
};

/* A dry run's answer beside its reason, in what its asker gets back of the context (DRY_* in
 * abi.h): what the entry would translate the source to. */
static __always_inline void tell_translation(struct __sk_buff *skb, const struct addr *egress,
					     __u16 port)
{
	const __u32 *word = (const void *)egress;

	skb->cb[DRY_EGRESS + 0] = word[0];
	skb->cb[DRY_EGRESS + 1] = word[1];
	skb->cb[DRY_EGRESS + 2] = word[2];
	skb->cb[DRY_EGRESS + 3] = word[3];
	skb->cb[DRY_PORT] = port;
}

#endif
