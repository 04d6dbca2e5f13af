/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CTNAT_PKT_H
#define CTNAT_PKT_H

/*
 * Parse once: a packet of either family becomes one struct, and nothing behind this file looks at
 * bytes again.
 *
 * Bytes are copied out by bpf_skb_load_bytes(), not read in place: a pod decides how its frames are
 * laid out (packet_mmap(7) sends page fragments with nothing but the Ethernet header in front), and
 * what the parser does not see must not be what the stack sees. For the same reason the parser
 * walks IPv6 extension headers and looks into first fragments: neighbour discovery and DHCP are to
 * be recognised wherever the kernel, too, would find them.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* <sys/socket.h> is user space's. */
#define AF_INET		2
#define AF_INET6	10

/* RFC 8200 has six extension headers, of which one may come twice. More than these are opaque. */
#define EXTENSIONS_MAX	8

/* ICMPv6 types that the UAPI does not name (RFC 4861). */
#define NDISC_ROUTER_ADVERTISEMENT	134
#define NDISC_NEIGHBOUR_SOLICITATION	135
#define NDISC_NEIGHBOUR_ADVERTISEMENT	136
#define NDISC_REDIRECT			137

struct pkt {
	struct addr src, dst;
	struct addr target;	/* of a neighbour solicitation or advertisement */
	bool v4;
	__u8 proto;		/* of the innermost header reached */
	__u8 ttl;
	__be32 flow;		/* as routing sees it: IPv4's TOS; IPv6's traffic class and label */
	__be16 sport, dport;	/* TCP and UDP */
	__u16 flags;		/* PKT_* */
	__u8 tcp_flags;		/* TCP_* */
	__u8 icmp_type;		/* ICMP and ICMPv6 */
};

#define PKT_BAD_LENGTH	(1u << 0)	/* shorter than it says, or its header is cut off */
#define PKT_FRAGMENT	(1u << 1)	/* any fragment, also the only one */
#define PKT_LATER	(1u << 2)	/* a fragment without the header of `proto` */
#define PKT_OPTIONS	(1u << 3)	/* IPv4 options, or IPv6 extension headers */
#define PKT_OPAQUE	(1u << 4)	/* more extension headers than we walk */
#define PKT_MAPPED	(1u << 5)	/* IPv6 with an IPv4-mapped address: not IPv4 */

#define TCP_FIN		0x01
#define TCP_SYN		0x02
#define TCP_RST		0x04
#define TCP_ACK		0x10

/* RFC 4861, 4.3 and 4.4, without options. */
struct nd_msg {
	struct icmp6hdr icmp;
	struct in6_addr target;
};

/* RFC 826, for IPv4 on Ethernet. (linux/if_arp.h wants the libc.) */
struct arp {
	__be16 hardware;	/* ARP_ETHERNET */
	__be16 protocol;	/* ETH_P_IP */
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 op;		/* ARP_REQUEST, ARP_REPLY */
	__u8 sender_mac[ETH_ALEN];
	__be32 sender;
	__u8 target_mac[ETH_ALEN];
	__be32 target;
} __attribute__((packed));

#define ARP_ETHERNET	1
#define ARP_REQUEST	1
#define ARP_REPLY	2

/* No set-up, no tear-down. */
static __always_inline bool is_data_segment(__u8 tcp_flags)
{
	return (tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) == TCP_ACK;
}

struct cursor {
	struct __sk_buff *skb;
	__u32 off;
};

/* Copies the next bytes without moving on. */
static __always_inline bool peek(const struct cursor *c, void *to, __u32 len)
{
	return bpf_skb_load_bytes(c->skb, c->off, to, len) == 0;
}

static __always_inline struct addr addr_v4(__be32 ip)
{
	struct addr a = { .byte = { [10] = 0xff, [11] = 0xff } };

	__builtin_memcpy(&a.byte[12], &ip, sizeof(ip));
	return a;
}

static __always_inline struct addr addr_v6(const struct in6_addr *ip)
{
	struct addr a;

	__builtin_memcpy(&a, ip, sizeof(a));
	return a;
}

static __always_inline __be32 addr_ip(const struct addr *a)
{
	__be32 ip;

	__builtin_memcpy(&ip, &a->byte[12], sizeof(ip));
	return ip;
}

