/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_SHORT_H
#define CTNAT_SHORT_H

/*
 * The short way, at ingress: may a flow take it, and does this packet? Theory in flow.h.
 */
#include "admit.h"
#include "ct.h"
#include "flow.h"
#include "plain.h"
#include "rewrite.h"
#include "route.h"

/* ---- what conntrack says --------------------------------------------------------------------- */

static __always_inline bool has_extension(const struct nf_conn *ct, __u64 id)
{
	const struct nf_ct_ext *ext = ct->ext;

	return ext && *(ext->offset + id);
}

static __always_inline __s32 jiffies_left(const struct nf_conn *ct)
{
	return ct->timeout - (__u32)bpf_jiffies64();
}

/*
 * Is the connection perhaps over? An RST that the peer may or may not believe leaves it
 * ESTABLISHED, with the time-out of a closed one: the kernel must see what comes next. (Data that
 * is not yet acknowledged shortens it too, to minutes: so it is nearly always under load.)
 */
static __always_inline bool is_ebbing(const struct nf_conn *ct, const struct nf_tcp_net *tcp)
{
	__u32 full = tcp->timeouts[TCP_CONNTRACK_ESTABLISHED];
	__u32 ebb = tcp->timeouts[TCP_CONNTRACK_CLOSE];

	return jiffies_left(ct) <= (__s64)(ebb < full / 2 ? ebb : full / 2);
}

#define STATUS_NEVER (IPS_DYING | IPS_SEQ_ADJUST | IPS_TEMPLATE | IPS_UNTRACKED | IPS_OFFLOAD | \
		      IPS_HW_OFFLOAD)

/* Do the kernel's hooks see the flow as established, both ways? */
static __always_inline bool is_established(const struct nf_conn *ct, __u32 proto)
{
	__u32 status = ct->status;

	return (status & IPS_ASSURED) && (status & IPS_CONFIRMED) &&
	       (proto != IPPROTO_TCP || ct->proto.tcp.state == TCP_CONNTRACK_ESTABLISHED);
}

/*
 * May an established flow's packets pass conntrack unseen? Not if somebody works on each of them (a
 * helper, IPsec), if the operator said so by a bit of the ct mark, or if conntrack would take what
 * it sees next, a FIN beyond the window it knows, for invalid (tcp_be_liberal is 0).
 */
static __always_inline bool may_be_short(const struct nf_conn *ct, __u32 proto,
					 const struct config *cfg)
{
	const struct net *net = ct->ct_net.net;
	const struct nf_tcp_net *tcp = &net->ct.nf_ct_proto.tcp;

	if ((ct->status & STATUS_NEVER) || awaits_admission(ct->status))
		return false;
	if (bpf_core_field_exists(ct->mark) && (ct->mark & cfg->stack_mark))
		return false;
	if (has_extension(ct, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_HELPER)))
		return false;
	if (ipsec_policies(net))
		return false;
	return proto != IPPROTO_TCP || (tcp->tcp_be_liberal && !is_ebbing(ct, tcp));
}

/* Only we see the packets that pass between veths: what the kernel's hooks would do for each, once
 * a second. -EPERM, a fixed time-out, is as it should be. */
static __always_inline void refresh(struct nf_conn *ct, __u32 proto)
{
	const struct nf_ip_net *net = &ct->ct_net.net->ct.nf_ct_proto;
	__u64 full = proto == IPPROTO_TCP ? net->tcp.timeouts[TCP_CONNTRACK_ESTABLISHED] :
					    net->udp.timeouts[1];

	if (jiffies_left(ct) < (__s64)full - (__s64)hz && !dry_run)
		bpf_ct_change_timeout(ct, full * 1000 / hz);
}

/* ---- the packet's way ------------------------------------------------------------------------ */

/* Do packets of the direction leave like that? Then those of the other come by the inverse. */
static __always_inline bool leaves_as(const struct nf_conn *ct, __u8 dir, const struct addr *src,
				      const struct addr *dst, __be16 sport, __be16 dport)
{
	struct flow_key back = read_tuple(ct, dir == CT_DIR_ORIGINAL, addr_is_v4(src));

	return back.sport == dport && back.dport == sport && addr_equal(&back.src, dst) &&
	       addr_equal(&back.dst, src);
}

