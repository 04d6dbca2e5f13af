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

/* A packet of which all that we look at is as in nearly all packets. Its pointers are good until
 * something moves the packet's memory; nothing here does. */
struct plain {
	struct flow_key key;
	void *ip;		/* struct iphdr or struct ipv6hdr */
	__be32 *ports;
	__u16 *check;		/* of the segment */
	__u16 headers;		/* bytes of IP and segment header */
	__u8 tcp_flags;		/* TCP_*; of UDP: TCP_ACK, as if established */
	__be32 flow;		/* as in struct pkt */
	__u64 v4;		/* a whole register: the verifier must know which family `ip` is */
};

static __always_inline bool is_plain_v4(const struct iphdr *ip, __u32 len)
{
	__u32 total = bpf_ntohs(ip->tot_len);

	/* version and header length in one byte; of the flags only "don't fragment" */
	return *(const __u8 *)ip == 0x45 && !(ip->frag_off & bpf_htons(0xbfff)) && ip->ttl > 1 &&
	       total >= sizeof(*ip) + sizeof(struct udphdr) && total <= len;
}

static __always_inline bool is_plain_v6(const struct ipv6hdr *ip, __u32 len)
{
	__u32 payload = bpf_ntohs(ip->payload_len);

	return ip->version == 6 && ip->hop_limit > 1 && payload >= sizeof(struct udphdr) &&
	       payload + sizeof(*ip) <= len;
}

/* The segment's part of parse_plain(). Both headers begin with the ports. */
static __always_inline bool parse_segment(struct plain *plain, __u8 proto, void *segment,
					  void *end)
{
	struct tcphdr *tcp = segment;
	struct udphdr *udp = segment;

	if ((void *)(udp + 1) > end)
		return false;
	plain->ports = segment;
	plain->key.ports = *plain->ports;
	if (proto == IPPROTO_UDP) {
		plain->check = &udp->check;
		plain->tcp_flags = TCP_ACK;
		plain->headers += sizeof(*udp);
		return true;
	}
	if (proto != IPPROTO_TCP || (void *)(tcp + 1) > end || tcp->doff < 5)
		return false;
	plain->check = &tcp->check;
	plain->tcp_flags = ((const __u8 *)tcp)[13];
	plain->headers += tcp->doff * 4;
	return true;
}

/* False: unusual. *hash: the key's, made where its words still are in registers. */
static __always_inline bool parse_plain(struct __sk_buff *skb, struct plain *plain, __u64 *hash)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 len = skb->len - ETH_HLEN;
	struct ipv6hdr *v6 = data + ETH_HLEN;
	struct iphdr *v4 = data + ETH_HLEN;

	if (skb->ifindex >> 24)
		return false;	/* more than a key holds */
	plain->ip = data + ETH_HLEN;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if ((void *)(v4 + 1) > end || !is_plain_v4(v4, len))
			return false;
		plain->v4 = 1;
		plain->key.src = addr_v4(v4->saddr);
		plain->key.dst = addr_v4(v4->daddr);
		plain->key.arrival = arrival(skb->ifindex, v4->protocol, true);
		plain->headers = sizeof(*v4);
		plain->flow = v4->tos;
		if (!parse_segment(plain, v4->protocol, v4 + 1, end))
			return false;
		*hash = hash_v4(&plain->key);
	} else {
		if (skb->protocol != bpf_htons(ETH_P_IPV6) || (void *)(v6 + 1) > end ||
		    !is_plain_v6(v6, len))
			return false;
		plain->v4 = 0;
		plain->key.src = addr_v6(&v6->saddr);
		plain->key.dst = addr_v6(&v6->daddr);
		if (addr_is_v4(&plain->key.src) || addr_is_v4(&plain->key.dst))
			return false;	/* it would pass for IPv4 */
		plain->key.arrival = arrival(skb->ifindex, v6->nexthdr, false);
		plain->headers = sizeof(*v6);
		plain->flow = flow_of(v6);
		if (!parse_segment(plain, v6->nexthdr, v6 + 1, end))
			return false;
		*hash = hash_v6(&plain->key);
	}
	return true;
}

/* Of its largest IP packet on the wire, in bytes: with GSO of one segment. Only asked of packets
 * that may take the short way: it lies far from the headers. */
static __always_inline __u32 wire_len(const struct __sk_buff *skb, const struct plain *plain)
{
	__u32 len = skb->len - ETH_HLEN;

	barrier_var(len);	/* or one load would be of the context and of the stack */
	return skb->gso_size ? plain->headers + skb->gso_size : len;
}

static __always_inline __u8 plain_ttl(const struct plain *plain)
{
	return plain->v4 ? ((const struct iphdr *)plain->ip)->ttl :
			   ((const struct ipv6hdr *)plain->ip)->hop_limit;
}

/* What parse() and judge_frame() would say of it: that there is nothing to say. */
static __always_inline void pkt_of_plain(const struct plain *plain, struct pkt *pkt)
{
	__u8 proto = flow_proto(&plain->key);

	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->src = plain->key.src;
	pkt->dst = plain->key.dst;
	pkt->v4 = plain->v4;
	pkt->proto = proto;
	pkt->ttl = plain_ttl(plain);
	pkt->flow = plain->flow;
	pkt->sport = plain->key.sport;
	pkt->dport = plain->key.dport;
	pkt->tcp_flags = proto == IPPROTO_TCP ? plain->tcp_flags : 0;
}

/* The same of a packet that arrives: by its frame it is the node's. */
static __always_inline bool arrives_plain(struct __sk_buff *skb, struct plain *plain, __u64 *hash)
{
	return skb->pkt_type == PACKET_HOST && !skb->vlan_present && parse_plain(skb, plain, hash);
}

#endif
