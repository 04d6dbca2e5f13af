// SPDX-License-Identifier: Apache-2.0
/* Frames are values: built by one function, altered by others, so that a test reads as what it
 * sends. */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/addr.h"
#include "lib/frame.h"

const __u8 mac_pod[MAC_LEN] = { 2, 0, 0, 0, 0, 2 };
const __u8 mac_host[MAC_LEN] = { 2, 0, 0, 0, 0, 1 };
const __u8 mac_foreign[MAC_LEN] = { 2, 0, 0, 0, 0, 99 };
const __u8 mac_broadcast[MAC_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
const __u8 mac_multicast[MAC_LEN] = { 0x33, 0x33, 0, 0, 0, 1 };

static void append(struct frame *f, const void *bytes, size_t len)
{
	assert(f->len + len <= sizeof(f->data));
	memcpy(f->data + f->len, bytes, len);
	f->len += len;
}

static void insert(struct frame *f, size_t at, const void *bytes, size_t len)
{
	assert(f->len + len <= sizeof(f->data) && at <= f->len);
	memmove(f->data + at + len, f->data + at, f->len - at);
	memcpy(f->data + at, bytes, len);
	f->len += len;
}

static __u32 sum16(const void *bytes, size_t len, __u32 sum)
{
	const __u8 *p = bytes;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : p[i] << 8;
	return sum;
}

static __u16 fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static struct addr parse(const char *text)
{
	struct addr a = { { 0 } };
	int ret = addr_parse(text, &a);

	assert(!ret);
	return a;
}

static bool is_ip4(const struct frame *f)
{
	return f->data[12] == 0x08 && f->data[13] == 0x00;
}

static struct iphdr *ip4(struct frame *f)
{
	return (void *)(f->data + ETH_LEN);
}

static struct ip6_hdr *ip6(struct frame *f)
{
	return (void *)(f->data + ETH_LEN);
}

static void checksum_ip4(struct frame *f)
{
	struct iphdr *ip = ip4(f);

	ip->check = 0;
	ip->check = fold(sum16(ip, ip->ihl * 4u, 0));
}

static struct frame frame_ethernet(__u16 type)
{
	struct frame f = { .len = ETH_LEN };
	struct ethhdr *eth = (void *)f.data;

	memcpy(eth->h_dest, mac_host, MAC_LEN);
	memcpy(eth->h_source, mac_pod, MAC_LEN);
	eth->h_proto = htons(type);
	return f;
}

struct frame frame_ip(const char *src, const char *dst, __u8 proto, const void *payload, size_t len)
{
	const struct addr from = parse(src), to = parse(dst);
	struct frame f;

	if (addr_is_v4(&from) && addr_is_v4(&to) && !strchr(src, ':')) {
		struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = proto };

		ip.tot_len = htons(sizeof(ip) + len);
		memcpy(&ip.saddr, &from.byte[12], 4);
		memcpy(&ip.daddr, &to.byte[12], 4);
		f = frame_ethernet(ETH_P_IP);
		append(&f, &ip, sizeof(ip));
		checksum_ip4(&f);
	} else {
		struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28), .ip6_nxt = proto, .ip6_hlim = 64 };

		ip.ip6_plen = htons(len);
		memcpy(&ip.ip6_src, &from, sizeof(ip.ip6_src));
		memcpy(&ip.ip6_dst, &to, sizeof(ip.ip6_dst));
		f = frame_ethernet(ETH_P_IPV6);
		append(&f, &ip, sizeof(ip));
	}
	append(&f, payload, len);
	return f;
}

/* The checksum of the transport header, `at` bytes into the payload of f (no options yet). */
static struct frame checksum_l4(struct frame f, __u8 proto, size_t at)
{
	size_t off = ETH_LEN + (is_ip4(&f) ? IP4_LEN : IP6_LEN), len = f.len - off;
	__u32 sum = proto + len;
	__u16 check;

	if (is_ip4(&f) && proto == IPPROTO_ICMP)
		sum = 0;	/* no pseudo header */
	else if (is_ip4(&f))
		sum = sum16(&ip4(&f)->saddr, 8, sum);
	else
		sum = sum16(&ip6(&f)->ip6_src, 32, sum);
	memset(f.data + off + at, 0, sizeof(check));
	check = fold(sum16(f.data + off, len, sum));
	if (proto == IPPROTO_UDP && !check)
		check = 0xffff;		/* 0 says that there is none */
	memcpy(f.data + off + at, &check, sizeof(check));
	return f;
}

struct frame frame_udp(const char *src, __u16 sport, const char *dst, __u16 dport)
{
	struct {
		struct udphdr udp;
		char data[8];
	} p = { .udp = { .source = htons(sport), .dest = htons(dport), .len = htons(sizeof(p)) }, .data = "payload" };

	return checksum_l4(frame_ip(src, dst, IPPROTO_UDP, &p, sizeof(p)), IPPROTO_UDP, offsetof(struct udphdr, check));
}

struct frame frame_tcp(const char *src, __u16 sport, const char *dst, __u16 dport, __u8 flags)
{
	struct tcphdr tcp = { .source = htons(sport), .dest = htons(dport), .doff = 5, .window = htons(1000) };