/*
 * Is what an answer says of the entry still true, and may be said for another second? The entry may
 * be another by now, of another pod's flow that has the same port of the node; and somebody may
 * have come to hang behind us. If it is not, there is no answer any more.
 */
__noinline int still_stands(struct __sk_buff *skb, const struct config *cfg,
			    const struct flow *answer)
{
	struct flow_key came;
	struct nf_conn *ct;
	bool stands = false;
	struct ct_key key;
	__u8 dir;

	if (!cfg || !answer)
		return false;
	came = answer->key;
	key = key_of_arrival(&came);
	ct = ct_lookup(skb, &key, &dir);
	if (ct) {
		stands = is_established(ct, key.proto) && may_be_short(ct, key.proto, cfg) &&
			 classifiers(device_of(skb), false) <= 1 &&
			 leaves_as(ct, dir, &answer->src, &answer->dst, answer->sport,
				   answer->dport);
		/* to a wire TCP's is the kernel's business, which knows more of it than we do */
		if (stands && (answer->way == WAY_PEER || key.proto == IPPROTO_UDP) &&
		    !has_extension(ct, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_TIMEOUT)))
			refresh(ct, key.proto);
		bpf_ct_release(ct);
	}
	if (!stands)
		flow_delete(&came, NULL);
	return stands;
}

/* Would the stack send it the same way again? Routing sees the destination after translation, the
 * source before. */
static __noinline bool still_leads(struct __sk_buff *skb, const struct flow *answer, __be32 flow,
				   __u32 len)
{
	const struct flow_key *came = &answer->key;
	const struct pkt pkt = {
		.v4 = addr_is_v4(&came->src),
		.proto = flow_proto(came),
		.flow = flow,
		.src = came->src,
		.sport = came->sport,
		.dport = answer->dport,
	};
	struct bpf_fib_lookup fib;

	return fib_ask(skb, &pkt, &answer->dst, len, &fib) == BPF_FIB_LKUP_RET_SUCCESS &&
	       fib.ifindex == answer->ifindex && fib.mtu_result == answer->mtu &&
	       mac_equal(fib.dmac, answer->dst_mac) && mac_equal(fib.smac, answer->src_mac) &&
	       (addr_equal(&pkt.src, &answer->src) ||
		is_ours_now(skb, &pkt, &answer->src, answer->ifindex));
}

/* Gives an answer another second, if that can be done without the stack. flow: as in struct pkt. */
static __noinline bool renew(struct __sk_buff *skb, const struct config *cfg, struct flow *answer,
			     __be32 flow, __u32 len)
{
	__u32 now = jiffies_now();
	bool to_pod = answer->way == WAY_PEER;

	if ((!to_pod && now - answer->met >= MEET_SECONDS * hz) ||
	    !still_stands(skb, cfg, answer) || (!to_pod && !still_leads(skb, answer, flow, len)))
		return false;
	if (!dry_run)
		answer->until = now + hz;
	return true;
}

/* GO_ON: not by what we know. */
static __always_inline enum reason judge_answer(struct __sk_buff *skb, const struct plain *plain,
						const struct flow_index *index, struct flow *flow,
						enum flow_way way, bool fresh,
						const struct config *cfg)
{
	__u32 len;

	if (!cfg || cfg->short_way == SHORT_OFF)
		return GO_ON;
	if (!is_ways_current(index, flow, cfg, skb->ifindex))
		return GO_ON;
	len = wire_len(skb, plain);
	if (len > flow->mtu)
		return fresh ? REASON_PASS_TOO_BIG : GO_ON;
	if (has_ipsec(skb))
		return GO_ON;
	if (!fresh && !renew(skb, cfg, flow, plain_flow(plain), len))
		return GO_ON;
	if (fresh && cfg->short_way == SHORT_UNCACHED && !still_stands(skb, cfg, flow))
		return GO_ON;
	return way == WAY_PEER ? REASON_SHORT_POD : REASON_SHORT_OUT;
}

/* As the answer says. */
static __always_inline void rewrite(struct __sk_buff *skb, const struct plain *plain,
				    const struct flow *flow)
{
	rewrite_ethernet(plain->ip - ETH_HLEN, flow);
	if (plain->v4)
		rewrite_ipv4(plain->ip, flow);
	else
		rewrite_ipv6(plain->ip, flow);
	rewrite_segment(skb, flow, plain);
	skb->priority = flow->priority;
}

