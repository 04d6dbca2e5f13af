// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <string.h>

#include "core/packet.h"

#define PAYLOAD 8	/* bytes of what is neither TCP nor UDP: enough for an echo's header */

bool packet_has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

bool packet_is_icmp(__u8 proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* Returns the segment's length. */
static size_t write_segment(const struct packet *packet, __u8 *out)
{
	struct tcphdr tcp = {
		.source = htons(packet->sport),
		.dest = htons(packet->dport),
		.doff = sizeof(tcp) / 4,
		.fin = !!(packet->tcp_flags & PACKET_FIN),
		.syn = !!(packet->tcp_flags & PACKET_SYN),
		.rst = !!(packet->tcp_flags & PACKET_RST),
		.ack = !!(packet->tcp_flags & PACKET_ACK),
		.window = htons(65535),
	};
	const struct udphdr udp = {
		.source = htons(packet->sport),
		.dest = htons(packet->dport),
		.len = htons(sizeof(udp)),
	};

	memset(out, 0, PAYLOAD);
	switch (packet->proto) {
	case IPPROTO_TCP:
		memcpy(out, &tcp, sizeof(tcp));
		return sizeof(tcp);
	case IPPROTO_UDP:
		memcpy(out, &udp, sizeof(udp));
		return sizeof(udp);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		out[0] = packet->icmp_type;
		return PAYLOAD;
	default:
		if (packet_has_ports(packet->proto))
			memcpy(out, &udp, 2 * sizeof(udp.source));
		return PAYLOAD;
	}
}

size_t packet_write(const struct packet *packet, const __u8 from[MAC_LEN], const __u8 to[MAC_LEN],
		    __u8 out[PACKET_MAX])
{
	bool v4 = addr_is_v4(&packet->src);
	size_t headers = ETH_HLEN + (v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	size_t segment = write_segment(packet, out + headers);
	const struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htons(sizeof(ip) + segment),
		.ttl = packet->ttl,
		.protocol = packet->proto,
	};
	const struct ipv6hdr ip6 = {
		.version = 6,
		.payload_len = htons(segment),
		.nexthdr = packet->proto,
		.hop_limit = packet->ttl,
	};
	const __be16 type = htons(v4 ? ETH_P_IP : ETH_P_IPV6);

	memcpy(out, to, MAC_LEN);
	memcpy(out + MAC_LEN, from, MAC_LEN);
	memcpy(out + 2 * MAC_LEN, &type, sizeof(type));
	if (v4) {
		memcpy(out + ETH_HLEN, &ip, sizeof(ip));
		memcpy(out + ETH_HLEN + offsetof(struct iphdr, saddr), &packet->src.byte[12], 4);
		memcpy(out + ETH_HLEN + offsetof(struct iphdr, daddr), &packet->dst.byte[12], 4);
	} else {
		memcpy(out + ETH_HLEN, &ip6, sizeof(ip6));
		memcpy(out + ETH_HLEN + offsetof(struct ipv6hdr, saddr), &packet->src, 16);
		memcpy(out + ETH_HLEN + offsetof(struct ipv6hdr, daddr), &packet->dst, 16);
	}
	return headers + segment;
}

static __u16 read_port(const __u8 *at)
{
	return at[0] << 8 | at[1];
}

void packet_read_back(const __u8 *frame, struct packet *packet)
{
	bool v4 = addr_is_v4(&packet->src);
	const __u8 *ip = frame + ETH_HLEN;
	const __u8 *segment = ip + (v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	int family = v4 ? AF_INET : AF_INET6;

	packet->src = addr_from_bytes(family, ip + (v4 ? offsetof(struct iphdr, saddr) :
							 offsetof(struct ipv6hdr, saddr)));
	packet->dst = addr_from_bytes(family, ip + (v4 ? offsetof(struct iphdr, daddr) :
							 offsetof(struct ipv6hdr, daddr)));
	if (packet_has_ports(packet->proto)) {
		packet->sport = read_port(segment);
		packet->dport = read_port(segment + sizeof(__be16));
	}
}
