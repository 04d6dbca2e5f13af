// SPDX-License-Identifier: Apache-2.0
/* Packets that people name: the frames that are made of them. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/packet.h"

static const __u8 from[MAC_LEN] = { 2, 0, 0, 0, 0, 1 }, to[MAC_LEN] = { 2, 0, 0, 0, 0, 2 };

static struct packet packet(const char *src, const char *dst, __u8 proto)
{
	struct packet p = { .proto = proto, .ttl = 64, .sport = 40000, .dport = 443 };

	assert_int_equal(addr_parse(src, &p.src), 0);
	assert_int_equal(addr_parse(dst, &p.dst), 0);
	return p;
}

static void ipv4_tcp(void **state)
{
	static const __u8 wanted[] = {
		2,    0,    0,	  0,	0,    2,    2,	  0,	0,    0,    0, 1, 8, 0,	/* Ethernet */
		0x45, 0,    0,	  40,	0,    0,    0,	  0,	64,   6,    0, 0,	/* IPv4 */
		10,   244,  1,	  5,	198,  51,   100,  1,
		0x9c, 0x40, 0x01, 0xbb, 0,    0,    0,	  0,	0,    0,    0, 0,	/* TCP */
		0x50, 0x12, 0xff, 0xff, 0,    0,    0,	  0,
	};
	struct packet p = packet("10.244.1.5", "198.51.100.1", IPPROTO_TCP), back = p;
	__u8 frame[PACKET_MAX];

	(void)state;
	p.tcp_flags = PACKET_SYN | PACKET_ACK;
	assert_int_equal(packet_write(&p, from, to, frame), sizeof(wanted));
	assert_memory_equal(frame, wanted, sizeof(wanted));
	memset(&back.dst, 0, sizeof(back.dst));
	back.src = p.dst;	/* says the family, and no more */
	packet_read_back(frame, &back);
	assert_memory_equal(&back.src, &p.src, sizeof(p.src));
	assert_memory_equal(&back.dst, &p.dst, sizeof(p.dst));
	assert_int_equal(back.sport, 40000);
	assert_int_equal(back.dport, 443);
}

static void ipv6_udp(void **state)
{
	struct packet p = packet("fd00::5", "2001:db8::1", IPPROTO_UDP), back = p;
	__u8 frame[PACKET_MAX];

	(void)state;
	assert_int_equal(packet_write(&p, from, to, frame), 14 + 40 + 8);
	assert_int_equal(frame[12] << 8 | frame[13], 0x86dd);
	assert_int_equal(frame[14], 0x60);
	assert_int_equal(frame[14 + 4] << 8 | frame[14 + 5], 8);	/* payload */
	assert_int_equal(frame[14 + 6], IPPROTO_UDP);
	assert_int_equal(frame[14 + 7], 64);
	assert_int_equal(frame[14 + 40 + 4] << 8 | frame[14 + 40 + 5], 8);	/* UDP's length */
	back.sport = back.dport = 0;
	packet_read_back(frame, &back);
	assert_memory_equal(&back.src, &p.src, sizeof(p.src));
	assert_memory_equal(&back.dst, &p.dst, sizeof(p.dst));
	assert_int_equal(back.sport, 40000);
	assert_int_equal(back.dport, 443);
}

static void others(void **state)
{
	struct packet p = packet("10.244.1.5", "198.51.100.1", IPPROTO_ICMP);
	__u8 frame[PACKET_MAX];

	(void)state;
	p.icmp_type = 8;
	assert_int_equal(packet_write(&p, from, to, frame), 14 + 20 + 8);
	assert_int_equal(frame[14 + 20], 8);
	p.proto = IPPROTO_SCTP;
	assert_int_equal(packet_write(&p, from, to, frame), 14 + 20 + 8);
	assert_int_equal(frame[14 + 20] << 8 | frame[14 + 21], 40000);
	p.proto = 47;
	packet_write(&p, from, to, frame);
	assert_int_equal(frame[14 + 20] << 8 | frame[14 + 21], 0);
	packet_read_back(frame, &p);
	assert_int_equal(p.sport, 40000);	/* no port of it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_tcp),
		cmocka_unit_test(ipv6_udp),
		cmocka_unit_test(others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