/*
 * The short way of a family's packets. What a packet would have to be is only asked when there is
 * an answer for what it seems to be; what arrives by an uplink may even be passed to the stack
 * without that: anything may.
 */
static __always_inline enum reason take_short_way_as(struct __sk_buff *skb, bool v4,
						     const struct config *pods)
{
	struct flow_index *index = get_index();
	enum reason reason;
	enum flow_way way;
	struct plain plain;
	struct flow_id id;
	struct flow *flow;
	__u32 version;
	bool fresh;

	if (!index || !locate(skb, v4, &plain))
		return GO_ON;
	if (!pods && !has_bit(index->ports, dport_of(&plain)))
		return REASON_UPLINK_PASS;
	if (!is_data_segment(plain.tcp_flags))
		return GO_ON;
	id = id_of_plain(&plain);
	flow = flow_read(index, &id, v4, pods != NULL, &version);
	if (!flow)
		return GO_ON_NEW;
	fresh = is_fresh(flow, jiffies_now());
	way = READ_ONCE(flow->way);
	if (!pods && way == WAY_STACK)
		return fresh ? REASON_PASS_CACHED : GO_ON;
	if (version & 1)
		return GO_ON;
	if (!is_plain(skb, &plain, foreign(skb)))
		return GO_ON;
	/* right under any settings */
	if (way == WAY_STACK)
		return fresh ? REASON_PASS_CACHED : GO_ON;
	reason = judge_answer(skb, &plain, index, flow, way, fresh, pods ?: get_config());
	if (reason != REASON_SHORT_OUT && reason != REASON_SHORT_POD)
		return reason;
	if (test_race)
		__sync_fetch_and_add(&flow->version, 2);
	rewrite(skb, &plain, flow);
	if (reason == REASON_SHORT_OUT) {
		bpf_redirect(flow->ifindex, 0);
	} else {
		skb->mark = 0;	/* the node's marks are nothing to the pod */
		bpf_redirect_peer(flow->ifindex, 0);
	}
	return flow_version(flow) == version ? reason : REASON_DROP_TORN;
}

/* Sends a plain packet the short way if there is an answer that says how. GO_ON: there is none, or
 * GO_ON_NEW. pods: the settings, if it comes from a pod; NULL: by an uplink. */
static __always_inline enum reason take_short_way(struct __sk_buff *skb, const struct config *pods)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return take_short_way_as(skb, true, pods);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return take_short_way_as(skb, false, pods);
	return GO_ON;
}

/* "Stack" is the answer for a second, if answers may be kept. generation: read before conntrack was
 * asked. */
__noinline int note_stack(const struct config *cfg, const struct flow_key *key, __u32 generation)
{
	__u32 until = jiffies_now();
	struct flow *flow;

	if (dry_run || !cfg || !key || cfg->short_way == SHORT_OFF)
		return -1;
	if (cfg->short_way == SHORT_CACHED)
		until += hz;
	flow = flow_find(key);
	if (flow && is_current(flow, generation)) {
		flow->way = WAY_STACK;
		flow->until = until;
		return 0;
	}
	flow = flow_take(key);
	if (!flow)
		return -1;
	flow->until = until;
	flow->generation = generation;
	flow->way = WAY_STACK;
	flow->ifindex = 0;
	flow_release(flow);
	return 0;
}

/*
 * Conntrack was asked about a packet that goes on through the stack. If the flow is established,
 * and nobody behind us on this hook would miss its packets, this one is marked for those who watch
 * what becomes of it. Returns what to count.
 */
static __always_inline enum reason note_asked(struct __sk_buff *skb, const struct config *cfg,
					      const struct flow_key *key, __u32 generation,
					      const struct nf_conn *ct)
{
	__u8 proto = flow_proto(key);

	if (!is_established(ct, proto))
		return REASON_PASS_ESTABLISHED;
	note_stack(cfg, key, generation);
	if (cfg->short_way == SHORT_OFF || !may_be_short(ct, proto, cfg) ||
	    classifiers(device_of(skb), false) > 1)
		return REASON_PASS_ESTABLISHED;
	skb->tc_index = TOLD_ASKED;
	return REASON_PASS_ASKED;
}

#endif
