/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_STATS_H
#define CTNAT_STATS_H

/* Every way out is counted, and the reason alone decides what becomes of the packet. */
#include <linux/pkt_cls.h>

#include "maps.h"

/* What a step returns when it has no reason to end the packet's story. */
#define GO_ON REASON_MAX
/* The same, and nothing is known of the packet's flow: it is very likely new. */
#define GO_ON_NEW (REASON_MAX + 1)

static __always_inline void count(const struct __sk_buff *skb, enum reason reason)
{
	__u32 key = reason;
	struct counter *counter = bpf_map_lookup_elem(&stats, &key);

	if (counter) {
		counter->packets++;
		counter->bytes += skb->len;
	}
}

/*
 * A pass is TC_ACT_UNSPEC, never TC_ACT_OK: OK ends the classification, and programs and filters of
 * others behind ours, the bandwidth plugin's among them, would be skipped in silence. The short way
 * has been told where it leads by bpf_redirect().
 */
static __always_inline int leave(const struct __sk_buff *skb, enum reason reason)
{
	count(skb, reason);
	if (reason >= REASON_DROP_FIRST)
		return TC_ACT_SHOT;
	return reason >= REASON_SHORT_OUT && reason <= REASON_SHORT_POD ? TC_ACT_REDIRECT :
									  TC_ACT_UNSPEC;
}

#endif
