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
 * `flows` is an array of small sets, and the hash is our own, because on this path a call is what
 * costs most: a look-up in a hash map makes two. A flow may lie in any place of its set, and takes
 * one whose second is over; if there is none, it has to do without an answer.
 *
 * One CPU at a time writes a place: it makes `version` odd, and even again when it is done. A
 * reader looks at it before and after: a packet that was rewritten by halves of two answers is
 * dropped. `way` and `until` alone are also written in place, which changes nothing of what a
 * reader may be using.
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

/* NH (RFC 4418, 5.2.1), with a secret of each load's own: nobody can choose flows that meet. */
static __always_inline struct flow_set *flow_set_of(const struct flow_key *key)
{
	const __u64 *word = (const void *)key;
	__u64 hash = (word[0] + flow_seed[0]) * (word[1] + flow_seed[1]) +
		     (word[2] + flow_seed[2]) * (word[3] + flow_seed[3]) +
		     (word[4] + flow_seed[4]) * 0x9e3779b97f4a7c15;
	__u32 index = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15 >> 47;

	_Static_assert(FLOW_SETS == 1 << 17, "the index has 17 bits");
	return bpf_map_lookup_elem(&flows, &index);
}

static __always_inline bool same_key(const struct flow_key *a, const struct flow_key *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;

	return x[4] == y[4] && x[1] == y[1] && x[3] == y[3] && x[0] == y[0] && x[2] == y[2];
}

/* An answer, or NULL. */
static __always_inline struct flow *flow_find(const struct flow_key *key)
{
	struct flow_set *set = flow_set_of(key);

	if (!set)
		return NULL;
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		if (same_key(&set->flow[i].key, key))
			return &set->flow[i];
	}
	return NULL;
}

/* Within its second: not after it, nor, as the clock wraps, ages before it. */
static __always_inline bool is_fresh(const struct flow *flow, __u32 now)
{
	return flow->until - now - 1 < hz;
}

/* The place where the flow is, or else one whose answer is over, or NULL. */
static __always_inline struct flow *flow_place(const struct flow_key *key)
{
	struct flow_set *set = flow_set_of(key);
	__u32 now = jiffies_now();

	if (!set)
		return NULL;
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		if (same_key(&set->flow[i].key, key))
			return &set->flow[i];
	}
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		if (!is_fresh(&set->flow[i], now))
			return &set->flow[i];
	}
	return NULL;
}

/* True: the place is ours to write, until flow_release(). */
static __always_inline bool flow_claim(struct flow *place)
{
	__u32 version = place->version;

	return !(version & 1) &&
	       __sync_val_compare_and_swap(&place->version, version, version + 1) == version;
}

static __always_inline void flow_release(struct flow *place)
{
	__sync_fetch_and_add(&place->version, 1);
}

/* Puts the answer where it belongs. If another CPU writes there just now, it is not put: the next
 * packet will see to it. */
static __noinline int flow_put(struct flow *answer)
{
	struct flow *place = flow_place(&answer->key);

	if (!place || !flow_claim(place))
		return -1;
	answer->version = place->version;
	*place = *answer;
	flow_release(place);
	return 0;
}

/* An answer that is no more: no packet has such a key. */
static __noinline int flow_delete(const struct flow_key *key)
{
	struct flow *flow = flow_find(key);

	if (!flow || !flow_claim(flow))
		return -1;
	flow->key.arrival = 0;
	flow->until = jiffies_now() - hz;
	flow_release(flow);
	return 0;
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

/* SYN, FIN, RST: both directions are the stack's again. An answer "stack" may not know its reverse;
 * then that one lives on for its second. */
static __noinline int flow_forget(const struct __sk_buff *skb, const struct flow_key *key)
{
	struct flow *flow = flow_find(key);
	struct flow_key reverse;

	if (!flow)
		return -1;
	reverse = (struct flow_key){
		.src = flow->dst,
		.dst = flow->src,
		.sport = flow->dport,
		.dport = flow->sport,
		.arrival = arrival(flow->ifindex, flow_proto(key)),
	};
	flow_delete(key);
	flow_delete(&reverse);
	count(skb, REASON_FORGOTTEN);
	return 0;
}

/* What ingress tells egress of a packet on its way through the stack: in skb->tc_index, which the
 * stack does not touch. It says what to look at, never what to believe. */
enum told {
	TOLD_ASKED = 0xc7a1,	/* conntrack was asked: see what becomes of it */
	TOLD_OPENED,		/* an entry that BPF inserted: note that it was let out */
};

#endif
