/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_CORE_PACKET_H
#define CTNAT_CORE_PACKET_H

/* A packet as people name it, as the smallest frame that is one, and back. */
#include "base/addr.h"

#define PACKET_MAX 128

struct packet {
	struct addr src, dst;	/* of one family */
	__u8 proto;
	__u8 ttl;
	__u8 tcp_flags;		/* PACKET_* */
	__u8 icmp_type;		/* ICMP and ICMPv6 */
	__u16 sport, dport;	/* TCP, UDP, SCTP; host order */
};

#define PACKET_FIN 0x01
#define PACKET_SYN 0x02
#define PACKET_RST 0x04
#define PACKET_ACK 0x10

/* Does the protocol have ports where TCP and UDP have them? */
bool packet_has_ports(__u8 proto);
bool packet_is_icmp(__u8 proto);

/* From the Ethernet header on. Checksums are absent: it is for programs, which look at none, and
 * not for a wire. Returns its length. */
size_t packet_write(const struct packet *packet, const __u8 from[MAC_LEN], const __u8 to[MAC_LEN],
		    __u8 out[PACKET_MAX]);

/* What a frame that packet_write() made has become: addresses and ports. */
void packet_read_back(const __u8 *frame, struct packet *packet);

#endif
