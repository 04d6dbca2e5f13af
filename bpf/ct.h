/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_CT_H
#define CTNAT_CT_H

/*
 * Theory: conntrack is the only table of flows there is. A flow's first packet makes us insert an
 * entry with source NAT before the stack sees the packet; the kernel's hooks then find the entry
 * and translate, both ways, as for any other. Nothing needs to be told when an entry ends.
 *
 * An insert has no side effect until it succeeds, and it fails exactly if one of the entry's two
 * tuples is in the table:
 *
 *   the original one (pod -> destination)		somebody inserted the same flow: use theirs
 *   the one of replies (destination -> egress:port)	somebody has that port: take another
 *
 * So the port is always named, and the insert alone decides. (Port 0 would let netfilter choose,
 * but it reuses the port of any other flow of the same source and knows nothing of our range.) The
 * pod's own port is nearly always free, and inserted without a question. From the first insert that
 * is lost on, a look-up of the reply's tuple comes before: it spares an allocation for each port
 * that is taken, and removes what has expired but still stands in the way.
 *
 * The same holds for the flow. A SYN, or a datagram of a flow of which `flows` has never heard, is
 * very likely its first packet: then the insert is tried before conntrack is asked, and only if it
 * is lost the entry is looked for. Any other packet asks first.
 *
 * An allocated entry cannot be given back, only inserted: whatever can be checked is checked
 * before.
 *
 * The entry is there before FORWARD has judged its first packet. Let out, the packet is seen by
 * to_uplink, which marks the entry as admitted. What comes back to an entry that never was, to_pod
 * drops, and ends the entry: a firewall dropped what it would be an answer to (admit.h).
 */
#include "flow.h"
#include "guard.h"
#include "kfunc_ct.h"
#include "maps.h"
#include "pkt.h"
#include "policy.h"
#include "stats.h"

/* Ports looked at for one flow, the kept one included: all of a small range; of a large one that
 * many, spread over all of it, because ports in use come in blocks. The packet that finds none is
 * not lost: the base table looks on. */
#define PORTS_TRIED 128

struct ct_key {
	struct bpf_sock_tuple tuple;
	bool v4;		/* which part of `tuple` counts */
	__u8 proto;
};

/* Computed and bounded anew for each call: the verifier no longer knows what stood beside memory
 * that a kfunc was given. */
static __always_inline __u32 tuple_size(const struct ct_key *key)
{
	__u32 size = key->v4 ? sizeof(key->tuple.ipv4) : sizeof(key->tuple.ipv6);

	barrier_var(size);
	return size <= sizeof(key->tuple) ? size : sizeof(key->tuple);
}

static __always_inline struct ct_key key_of(const struct pkt *pkt, const struct addr *src,
					      const struct addr *dst, __be16 sport, __be16 dport)
{
	struct ct_key key = { .v4 = pkt->v4, .proto = pkt->proto };

	if (pkt->v4) {
		key.tuple.ipv4.saddr = addr_ip(src);
		key.tuple.ipv4.daddr = addr_ip(dst);
		key.tuple.ipv4.sport = sport;
		key.tuple.ipv4.dport = dport;
	} else {
		__builtin_memcpy(key.tuple.ipv6.saddr, src, sizeof(*src));
		__builtin_memcpy(key.tuple.ipv6.daddr, dst, sizeof(*dst));
		key.tuple.ipv6.sport = sport;
		key.tuple.ipv6.dport = dport;
	}
	return key;
}

static __always_inline struct ct_key key_of_flow(const struct pkt *pkt)
{
	return key_of(pkt, &pkt->src, &pkt->dst, pkt->sport, pkt->dport);
}

/* Of a packet as it arrives. */
static __always_inline struct ct_key key_of_arrival(const struct flow_key *flow)
{
	const struct pkt pkt = { .v4 = addr_is_v4(&flow->src), .proto = flow_proto(flow) };

	return key_of(&pkt, &flow->src, &flow->dst, flow->sport, flow->dport);
}