static __always_inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	const __u32 *x = (const void *)a, *y = (const void *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

static __always_inline bool mac_equal(const __u8 *a, const __u8 *b)
{
	const __u16 *x = (const void *)a, *y = (const void *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline bool addr_is_zero(const struct addr *a)
{
	const __u32 *word = (const void *)a;

	return !(word[0] | word[1] | word[2] | word[3]);
}

static __always_inline bool addr_is_v4(const struct addr *a)
{
	const __u32 *word = (const void *)a;

	return !(word[0] | word[1]) && word[2] == bpf_htonl(0xffff);
}

static __always_inline bool addr_is_link_local(const struct addr *a)
{
	return a->byte[0] == 0xfe && (a->byte[1] & 0xc0) == 0x80;
}

static __always_inline bool is_ip(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) || skb->protocol == bpf_htons(ETH_P_IPV6);
}

static __always_inline bool is_tag(__u32 protocol)
{
	return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD);
}

static __always_inline bool parse_ipv4(struct cursor *c, struct pkt *pkt)
{
	struct iphdr ip;
	__u32 len;

	if (!peek(c, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return false;
	pkt->v4 = true;
	pkt->src = addr_v4(ip.saddr);
	pkt->dst = addr_v4(ip.daddr);
	pkt->proto = ip.protocol;
	pkt->ttl = ip.ttl;
	pkt->flow = ip.tos;
	len = bpf_ntohs(ip.tot_len);
	if (len < ip.ihl * 4u || len > c->skb->len - c->off)
		pkt->flags |= PKT_BAD_LENGTH;
	if (ip.ihl > 5)
		pkt->flags |= PKT_OPTIONS;
	if (ip.frag_off & bpf_htons(0x3fff))
		pkt->flags |= PKT_FRAGMENT;
	if (ip.frag_off & bpf_htons(0x1fff))
		pkt->flags |= PKT_LATER;
	c->off += ip.ihl * 4;
	return true;
}

/* Moves over one extension header. False: there is none (any more), or it is cut off. */
static __always_inline bool skip_extension(struct cursor *c, struct pkt *pkt)
{
	struct {
		__u8 next;
		__u8 len;	/* in units of 8 bytes after the first, AH: of 4 after the second */
		__be16 frag;	/* in a fragment header: offset, and "more" in the last bit */
	} ext;

	switch (pkt->proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
		break;
	default:
		return false;
	}
	pkt->flags |= PKT_OPTIONS;
	if (!peek(c, &ext, sizeof(ext))) {
		pkt->flags |= PKT_BAD_LENGTH;
		return false;
	}
	if (pkt->proto == IPPROTO_FRAGMENT) {
		pkt->flags |= PKT_FRAGMENT;
		if (ext.frag & bpf_htons(0xfff8))
			pkt->flags |= PKT_LATER;
		c->off += 8;
	} else {
		c->off += pkt->proto == IPPROTO_AH ? (ext.len + 2) * 4 : (ext.len + 1) * 8;
	}
	pkt->proto = ext.next;
	return !(pkt->flags & PKT_LATER);
}

/* RFC 8200, 3: what lies between version and length. */
static __always_inline __be32 flow_of(const struct ipv6hdr *ip)
{
	return *(const __be32 *)ip & bpf_htonl(0x0fffffff);
}

static __always_inline bool parse_ipv6(struct cursor *c, struct pkt *pkt)
{
	struct ipv6hdr ip;
	int n;

	if (!peek(c, &ip, sizeof(ip)) || ip.version != 6)
		return false;
	pkt->src = addr_v6(&ip.saddr);
	pkt->dst = addr_v6(&ip.daddr);
	pkt->proto = ip.nexthdr;
	pkt->ttl = ip.hop_limit;
	pkt->flow = flow_of(&ip);
	c->off += sizeof(ip);
	if (bpf_ntohs(ip.payload_len) > c->skb->len - c->off)
		pkt->flags |= PKT_BAD_LENGTH;
	if (addr_is_v4(&pkt->src) || addr_is_v4(&pkt->dst))
		pkt->flags |= PKT_MAPPED;
	for (n = 0; n < EXTENSIONS_MAX; n++) {
		if (!skip_extension(c, pkt))
			break;
	}
	if (n == EXTENSIONS_MAX)
		pkt->flags |= PKT_OPAQUE;
	return true;
}

static __always_inline bool is_nd(const struct pkt *pkt)
{
	return !pkt->v4 && pkt->proto == IPPROTO_ICMPV6 &&
	       (pkt->icmp_type == NDISC_NEIGHBOUR_SOLICITATION ||
		pkt->icmp_type == NDISC_NEIGHBOUR_ADVERTISEMENT);
}

static __always_inline void parse_transport(struct cursor *c, struct pkt *pkt)
{
	struct tcphdr tcp;
	struct udphdr udp;
	struct nd_msg nd;	/* begins as every message of ICMP and ICMPv6 does */

	if (pkt->flags & (PKT_LATER | PKT_OPAQUE))
		return;
	switch (pkt->proto) {
	case IPPROTO_TCP:
		if (!peek(c, &tcp, sizeof(tcp)) || tcp.doff < 5)
			goto bad;
		pkt->sport = tcp.source;
		pkt->dport = tcp.dest;
		pkt->tcp_flags = bpf_ntohl(tcp_flag_word(&tcp)) >> 16;
		return;
	case IPPROTO_UDP:
		if (!peek(c, &udp, sizeof(udp)))
			goto bad;
		pkt->sport = udp.source;
		pkt->dport = udp.dest;
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (!peek(c, &nd.icmp, sizeof(nd.icmp)))
			goto bad;
		pkt->icmp_type = nd.icmp.icmp6_type;
		if (is_nd(pkt)) {
			if (!peek(c, &nd, sizeof(nd)))
				goto bad;
			pkt->target = addr_v6(&nd.target);
			if (addr_is_v4(&pkt->target))
				pkt->flags |= PKT_MAPPED;
		}
		return;
	default:
		return;
	}
bad:
	pkt->flags |= PKT_BAD_LENGTH;
}

/*
 * False: no header of the family that the frame announces. The stack drops such a packet before it
 * looks at any address, so letting it pass lets nobody speak.
 */
static __always_inline bool parse(struct __sk_buff *skb, struct pkt *pkt)
{
	struct cursor c = { skb, ETH_HLEN };

	__builtin_memset(pkt, 0, sizeof(*pkt));
	if (skb->protocol == bpf_htons(ETH_P_IP) ? !parse_ipv4(&c, pkt) : !parse_ipv6(&c, pkt))
		return false;
	parse_transport(&c, pkt);
	return true;
}

/* False: cut off, or not the ARP of IPv4 on Ethernet. */
static __always_inline bool parse_arp(struct __sk_buff *skb, struct ethhdr *eth, struct arp *arp)
{
	struct cursor c = { skb, 0 };

	if (!peek(&c, eth, sizeof(*eth)))
		return false;
	c.off += ETH_HLEN;
	return peek(&c, arp, sizeof(*arp)) && arp->hardware == bpf_htons(ARP_ETHERNET) &&
	       arp->protocol == bpf_htons(ETH_P_IP) && arp->hardware_len == ETH_ALEN &&
	       arp->protocol_len == sizeof(arp->sender);
}

/* Copies bytes of the IP header on the way out, whatever is in front of it. */
static __always_inline bool load_net(struct __sk_buff *skb, __u32 off, void *to, __u32 len)
{
	__u32 headers = ETH_HLEN + sizeof(struct ipv6hdr);

	if (!bpf_skb_load_bytes_relative(skb, off, to, len, BPF_HDR_START_NET))
		return true;
	/* It reads the linear part only. The stack has the headers there, a packet
	 * socket need not. */
	bpf_skb_pull_data(skb, skb->len < headers ? skb->len : headers);
	return !bpf_skb_load_bytes_relative(skb, off, to, len, BPF_HDR_START_NET);
}

/* The addresses of an IP packet and nothing else. */
static __always_inline bool load_addrs(struct __sk_buff *skb, struct addr *src, struct addr *dst)
{
	struct {
		struct in6_addr src, dst;
	} v6;
	struct {
		__be32 src, dst;
	} v4;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!load_net(skb, offsetof(struct iphdr, saddr), &v4, sizeof(v4)))
			return false;
		*src = addr_v4(v4.src);
		*dst = addr_v4(v4.dst);
	} else {
		if (!load_net(skb, offsetof(struct ipv6hdr, saddr), &v6, sizeof(v6)))
			return false;
		*src = addr_v6(&v6.src);
		*dst = addr_v6(&v6.dst);
	}
	return true;
}

#endif
