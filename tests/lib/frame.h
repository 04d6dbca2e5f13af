/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_FRAME_H
#define CTNAT_TESTS_FRAME_H

/* Ethernet frames for tests, from addresses in text. Lengths and checksums add up; a test then
 * breaks what it wants. */
#include <linux/types.h>
#include <stddef.h>

#include "abi.h"

#define FRAME_MAX 2048

struct frame {
	size_t len;
	__u8 align[2];		/* so that the IP header is aligned */
	__u8 data[FRAME_MAX];
};

#define ETH_LEN		14
#define IP4_LEN		20
#define IP6_LEN		40

#define FLAG_FIN	0x01
#define FLAG_SYN	0x02
#define FLAG_RST	0x04
#define FLAG_ACK	0x10

/* Both addresses of one family. Source MAC is the pod's, destination MAC the
 * host side's (below). */
struct frame frame_ip(const char *src, const char *dst, __u8 proto, const void *payload, size_t len);
struct frame frame_udp(const char *src, __u16 sport, const char *dst, __u16 dport);
struct frame frame_tcp(const char *src, __u16 sport, const char *dst, __u16 dport, __u8 flags);
/* What stands behind the header of a UDP or TCP frame, in place of what stood there. */
struct frame frame_payload(struct frame f, const void *bytes, size_t len);
/* ICMP or ICMPv6 by the family, with 16 zero bytes of payload. */
struct frame frame_icmp(const char *src, const char *dst, __u8 type);
/* ICMP or ICMPv6 "port unreachable" of src, about a packet that dst sent. */
struct frame frame_unreachable(const char *src, const char *dst, const struct frame *about);
/* An ICMPv6 message with a target and hop limit 255: types 135, 136, 137. */
struct frame frame_nd(const char *src, const char *dst, __u8 type, const char *target);
/* op: 1 request, 2 reply. */
struct frame frame_arp(__u16 op, const __u8 sender_mac[MAC_LEN], const char *sender, const char *target);

struct frame frame_to(struct frame f, const __u8 mac[MAC_LEN]);		/* another destination MAC */
struct frame frame_from(struct frame f, const __u8 mac[MAC_LEN]);	/* another source MAC */
struct frame frame_ttl(struct frame f, __u8 ttl);			/* or hop limit */
/* An extension header of 8 bytes behind the IPv6 header, before what was there: 0 hop-by-hop, 43
 * routing, 44 fragment (the first of several), 60 destination options. */
struct frame frame_extend(struct frame f, __u8 header);
/* IPv4: 4 bytes of options (no-operations). */
struct frame frame_option(struct frame f);
/* IPv4: offset in units of 8 bytes, with the "more" bit. */
struct frame frame_fragment(struct frame f, __u16 offset);
/* A VLAN tag in front of everything that is there. */
struct frame frame_tag(struct frame f, __u16 ethertype, __u16 vid);

extern const __u8 mac_pod[MAC_LEN];		/* peer0's */
extern const __u8 mac_host[MAC_LEN];		/* host0's */
extern const __u8 mac_foreign[MAC_LEN];
extern const __u8 mac_broadcast[MAC_LEN];
extern const __u8 mac_multicast[MAC_LEN];	/* 33:33:00:00:00:01 */

#endif