	((__u8 *)&tcp)[13] = flags;
	return checksum_l4(frame_ip(src, dst, IPPROTO_TCP, &tcp, sizeof(tcp)), IPPROTO_TCP,
			   offsetof(struct tcphdr, check));
}

struct frame frame_payload(struct frame f, const void *bytes, size_t len)
{
	__u8 proto = is_ip4(&f) ? ip4(&f)->protocol : ip6(&f)->ip6_nxt;
	bool udp = proto == IPPROTO_UDP;
	size_t off = ETH_LEN + (is_ip4(&f) ? IP4_LEN : IP6_LEN);
	struct udphdr *header = (void *)(f.data + off);
	size_t headers = udp ? sizeof(struct udphdr) : sizeof(struct tcphdr);

	f.len = off + headers;
	append(&f, bytes, len);
	if (udp)
		header->len = htons(headers + len);
	if (is_ip4(&f)) {
		ip4(&f)->tot_len = htons(IP4_LEN + headers + len);
		checksum_ip4(&f);
	} else {
		ip6(&f)->ip6_plen = htons(headers + len);
	}
	return checksum_l4(f, proto, udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
}

struct frame frame_icmp(const char *src, const char *dst, __u8 type)
{
	__u8 proto = strchr(src, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP, message[24] = { type };

	return checksum_l4(frame_ip(src, dst, proto, message, sizeof(message)), proto, 2);
}

struct frame frame_unreachable(const char *src, const char *dst, const struct frame *about)
{
	bool v4 = is_ip4(about);
	__u8 message[256] = { v4 ? 3 : 1, v4 ? 3 : 4 };
	size_t quoted = about->len - ETH_LEN;

	assert(quoted <= sizeof(message) - 8);
	memcpy(message + 8, about->data + ETH_LEN, quoted);
	return checksum_l4(frame_ip(src, dst, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, message, 8 + quoted),
			   v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 2);
}

struct frame frame_nd(const char *src, const char *dst, __u8 type, const char *target)
{
	__u8 message[24] = { type };
	struct addr a = parse(target);

	memcpy(message + 8, &a, sizeof(a));
	return frame_ttl(checksum_l4(frame_ip(src, dst, IPPROTO_ICMPV6, message, sizeof(message)), IPPROTO_ICMPV6, 2),
			 255);
}

struct frame frame_arp(__u16 op, const __u8 sender_mac[MAC_LEN], const char *sender, const char *target)
{
	const struct addr from = parse(sender), to = parse(target);
	struct frame f = frame_ethernet(ETH_P_ARP);
	struct ether_arp arp = {
		.ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETH_P_IP), .ar_hln = 6, .ar_pln = 4,
			    .ar_op = htons(op) },
	};

	memcpy(arp.arp_sha, sender_mac, MAC_LEN);
	memcpy(arp.arp_spa, &from.byte[12], 4);
	memcpy(arp.arp_tpa, &to.byte[12], 4);
	append(&f, &arp, sizeof(arp));
	return f;
}

struct frame frame_to(struct frame f, const __u8 mac[MAC_LEN])
{
	memcpy(f.data, mac, MAC_LEN);
	return f;
}

struct frame frame_from(struct frame f, const __u8 mac[MAC_LEN])
{
	memcpy(f.data + MAC_LEN, mac, MAC_LEN);
	return f;
}

struct frame frame_ttl(struct frame f, __u8 ttl)
{
	if (is_ip4(&f)) {
		ip4(&f)->ttl = ttl;
		checksum_ip4(&f);
	} else {
		ip6(&f)->ip6_hlim = ttl;
	}
	return f;
}

struct frame frame_extend(struct frame f, __u8 header)
{
	/* Type, length 0 (8 bytes), and options: PadN of 4. A fragment header reads the same bytes
	 * as offset and id. */
	__u8 ext[8] = { ip6(&f)->ip6_nxt, 0, 1, 4 };

	if (header == IPPROTO_FRAGMENT)
		ext[2] = 0, ext[3] = 1;		/* offset 0, more follow */
	if (header == IPPROTO_ROUTING)
		ext[2] = 4, ext[3] = 0;		/* a type with no segments left */
	insert(&f, ETH_LEN + IP6_LEN, ext, sizeof(ext));
	ip6(&f)->ip6_nxt = header;
	ip6(&f)->ip6_plen = htons(ntohs(ip6(&f)->ip6_plen) + sizeof(ext));
	return f;
}

struct frame frame_option(struct frame f)
{
	const __u8 nops[4] = { 1, 1, 1, 1 };

	insert(&f, ETH_LEN + IP4_LEN, nops, sizeof(nops));
	ip4(&f)->ihl++;
	ip4(&f)->tot_len = htons(ntohs(ip4(&f)->tot_len) + sizeof(nops));
	checksum_ip4(&f);
	return f;
}

struct frame frame_fragment(struct frame f, __u16 offset)
{
	ip4(&f)->frag_off = htons(0x2000 | offset);
	checksum_ip4(&f);
	return f;
}

struct frame frame_tag(struct frame f, __u16 ethertype, __u16 vid)
{
	const __be16 tag[2] = { htons(ethertype), htons(vid) };

	insert(&f, 2 * MAC_LEN, tag, sizeof(tag));
	return f;
}
