/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_PLAIN_H
#define CTNAT_PLAIN_H

/*
 * The packets that may take the short way: as nearly all are, read in place, and only where their
 * headers lie in the linear part. Whatever is unusual in any respect is not plain, and the stack's.
 * (What a pod may say at all is judged by pkt.h, which sees everything that the kernel would.)
 */
#include "flow.h"
#include "pkt.h"

/* Where the headers of a packet lie if it is plain, and what it is known by. The pointer is good
 * until something moves the packet's memory; nothing here does. */
struct plain {
	void *ip;		/* struct iphdr or struct ipv6hdr, the segment behind it */
	__u32 arrival;		/* as in struct flow_key */
	__u8 tcp_flags;		/* TCP_*; of UDP: TCP_ACK, as if established */
	/* whole registers: the verifier must know how far it has seen that the packet goes */
	__u64 v4;
	__u64 proto;		/* TCP or UDP */
};

/* v4: what the packet is, a constant. False: it is certainly not plain. */
static __always_inline bool locate(struct __sk_buff *skb, bool v4, struct plain *plain)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	void *ip = data + ETH_HLEN;
	struct tcphdr *tcp = ip + (v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));

	if ((void *)tcp + sizeof(struct udphdr) > end)
		return false;
	plain->ip = ip;
	plain->v4 = v4;
	plain->proto = v4 ? ((struct iphdr *)ip)->protocol : ((struct ipv6hdr *)ip)->nexthdr;
	plain->arrival = arrival(skb->ifindex, plain->proto, v4);
	plain->tcp_flags = TCP_ACK;
	if (plain->proto == IPPROTO_UDP)
		return true;
	if (plain->proto != IPPROTO_TCP || (void *)(tcp + 1) > end || tcp->doff < 5)
		return false;
	plain->tcp_flags = ((const __u8 *)tcp)[13];
	return true;
}