/* An acquired entry, or NULL. *dir: whose tuple the key was. */
static __always_inline struct nf_conn *ct_lookup(struct __sk_buff *skb, struct ct_key *key,
						 __u8 *dir)
{
	struct bpf_ct_opts opts = { .netns_id = BPF_F_CURRENT_NETNS, .l4proto = key->proto };
	struct nf_conn *ct =
		bpf_skb_ct_lookup(skb, &key->tuple, tuple_size(key), &opts, sizeof(opts));

	*dir = opts.dir;
	return ct;
}

/* Whoever looks it up next removes it. False: it has a time-out that is not to be changed. */
static __always_inline bool ct_end(struct nf_conn *ct)
{
	if (dry_run)
		return !(ct->status & IPS_FIXED_TIMEOUT);
	return !bpf_ct_change_timeout(ct, 0);
}

static __always_inline bool ct_exists(struct __sk_buff *skb, struct ct_key *key)
{
	__u8 dir;
	struct nf_conn *ct = ct_lookup(skb, key, &dir);

	if (!ct)
		return false;
	bpf_ct_release(ct);
	return true;
}

/* Would a reply to that port meet a socket of the node? Sockets bound to a device are not seen from
 * the pod's. */
static __always_inline bool node_listens(struct __sk_buff *skb, struct ct_key *reply)
{
	struct bpf_sock *sk;

	if (reply->proto == IPPROTO_TCP)
		sk = bpf_skc_lookup_tcp(skb, &reply->tuple, tuple_size(reply), BPF_F_CURRENT_NETNS,
					0);
	else
		sk = bpf_sk_lookup_udp(skb, &reply->tuple, tuple_size(reply), BPF_F_CURRENT_NETNS,
				       0);
	if (!sk)
		return false;
	bpf_sk_release(sk);
	return true;
}

static __always_inline struct nf_conn___init *ct_alloc(struct __sk_buff *skb, struct ct_key *key)
{
	struct bpf_ct_opts opts = { .netns_id = BPF_F_CURRENT_NETNS, .l4proto = key->proto };

	return bpf_skb_ct_alloc(skb, &key->tuple, tuple_size(key), &opts, sizeof(opts));
}

static __always_inline int ct_set_source(struct nf_conn___init *ct, const struct pkt *pkt,
					 const struct addr *egress, __u16 port)
{
	union nf_inet_addr addr = {};

	if (pkt->v4)
		addr.ip = addr_ip(egress);
	else
		__builtin_memcpy(&addr, egress, sizeof(addr));
	return bpf_ct_set_nat_info(ct, &addr, port, NF_NAT_MANIP_SRC);
}

/* For tests: what another CPU might do between our alloc and our insert. */
static __noinline int insert_winner(struct __sk_buff *skb, const struct pkt *pkt,
				    const struct addr *egress, __u16 port)
{
	struct ct_key key = key_of_flow(pkt);
	struct nf_conn___init *init = ct_alloc(skb, &key);
	struct nf_conn *ct;

	if (!init)
		return -1;
	ct_set_source(init, pkt, egress, port);
	ct = bpf_ct_insert_entry(init);
	if (!ct)
		return -1;
	bpf_ct_release(ct);
	return 0;
}

/* A flow being opened: what all attempts share. */
struct opening {
	struct __sk_buff *skb;
	const struct config *cfg;
	const struct pkt *pkt;
	const struct addr *egress;
	__u32 first;		/* where in the range to begin */
	enum reason reason;
};

/* Inserts the flow's entry with this port. GO_ON: the insert was lost. *key: the flow's, after. */
static __always_inline enum reason ct_insert_at(const struct opening *op, struct ct_key *key,
						__u16 port)
{
	struct nf_conn___init *init;
	struct nf_conn *ct;
	int ret;

	*key = key_of_flow(op->pkt);
	init = ct_alloc(op->skb, key);
	if (!init)
		return REASON_PASS_ALLOC_FAILED;
	if (test_race)
		insert_winner(op->skb, op->pkt, op->egress, port);
	ret = ct_set_source(init, op->pkt, op->egress, port);
	bpf_ct_set_timeout(init, op->cfg->insert_timeout_ms);
	ct = bpf_ct_insert_entry(init);
	if (!ct)
		return GO_ON;
	/* Without NAT the kernel would send the flow out as it is: the table shall
	 * have it instead. */
	if (ret)
		bpf_ct_change_timeout(ct, 0);
	else
		expect_port(bpf_htons(port));
	bpf_ct_release(ct);
	return ret ? REASON_PASS_ALLOC_FAILED : REASON_PASS_INSERTED;
}

