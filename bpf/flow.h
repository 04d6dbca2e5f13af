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

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))

static __always_inline __u32 jiffies_now(void)
{
	return bpf_jiffies64();
}

static __always_inline __u32 arrival(__u32 ifindex, __u8 proto)
{
	return ifindex << 8 | proto;
}

static __always_inline __u8 flow_proto(const struct flow_key *key)
{
	return key->arrival;
}

static __always_inline __u32 flow_in(const struct flow_key *key)
{
	return key->arrival >> 8;
}

static __always_inline struct flow4_key key4_of(const struct flow_key *key)
{
	return (struct flow4_key){
		.src = addr_ip(&key->src),
		.dst = addr_ip(&key->dst),
		.sport = key->sport,
		.dport = key->dport,
		.arrival = key->arrival,
	};
}

/* An answer (struct flow4 or flow6), or NULL. */
static __always_inline struct flow *flow_find(const struct flow_key *key, bool v4)
{
	struct flow4_key key4;

	if (!v4)
		return bpf_map_lookup_elem(&flows6, key);
	key4 = key4_of(key);
	return bpf_map_lookup_elem(&flows4, &key4);
}

static __always_inline void flow_delete(const struct flow_key *key, bool v4)
{
	struct flow4_key key4;

	if (!v4) {
		bpf_map_delete_elem(&flows6, key);
		return;
	}
	key4 = key4_of(key);
	bpf_map_delete_elem(&flows4, &key4);
}

/* Tells an answer from others that may come to lie in the same place; no hash of quality. */
static __always_inline __u32 flow_tag(const struct flow_key *key)
{
	const __u32 *src = (const void *)&key->src, *dst = (const void *)&key->dst;
	__u32 ports = (__u32)key->sport << 16 | key->dport;

	return src[3] + dst[3] * 3 + ports * 5 + key->arrival * 7;
}

/* An answer in the making. */
union answer {
	struct flow flow;
	struct flow4 v4;
	struct flow6 v6;
};

/* Puts the answer under its key, in place of another. Its tags are set here. */
static __always_inline void flow_put(const struct flow_key *key, union answer *answer, bool v4)
{
	struct flow4_key key4;

	answer->flow.tag = flow_tag(key);
	if (v4) {
		answer->v4.tag_again = answer->flow.tag;
		key4 = key4_of(key);
		bpf_map_update_elem(&flows4, &key4, &answer->v4, BPF_ANY);
	} else {
		answer->v6.tag_again = answer->flow.tag;
		bpf_map_update_elem(&flows6, key, &answer->v6, BPF_ANY);
	}
}

static __always_inline __u32 epoch_of(__u32 ifindex)
{
	__u32 key = ifindex % EPOCHS;
	__u32 *epoch = bpf_map_lookup_elem(&epochs, &key);

	return epoch ? READ_ONCE(*epoch) : 0;
}

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

/* Within its second: not after it, nor, as the clock wraps, ages before it. */
static __always_inline bool is_fresh(const struct flow *flow, __u32 now)
{
	return flow->until - now - 1 < hz;
}

/* An answer and its addresses after translation. In one breath: older verifiers forget which kind
 * of answer it is. */
static __always_inline struct flow *flow_find_addrs(const struct flow_key *key, bool v4,
						    struct addr *src, struct addr *dst)
{
	struct flow4_key key4;
	struct flow4 *flow4;
	struct flow6 *flow6;

	if (v4) {
		key4 = key4_of(key);
		flow4 = bpf_map_lookup_elem(&flows4, &key4);
		if (!flow4)
			return NULL;
		*src = addr_v4(flow4->src);
		*dst = addr_v4(flow4->dst);
		return &flow4->flow;
	}
	flow6 = bpf_map_lookup_elem(&flows6, key);
	if (!flow6)
		return NULL;
	*src = flow6->src;
	*dst = flow6->dst;
	return &flow6->flow;
}

/* SYN, FIN, RST: both directions are the stack's again. An answer "stack" may not know its reverse;
 * then that one lives on for its second. */
static __always_inline void flow_forget(const struct __sk_buff *skb, const struct flow_key *key,
					bool v4)
{
	struct flow_key reverse = {};
	struct flow *flow;

	flow = flow_find_addrs(key, v4, &reverse.dst, &reverse.src);
	if (!flow)
		return;
	reverse.sport = flow->dport;
	reverse.dport = flow->sport;
	reverse.arrival = arrival(flow->ifindex, flow_proto(key));
	flow_delete(key, v4);
	flow_delete(&reverse, v4);
	count(skb, REASON_FORGOTTEN);
}

/* What ingress tells egress of a packet on its way through the stack: in skb->tc_index, which the
 * stack does not touch. It says what to look at, never what to believe. */
enum told {
	TOLD_ASKED = 0xc7a1,	/* conntrack was asked: see what becomes of it */
	TOLD_OPENED,		/* an entry that BPF inserted: note that it was let out */
};

#endif