/* struct tcphdr or struct udphdr. */
static __always_inline void *segment_of(const struct plain *plain)
{
	return plain->ip + (plain->v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

/* Both headers begin with the ports. */
static __always_inline __be32 *ports_of(const struct plain *plain)
{
	return segment_of(plain);
}

static __always_inline __be16 dport_of(const struct plain *plain)
{
	const struct udphdr *udp = segment_of(plain);

	return udp->dest;
}

static __always_inline __u16 *check_of(const struct plain *plain)
{
	struct tcphdr *tcp = segment_of(plain);
	struct udphdr *udp = segment_of(plain);

	return plain->proto == IPPROTO_TCP ? &tcp->check : &udp->check;
}

/* Bytes of IP and segment header. */
static __always_inline __u32 headers_of(const struct plain *plain)
{
	const struct tcphdr *tcp = segment_of(plain);

	return (void *)tcp - plain->ip +
	       (plain->proto == IPPROTO_TCP ? tcp->doff * 4 : sizeof(struct udphdr));
}

static __always_inline struct flow_id id_of_plain(const struct plain *plain)
{
	const struct ipv6hdr *v6 = plain->ip;
	const struct iphdr *v4 = plain->ip;

	return (struct flow_id){
		.src = plain->v4 ? &v4->saddr : &v6->saddr.in6_u.u6_addr32[3],
		.dst = plain->v4 ? &v4->daddr : &v6->daddr.in6_u.u6_addr32[3],
		.ports = *ports_of(plain),
		.arrival = plain->arrival,
	};
}

/* Differences are gathered, and looked at once: a branch each would cost more. */
static __always_inline bool is_plain_v4(const struct iphdr *ip, __u32 len, __u32 odd)
{
	__u32 total = bpf_ntohs(ip->tot_len);

	/* version and header length in one byte; of the flags only "don't fragment" */
	odd |= *(const __u8 *)ip ^ 0x45;
	odd |= ip->frag_off & bpf_htons(0xbfff);
	return !odd && ip->ttl > 1 && total >= sizeof(*ip) + sizeof(struct udphdr) && total <= len;
}

static __always_inline bool is_plain_v6(const struct ipv6hdr *ip, __u32 len, __u32 odd)
{
	__u32 payload = bpf_ntohs(ip->payload_len);

	odd |= (*(const __u8 *)ip & 0xf0) ^ 0x60;
	return !odd && ip->hop_limit > 1 && payload >= sizeof(struct udphdr) &&
	       payload + sizeof(*ip) <= len;
}

/* Is it what it would have to be, and all that we look at as in nearly all packets? odd: what else
 * should be 0. */
static __always_inline bool is_plain(const struct __sk_buff *skb, const struct plain *plain,
				     __u32 odd)
{
	__u32 len = skb->len - ETH_HLEN;

	odd |= skb->ifindex >> 24;	/* more than a key holds */
	return plain->v4 ? is_plain_v4(plain->ip, len, odd) : is_plain_v6(plain->ip, len, odd);
}

/* 0, if the packet that arrives is the node's by its frame. */
static __always_inline __u32 foreign(const struct __sk_buff *skb)
{
	return (skb->pkt_type ^ PACKET_HOST) | skb->vlan_present;
}

static __always_inline __u8 plain_ttl(const struct plain *plain)
{
	return plain->v4 ? ((const struct iphdr *)plain->ip)->ttl :
			   ((const struct ipv6hdr *)plain->ip)->hop_limit;
}

/* As in struct pkt. */
static __always_inline __be32 plain_flow(const struct plain *plain)
{
	return plain->v4 ? ((const struct iphdr *)plain->ip)->tos : flow_of(plain->ip);
}

/* False: none of its own, it would pass for IPv4's. */
static __always_inline bool key_of_plain(const struct plain *plain, struct flow_key *key)
{
	const struct ipv6hdr *v6 = plain->ip;
	const struct iphdr *v4 = plain->ip;

	key->src = plain->v4 ? addr_v4(v4->saddr) : addr_v6(&v6->saddr);
	key->dst = plain->v4 ? addr_v4(v4->daddr) : addr_v6(&v6->daddr);
	key->ports = *ports_of(plain);
	key->arrival = plain->arrival;
	return plain->v4 || !(addr_is_v4(&key->src) || addr_is_v4(&key->dst));
}

/* All of it, for who needs it once for many packets. */
static __always_inline bool parse_plain(struct __sk_buff *skb, struct plain *plain,
					struct flow_key *key)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return locate(skb, true, plain) && is_plain(skb, plain, 0) &&
		       key_of_plain(plain, key);
	return skb->protocol == bpf_htons(ETH_P_IPV6) && locate(skb, false, plain) &&
	       is_plain(skb, plain, 0) && key_of_plain(plain, key);
}

/* Of its largest IP packet on the wire, in bytes: with GSO of one segment. Only asked of packets
 * that may take the short way: it lies far from the headers. */
static __always_inline __u32 wire_len(const struct __sk_buff *skb, const struct plain *plain)
{
	__u32 len = skb->len - ETH_HLEN;

	barrier_var(len);	/* or one load would be of the context and of the stack */
	return skb->gso_size ? headers_of(plain) + skb->gso_size : len;
}

/* What parse() and judge_frame() would say of it: that there is nothing to say. */
static __always_inline void pkt_of_plain(const struct plain *plain, const struct flow_key *key,
					 struct pkt *pkt)
{
	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->src = key->src;
	pkt->dst = key->dst;
	pkt->v4 = plain->v4;
	pkt->proto = plain->proto;
	pkt->ttl = plain_ttl(plain);
	pkt->flow = plain_flow(plain);
	pkt->sport = key->sport;
	pkt->dport = key->dport;
	pkt->tcp_flags = plain->proto == IPPROTO_TCP ? plain->tcp_flags : 0;
}

#endif
