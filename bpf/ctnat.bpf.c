// SPDX-License-Identifier: GPL-2.0
/*
 * The datapath. Four programs, each the story of a packet; every way out has a reason, and stats.h
 * counts it.
 *
 *	pod --veth--> [from_pod] --> routing, netfilter (conntrack translates) --> [to_uplink] --> wire
 *	pod <--veth-- [to_pod]   <-- routing, netfilter                      <-- [from_uplink] <-- wire
 *
 * from_pod lets a pod speak only for itself and gives new flows a conntrack entry with source NAT;
 * what it passes, the stack handles as if we were not there. to_uplink is the guard: it relies on
 * nothing that from_pod or the base table should have done.
 *
 * Packets of established flows take the short way, from the left column straight to the right one
 * or back: the programs at egress note what the stack does with a flow, those at ingress repeat it
 * (flow.h).
 *
 * parse (pkt.h, plain.h) once, decide (policy.h, route.h) purely, ask and tell conntrack (ct.h,
 * follow.h), count (stats.h) always. The steps that hold tuples are functions of their own
 * (__noinline): together they would not fit a stack of 512 bytes.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

/* enum datapath_level, set before loading. */
const volatile __u32 level = LEVEL_FULL;
/* Jiffies a second of the kernel, and whether it has bpf_cast_to_kern_ctx() (6.2); set likewise. */
const volatile __u32 hz = 250;
const volatile __u8 kernel_cast;
/* Tests set it: every insert loses against another CPU's. Dead code otherwise. */
const volatile __u8 test_race;

#include "ct.h"
#include "follow.h"
#include "learn.h"
#include "maps.h"
#include "pkt.h"
#include "policy.h"
#include "route.h"
#include "short.h"
#include "stats.h"

static __always_inline struct config *get_config(void)
{
	return bpf_map_lookup_elem(&config, &(__u32){ 0 });
}

static __noinline enum reason short_way_of_pod(struct __sk_buff *skb, struct config *cfg)
{
	struct plain plain;

	return arrives_plain(skb, &plain) ? take_short_way(skb, cfg, &plain) : GO_ON;
}

/* What conntrack and the stack must be asked about. */
static __noinline enum reason judge_pods(struct __sk_buff *skb, struct config *cfg)
{
	__u32 generation = generation_of(cfg, skb->ifindex);
	struct pod *pod = NULL;
	struct addr egress;
	enum reason reason;
	struct pkt pkt;

	reason = judge_frame(skb);
	if (reason == GO_ON)
		reason = parse(skb, &pkt) ? GO_ON : REASON_PASS_MALFORMED;
	if (reason == GO_ON)
		reason = judge_speaker(skb, cfg, &pkt, &pod);
	if (reason == GO_ON)
		reason = judge_shape(skb, &pkt, pod);
	if (reason == GO_ON)
		reason = follow_out(skb, cfg, &pkt, generation);
	if (reason == GO_ON)
		reason = judge_opening(&pkt);
	if (reason == GO_ON)
		reason = find_egress(skb, &pkt, pod, &egress);
	if (reason == GO_ON)
		reason = ct_insert(skb, cfg, &pkt, &egress);
	return reason;
}

SEC("tc")
int ctnat_from_pod(struct __sk_buff *skb)
{
	struct config *cfg = get_config();
	enum reason reason;

	if (!cfg)
		return TC_ACT_UNSPEC;
	reason = cfg->short_way == SHORT_OFF ? GO_ON : short_way_of_pod(skb, cfg);
	if (reason == GO_ON)
		reason = judge_pods(skb, cfg);
	return leave(skb, reason);
}

SEC("tc")
int ctnat_to_pod(struct __sk_buff *skb)
{
	struct config *cfg = get_config();
	enum reason reason = judge_answer_to(skb);

	if (reason == GO_ON && cfg)
		reason = watch(skb, cfg, true);
	return leave(skb, reason == GO_ON ? REASON_POD_PASS : reason);
}

/* The same steps, counted apart: most of an uplink's packets are no pod's. */
static __always_inline enum reason from_uplink(enum reason reason)
{
	switch (reason) {
	case GO_ON:
		return REASON_UPLINK_PASS;
	case REASON_PASS_CACHED:
		return REASON_UPLINK_CACHED;
	case REASON_SHORT_OUT:
	case REASON_SHORT_POD:
		return REASON_SHORT_IN;
	default:
		return reason;
	}
}

SEC("tc")
int ctnat_from_uplink(struct __sk_buff *skb)
{
	struct config *cfg = get_config();
	enum reason reason = GO_ON;
	struct plain plain;

	if (cfg && cfg->short_way != SHORT_OFF && arrives_plain(skb, &plain)) {
		reason = take_short_way(skb, cfg, &plain);
		if (reason == GO_ON)
			reason = follow_in(skb, cfg, &plain, generation_of(cfg, skb->ifindex));
	}
	return leave(skb, from_uplink(reason));
}

SEC("tc")
int ctnat_to_uplink(struct __sk_buff *skb)
{
	enum reason reason, verdict = REASON_GUARD_NOT_POD;
	struct config *cfg = get_config();
	struct addr src, dst;

	if (is_ip(skb) && load_addrs(skb, &src, &dst) && bpf_map_lookup_elem(&pods, &src))
		verdict = class_of(&dst) == CLASS_LEAVE ? REASON_GUARD_PASS : REASON_DROP_LEAK;
	if (cfg && verdict != REASON_DROP_LEAK) {
		reason = watch(skb, cfg, false);
		if (reason != GO_ON)
			verdict = reason;
	}
	return leave(skb, verdict);
}

char _license[] SEC("license") = "GPL";
