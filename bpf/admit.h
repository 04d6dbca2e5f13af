/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_ADMIT_H
#define CTNAT_ADMIT_H

/*
 * Theory: the kernel confirms an entry of its own only after every hook has let the first packet
 * through. BPF's entry is in the table before, and if FORWARD then drops the packet, the entry
 * stays: an answer to it would be `ct state established`, and pass. So an entry of BPF's has to be
 * admitted:
 *
 *	to_uplink	sees a packet leave that FORWARD judged as new: marks the entry
 *	to_pod		drops what comes back to an entry without the mark, and ends the entry
 *	to_uplink	drops what FORWARD took for established while there was no mark: the answer
 *			was on its way to to_pod just then
 *
 * Whatever device an answer comes by, whatever shape it has, it must pass to_pod. The mark is in
 * the entry itself, so it lives as long, and nothing has to be kept, or can be lost, beside it.
 */
#include "ct.h"
#include "kernel.h"

/*
 * Of the status bits that a program may set, the one that the kernel reads of unconfirmed entries
 * only (__nf_ct_try_assign_helper()); every entry we meet is confirmed.
 */
#define IPS_ADMITTED IPS_HELPER

/*
 * Entries that BPF made: source NAT is set up, destination NAT never will be, for the kernel leaves
 * confirmed entries alone (nf_nat_setup_info()). Its own have both, if only as "no change".
 */
static __always_inline bool is_bpfs(unsigned long status)
{
	return (status & (IPS_SRC_NAT | IPS_NAT_DONE_MASK)) == (IPS_SRC_NAT | IPS_SRC_NAT_DONE);
}

static __always_inline bool awaits_admission(unsigned long status)
{
	return level == LEVEL_FULL && is_bpfs(status) && !(status & IPS_ADMITTED);
}

static __always_inline struct addr read_addr(union nf_inet_addr *from, bool v4)
{
	union nf_inet_addr v6;
	struct addr addr;

	if (v4)
		return addr_v4(LOAD(from, ip));
	for (int i = 0; i < 4; i++)
		v6.all[i] = LOAD(from, all[i]);
	__builtin_memcpy(&addr, &v6, sizeof(addr));
	return addr;
}

/* (Not field by field of the entry: with each of an acquired one the verifier of 6.18 searches all
 * of the kernel's types.) */
static __always_inline struct nf_conntrack_tuple *tuple_of(const struct nf_conn *ct, bool reply)
{
	if (reply)
		return AS(struct nf_conntrack_tuple, &ct->tuplehash[CT_DIR_REPLY].tuple);
	return AS(struct nf_conntrack_tuple, &ct->tuplehash[CT_DIR_ORIGINAL].tuple);
}

/* The tuple of one direction: how its packets arrive. */
static __always_inline struct flow_key read_tuple(const struct nf_conn *ct, bool reply, bool v4)
{
	struct nf_conntrack_tuple *tuple = tuple_of(ct, reply);

	return (struct flow_key){
		.src = read_addr(&tuple->src.u3, v4),
		.dst = read_addr(&tuple->dst.u3, v4),
		.sport = LOAD(tuple, src.u.all),
		.dport = LOAD(tuple, dst.u.all),
		.arrival = arrival(0, LOAD(tuple, dst.protonum), v4),
	};
}

/*
 * A packet's entry, acquired: a program may change none that it did not look up. *came: the tuple
 * of the packet's direction, as it arrived. By that one, and not by its inverse, because it was
 * looked up just now: its place in conntrack's table is still in the cache.
 */
static __always_inline struct nf_conn *ct_acquire(struct __sk_buff *skb,
						  const struct nf_conn *seen, __u8 info,
						  struct flow_key *came, __u8 *dir)
{
	struct ct_key key;

	*came = read_tuple(seen, info >= IP_CT_IS_REPLY, skb->protocol == bpf_htons(ETH_P_IP));
	came->arrival |= arrival(skb->ingress_ifindex, 0, false);
	key = key_of_arrival(came);
	return ct_lookup(skb, &key, dir);
}

/* What the entry of a packet asks for that awaits admission: to be admitted, or to end. Not if
 * another stands in its place by now that needs neither. */
static __always_inline void settle_entry(struct __sk_buff *skb, const struct nf_conn *seen,
					 __u8 info, bool admitted)
{
	struct flow_key came;
	struct nf_conn *ct;
	__u8 dir;

	ct = ct_acquire(skb, seen, info, &came, &dir);
	if (!ct)
		return;
	if (awaits_admission(ct->status) && !admitted)
		ct_end(ct);
	else if (awaits_admission(ct->status) && !dry_run)
		bpf_ct_change_status(ct, ct->status | IPS_ADMITTED);
	bpf_ct_release(ct);
}

/*
 * At an uplink, for a packet that was told of as `opened`, and may leave for this reason. FORWARD
 * judged it by the entry that it carries, and so do we: the table may have lost that one since, or
 * hold a new one of the same flow.
 */
__noinline int admit(struct __sk_buff *skb, int reason)
{
	const struct nf_conn *seen;
	__u8 info;

	seen = entry_of(skb, &info);
	if (!seen || !awaits_admission(BPF_CORE_READ(seen, status)))
		return reason;
	settle_entry(skb, seen, info, info == IP_CT_NEW);
	return info == IP_CT_NEW ? reason : REASON_DROP_UNADMITTED;
}

/* At a pod, for every packet that comes through the stack. What has no device that it came by the
 * node says itself: a firewall's refusal shall be heard. */
static __noinline enum reason judge_answer_to(struct __sk_buff *skb)
{
	const struct nf_conn *seen;
	__u8 info;

	if (level != LEVEL_FULL || !skb->ingress_ifindex)
		return GO_ON;
	seen = entry_of(skb, &info);
	if (!seen || (info != IP_CT_ESTABLISHED_REPLY && info != IP_CT_RELATED_REPLY) ||
	    !awaits_admission(BPF_CORE_READ(seen, status)))
		return GO_ON;
	settle_entry(skb, seen, info, false);
	return REASON_DROP_UNADMITTED;
}

#endif
