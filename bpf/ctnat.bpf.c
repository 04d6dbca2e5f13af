// SPDX-License-Identifier: GPL-2.0
/*
 * The datapath. Four programs, each the story of a packet; every way out has a reason, and stats.h
 * counts it.
 *
 *	pod --> [from_pod] --> routing, netfilter (conntrack translates) --> [to_uplink] --> wire
 *	pod <-- [to_pod]   <-- routing, netfilter                    <-- [from_uplink] <-- wire
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
/* Jiffies a second of the kernel, and whether it has the casts of kernel.h (6.2); set likewise. */
const volatile __u32 hz = 250;
const volatile __u8 kernel_cast;
/* Whether the CPU lets loads overtake each other (not x86); set likewise. */
const volatile __u8 weak_order;
/* Random numbers, set likewise: where in `flows` a flow may lie is nobody else's business. */
const volatile __u32 flow_seed[10];
/* Tests set it: every race is lost, an insert's against another CPU's, and a reader's against a
 * writer of the answer. Dead code otherwise. */
const volatile __u8 test_race;
/*
 * Set by who asks what would become of a packet (BPF_PROG_TEST_RUN; kern/dryrun.c): every decision
 * is made, and nothing is done. Conntrack and `flows` are read and never written, and the verifier
 * is the witness (tests/bpf/test_load.c). What is counted and spent is lost: `stats`, `budgets` and
 * `guards` are then the asker's own copies. So nothing has to look at this but the few places where
 * conntrack or `flows` would be changed, none of them on the short way.
 */
const volatile __u8 dry_run;

#include "ct.h"
#include "follow.h"
#include "guard.h"
#include "learn.h"
#include "maps.h"
#include "pkt.h"
#include "policy.h"
#include "route.h"
#include "short.h"
#include "stats.h"

/* A flow that conntrack does not know, as far as anybody can tell. GO_ON: never. */
__noinline int open_flow(struct __sk_buff *skb, const struct config *cfg, const struct pkt *pkt,
			 const struct pod *pod)
{
	struct addr egress;
	enum reason reason;
	__u32 uplink;

	if (!cfg || !pkt || !pod)
		return REASON_PASS_STACK;
	reason = judge_opening(pkt);
	if (reason == GO_ON && level != LEVEL_FULL)
		reason = REASON_PASS_ASSISTED;
	if (reason == GO_ON)
		reason = find_egress(skb, pkt, pod, &egress, &uplink);
	if (reason != GO_ON)
		return reason;
	reason = ct_insert(skb, cfg, pkt, &egress, uplink);
	/* Whatever came of it: the packet may meet an entry of another CPU's that is to be
	 * admitted, or the guard that hears again. */
	skb->tc_index = TOLD_OPENED;
	return reason;
}

/* A flow of which nobody knows whether conntrack knows it. likely_new: then the insert finds out,
 * which fails if it does (ct.h), and a look-up is spared. */
static __always_inline enum reason judge_flow(struct __sk_buff *skb, const struct config *cfg,
					      const struct pkt *pkt, const struct pod *pod,
					      __u32 generation, bool likely_new)
{
	enum reason opened = REASON_PASS_RACED, reason;

	follow_turn(skb, pkt);
	if (level == LEVEL_FULL && likely_new)
		opened = open_flow(skb, cfg, pkt, pod);
	if (opened == REASON_PASS_INSERTED || opened == REASON_PASS_RETRIED)
		return opened;
	reason = follow_out(skb, cfg, pkt, generation);
	if (reason != GO_ON)
		return reason;
	return opened == REASON_PASS_RACED ? open_flow(skb, cfg, pkt, pod) : opened;
}

/* What takes no short way, plain or not. (A function of its own: its frame is gone when
 * conntrack is asked.) */
static __noinline enum reason parse_pods(struct __sk_buff *skb, struct pkt *pkt)
{
	struct flow_key key;
	struct plain plain;
	enum reason reason;

	if (!foreign(skb) && parse_plain(skb, &plain, &key)) {
		pkt_of_plain(&plain, &key, pkt);
		return GO_ON;
	}
	reason = judge_frame(skb);
	if (reason == GO_ON && !parse(skb, pkt))
		reason = REASON_PASS_MALFORMED;
	return reason;
}

/* Conntrack and the stack must be asked about it. (A function of its own: the frame of the short
 * way is all that lies below those who ask.) */
static __noinline enum reason judge_pods(struct __sk_buff *skb, struct config *cfg,
					 bool unheard_of)
{
	__u32 generation = generation_of(cfg, skb->ifindex);
	struct pod *pod = NULL;
	enum reason reason;
	struct pkt pkt;

	reason = parse_pods(skb, &pkt);
	if (reason == GO_ON)
		reason = judge_speaker(skb, cfg, &pkt, &pod);
	if (reason == GO_ON)
		reason = judge_shape(skb, &pkt, pod);
	if (reason == GO_ON)
		reason = judge_flow(skb, cfg, &pkt, pod, generation,
				    unheard_of || is_plain_syn(&pkt));
	return reason;
}

SEC("tc")
int ctnat_from_pod(struct __sk_buff *skb)
{
	struct config *cfg = get_config();
	enum reason reason = GO_ON;

	if (!cfg)
		return TC_ACT_UNSPEC;
	if (cfg->short_way != SHORT_OFF)
		reason = take_short_way(skb, cfg);
	if (reason >= GO_ON)
		reason = judge_pods(skb, cfg, reason == GO_ON_NEW);
	return leave(skb, reason);
}

SEC("tc")
int ctnat_to_pod(struct __sk_buff *skb)
{
	enum reason reason;

	reason = judge_answer_to(skb);
	if (reason == GO_ON)
		reason = REASON_POD_PASS;
	if (take_told(skb) == TOLD_ASKED && reason == REASON_POD_PASS)
		learn(skb, true);
	return leave(skb, reason);
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
	enum reason reason = take_short_way(skb, NULL);

	if (reason >= GO_ON)
		reason = follow_in(skb);
	return leave(skb, from_uplink(reason));
}

/* Of what ingress told, the guard's part. */
static __always_inline enum reason heed(struct __sk_buff *skb, __u32 told, enum reason reason)
{
	if (told == TOLD_OPENED)
		guard_heard(skb->ifindex);
	if (reason >= REASON_DROP_FIRST)
		return reason;
	if (told == TOLD_OPENED)
		return admit(skb, reason);
	if (told == TOLD_ASKED)
		learn(skb, false);
	return reason;
}

SEC("tc")
int ctnat_to_uplink(struct __sk_buff *skb)
{
	enum reason reason = REASON_GUARD_NOT_POD;
	__u32 told = take_told(skb);

	if (!is_strangers(skb))
		reason = judge_leaving(skb);
	if (told)
		reason = heed(skb, told, reason);
	return leave(skb, reason);
}

char _license[] SEC("license") = "GPL";
