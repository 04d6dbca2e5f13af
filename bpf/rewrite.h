/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_REWRITE_H
#define CTNAT_REWRITE_H

/*
 * Translation of a packet's headers in place, as routing and NAT would have done it.
 *
 * Checksums are never computed, only moved: by the ones' complement difference of what was replaced
 * (RFC 1624), which is the same for every packet of a flow and so is kept with its answer. Three
 * differences, because three sums cover different things:
 *
 *	header_delta	IPv4 header: addresses, TTL
 *	segment_delta	TCP or UDP checksum: addresses (by the pseudo header), ports
 *	address_delta	the same, where the ports are not summed yet (CHECKSUM_PARTIAL)
 *
 * All are kept as they lie in memory: ones' complement sums do not care for byte order.
 */
#include "kernel.h"
#include "plain.h"

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : sum;	/* nothing changed: change nothing */
}

static __always_inline __u64 addr_difference(const struct addr *from, const struct addr *to)
{
	const __u32 *old = (const void *)from, *new = (const void *)to;

	return (__u64)(__u32)~old[0] + new[0] + (__u32)~old[1] + new[1] + (__u32)~old[2] + new[2] +
	       (__u32)~old[3] + new[3];
}

/* Fills in the differences between a packet as it comes and as it leaves. */
static __always_inline void set_deltas(struct flow *flow, const struct flow_key *came,
				       const struct flow_key *leaves)
{
	__u64 addrs = addr_difference(&came->src, &leaves->src) +
		      addr_difference(&came->dst, &leaves->dst);

	flow->address_delta = fold(addrs);
	flow->segment_delta = fold(addrs + (__u16)~came->sport + leaves->sport +
				   (__u16)~came->dport + leaves->dport);
	/* one less of TTL, the upper half of its word */
	flow->header_delta = fold(addrs + (__u16)~bpf_htons(0x0100));
}

/* A sum that is kept as it is, and one that is kept complemented, as checksums in headers are. */
static __always_inline __u16 sum_add(__u16 sum, __u16 delta)
{
	__u32 result = (__u32)sum + delta;

	return (result & 0xffff) + (result >> 16);
}

static __always_inline __u16 check_add(__u16 check, __u16 delta)
{
	return ~sum_add(~check, delta);
}

/* For CHECKSUM_COMPLETE: the sum over all bytes from the IP header on. An IPv4 header and its
 * checksum sum to nothing, a segment and its checksum to the pseudo header. */
static __always_inline void move_complete(struct __sk_buff *skb, const struct flow *flow, bool v4)
{
	bpf_csum_update(skb, v4 ? (__u16)~flow->address_delta : (__u16)~bpf_htons(0x0001));
}

/*
 * An absent UDP checksum stays absent (then nobody looks at any sum), and one that comes out as 0
 * becomes 0xffff, because 0 says that it is absent (RFC 768).
 */
static __always_inline void rewrite_segment(struct __sk_buff *skb, const struct flow *flow,
					    const struct plain *plain)
{
	bool udp = plain->proto == IPPROTO_UDP;
	__u8 kind = checksum_kind(skb);
	__u16 *at = check_of(plain), check = *at;

	*ports_of(plain) = flow->ports;
	if (kind == CHECKSUM_PARTIAL)
		check = sum_add(check, flow->address_delta);
	else if (!udp || check)
		check = check_add(check, flow->segment_delta);
	else
		return;
	*at = udp && !check ? 0xffff : check;
	if (kind == CHECKSUM_COMPLETE)
		move_complete(skb, flow, plain->v4);
}

/* Both addresses, in words: the compiler would take the frame's for unaligned, and copy bytes. */
static __always_inline void rewrite_ethernet(struct ethhdr *eth, const struct flow *flow)
{
	const __u32 *from = (const void *)flow->dst_mac;
	__u32 *to = (void *)eth;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
}

static __always_inline void rewrite_ipv4(struct iphdr *ip, const struct flow *flow)
{
	ip->saddr = addr_ip(&flow->src);
	ip->daddr = addr_ip(&flow->dst);
	ip->ttl--;
	ip->check = check_add(ip->check, flow->header_delta);
}

static __always_inline void rewrite_ipv6(struct ipv6hdr *ip, const struct flow *flow)
{
	__builtin_memcpy(&ip->saddr, &flow->src, sizeof(flow->src));
	__builtin_memcpy(&ip->daddr, &flow->dst, sizeof(flow->dst));
	ip->hop_limit--;
}

#endif