/*
 * A dry run's ct_insert_at(): what an insert minds are both tuples, but those of an entry that
 * would have been ended before. Tells what would be inserted. RACED: conntrack knows the flow.
 */
static __noinline enum reason would_insert(const struct opening *op, struct ct_key *reply,
					   __u16 port)
{
	struct ct_key flow = key_of_flow(op->pkt);
	bool ended = op->skb->tc_index == TOLD_ENDED, known, taken;
	struct nf_conn *mine, *holder;
	__u8 dir;

	mine = ct_lookup(op->skb, &flow, &dir);
	holder = ct_lookup(op->skb, reply, &dir);
	known = mine && !ended;
	taken = holder && (holder != mine || !ended);
	if (mine)
		bpf_ct_release(mine);
	if (holder)
		bpf_ct_release(holder);
	if (known)
		return REASON_PASS_RACED;
	if (taken)
		return GO_ON;
	tell_translation(op->skb, op->egress, port);
	return REASON_PASS_INSERTED;
}

/* One attempt: the pod's own source port if it is in the range, unasked and then asked; then those
 * of the range. 1: the opening has ended. */
static long try_port(__u32 i, struct opening *op)
{
	__u32 size = op->cfg->port_max - op->cfg->port_min + 1;
	__u32 step = size > PORTS_TRIED ? size / PORTS_TRIED : 1;
	const struct pkt *pkt = op->pkt;
	__u16 port = bpf_ntohs(pkt->sport);
	__u32 n = i ? i - 1 : 0;
	enum reason reason;
	struct ct_key key;

	if (n > size)
		return 1;
	if (n || port < op->cfg->port_min || port > op->cfg->port_max)
		port = op->cfg->port_min + (op->first + n * step) % size;
	key = key_of(pkt, &pkt->dst, op->egress, pkt->dport, bpf_htons(port));
	if ((i && ct_exists(op->skb, &key)) || node_listens(op->skb, &key))
		return 0;

	reason = dry_run ? would_insert(op, &key, port) : ct_insert_at(op, &key, port);
	if (reason == GO_ON) {
		if (dry_run || !ct_exists(op->skb, &key))
			return 0;
		reason = REASON_PASS_RACED;
	}
	op->reason = n && reason == REASON_PASS_INSERTED ? REASON_PASS_RETRIED : reason;
	return 1;
}

/* Miss: the last step of the story. At level `assisted` all of the above is unreachable, which the
 * verifier knows. */
static __always_inline enum reason ct_insert(struct __sk_buff *skb, const struct config *cfg,
					     const struct pkt *pkt, const struct addr *egress,
					     __u32 uplink)
{
	struct opening op = {
		.skb = skb,
		.cfg = cfg,
		.pkt = pkt,
		.egress = egress,
		.first = bpf_get_prandom_u32() & 0xffff,
		.reason = REASON_PASS_EXHAUSTED,
	};
	struct budget *budget;

	if (!guard_hears(uplink))
		return REASON_PASS_UNGUARDED;
	budget = budget_of(skb);
	if (!may_insert(budget, cfg))
		return REASON_PASS_LIMITED;
	bpf_loop(1 + PORTS_TRIED, try_port, &op, 0);
	/* Who finds no port pays, too: of all openings it cost the most. */
	if (op.reason != REASON_PASS_RACED && op.reason != REASON_PASS_ALLOC_FAILED)
		charge_insert(budget, 1);
	if (op.reason == REASON_PASS_INSERTED || op.reason == REASON_PASS_RETRIED)
		guard_tell(uplink);
	return op.reason;
}

#endif