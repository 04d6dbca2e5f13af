// SPDX-License-Identifier: GPL-2.0
/*
 * The datapath. Two programs, each the story of a packet; every way out has a reason, and stats.h
 * counts it.
 *
 *	pod --veth--> [ctnat_from_pod] --> routing, netfilter (conntrack translates)
 *	    --> [ctnat_to_uplink] --> wire
 *
 * from_pod lets a pod speak only for itself and gives new flows a conntrack entry with source NAT.
 * It never changes or redirects a packet: what it passes, the stack handles as if we were not
 * there. to_uplink is the guard: it relies on nothing that from_pod or the base table should have
 * done.
 *
 * parse (pkt.h) once, decide (policy.h, route.h) purely, ask and tell conntrack (ct.h), count
 * (stats.h) always. The steps that hold tuples are functions of their own (__noinline): together
 * they would not fit a stack of 512 bytes.
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
#include "maps.h"
#include "pkt.h"
#include "policy.h"
#include "route.h"
#include "stats.h"

SEC("tc")
int ctnat_from_pod(struct __sk_buff *skb)
{
	struct config *cfg = bpf_map_lookup_elem(&config, &(__u32){ 0 });
	struct pod *pod = NULL;
	struct addr egress;
	enum reason reason;
	struct pkt pkt;

	if (!cfg)
		return TC_ACT_UNSPEC;
	reason = judge_frame(skb);
	if (reason == GO_ON)
		reason = parse(skb, &pkt) ? GO_ON : REASON_PASS_MALFORMED;
	if (reason == GO_ON)
		reason = judge_speaker(skb, cfg, &pkt, &pod);
	if (reason == GO_ON)
		reason = judge_shape(skb, &pkt, pod);
	if (reason == GO_ON)
		reason = ct_follow(skb, &pkt);
	if (reason == GO_ON)
		reason = judge_opening(&pkt);
	if (reason == GO_ON)
		reason = find_egress(skb, &pkt, pod, &egress);
	if (reason == GO_ON)
		reason = ct_insert(skb, cfg, &pkt, &egress);
	return leave(skb, reason);
}

SEC("tc")
int ctnat_to_uplink(struct __sk_buff *skb)
{
	enum reason reason = REASON_GUARD_NOT_POD;
	struct addr src, dst;

	if (is_ip(skb) && load_addrs(skb, &src, &dst) && bpf_map_lookup_elem(&pods, &src))
		reason = class_of(&dst) == CLASS_LEAVE ? REASON_GUARD_PASS : REASON_DROP_LEAK;
	return leave(skb, reason);
}

SEC("tc")
int ctnat_to_pod(struct __sk_buff *skb)
{
	return leave(skb, REASON_POD_PASS);
}

SEC("tc")
int ctnat_from_uplink(struct __sk_buff *skb)
{
	return leave(skb, REASON_UPLINK_PASS);
}

char _license[] SEC("license") = "GPL";
