/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_GUARD_H
#define CTNAT_GUARD_H

/*
 * The guard: what may leave by an uplink. It believes nobody but the packet and the maps; what took
 * the short way passes it as everything does.
 *
 * It also is the one who sees that something was let out (admit.h). Where somebody took it off a
 * device by hand, nothing would be admitted there any more; so from_pod notes when it told the
 * guard of a packet, and the guard when it heard. While it does not, the kernel opens the flows.
 */
#include "kernel.h"
#include "policy.h"

/* How long the guard may be silent, in parts of a second: a packet can wait for its neighbour. */
#define GUARD_PATIENCE 50

/*
 * Nearly all that leaves is certainly no pod's: by two bytes of the source, wherever the IP header
 * lies, and one bit. False: not known. (What this costs is mostly the cache that its instructions
 * need. The cast is a call to the compiler, which has little to save if it comes first.)
 */
static __always_inline bool is_strangers(struct __sk_buff *ctx)
{
	const struct sk_buff *skb;
	struct pod_bloom *bloom;
	const __u16 *end;
	__u32 at;

	if (!kernel_cast)
		return false;
	skb = bpf_cast_to_kern_ctx(ctx);
	at = (__u32)skb->network_header - skb->mac_header;	/* the frame begins at `data` */
	if (at > 64)
		return false;
	if (ctx->protocol == bpf_htons(ETH_P_IP))
		at += offsetof(struct iphdr, daddr) - sizeof(*end);
	else if (ctx->protocol == bpf_htons(ETH_P_IPV6))
		at += offsetof(struct ipv6hdr, daddr) - sizeof(*end);
	else
		return false;
	end = (void *)(long)ctx->data + at;
	if ((void *)(end + 1) > (void *)(long)ctx->data_end)
		return false;
	bloom = bpf_map_lookup_elem(&pod_bloom, &(__u32){ 0 });
	return bloom && !has_bit(bloom->bits, *end);
}

static __noinline enum reason judge_leaving(struct __sk_buff *skb)
{
	struct addr src, dst;

	if (!is_ip(skb) || !load_addrs(skb, &src, &dst) || !bpf_map_lookup_elem(&pods, &src))
		return REASON_GUARD_NOT_POD;
	return class_of(&dst) == CLASS_LEAVE ? REASON_GUARD_PASS : REASON_DROP_LEAK;
}

/* ---- does it hear? --------------------------------------------------------------------------- */

static __always_inline struct guard_watch *guard_of(__u32 ifindex)
{
	__u32 key = ifindex % GUARDS;

	return bpf_map_lookup_elem(&guards, &key);
}

static __always_inline bool is_waited_for(const struct guard_watch *guard)
{
	return guard->told != guard->seen;
}

static __always_inline bool guard_hears(__u32 ifindex)
{
	struct guard_watch *guard = guard_of(ifindex);

	return guard && (!is_waited_for(guard) ||
			 jiffies_now() - guard->told < hz / GUARD_PATIENCE);
}

static __always_inline void guard_tell(__u32 ifindex)
{
	struct guard_watch *guard = guard_of(ifindex);

	if (guard && !is_waited_for(guard))
		guard->told = jiffies_now();
}

static __always_inline void guard_heard(__u32 ifindex)
{
	struct guard_watch *guard = guard_of(ifindex);

	if (guard)
		guard->seen = guard->told;
}

#endif
