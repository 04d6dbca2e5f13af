// SPDX-License-Identifier: Apache-2.0
/*
 * The short way and the shapes that a packet has in the kernel, which no test run can make:
 * checksums that the device is to complete, segments that it is to cut, VLAN tags, page fragments.
 */
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/answer.h"
#include "lib/ends.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4	/* 6.2 and newer */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static const __u8 bytes[1500];

/* Where the TCP or UDP header begins. */
static size_t segment_at(const struct frame *f)
{
	return ETH_LEN + (f->data[12] == 0x08 ? IP4_LEN : IP6_LEN);
}

static __u8 proto_of(const struct frame *f)
{
	return answer_key(f, 0).arrival & ~ARRIVAL_V4;
}

static size_t check_offset(const struct frame *f)
{
	return proto_of(f) == IPPROTO_UDP ? 6 : 16;
}

static __u32 add(__u32 sum, const void *at, size_t len)
{
	__u16 word;

	for (size_t i = 0; i < len; i += 2) {
		memcpy(&word, (const __u8 *)at + i, 2);
		sum += __builtin_bswap16(word);
	}
	return sum;
}

/* As a sender leaves it to the device: the pseudo header's sum in place of the checksum. */
static struct frame partial(struct frame f)
{
	const struct flow_key key = answer_key(&f, 0);
	size_t at = segment_at(&f), from = f.data[12] == 0x08 ? 12 : 0;
	__u32 sum = proto_of(&f) + (f.len - at);
	__u16 check;

	sum = add(sum, key.src.byte + from, 16 - from);
	sum = add(sum, key.dst.byte + from, 16 - from);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	check = __builtin_bswap16(sum);
	memcpy(f.data + at + check_offset(&f), &check, sizeof(check));
	return f;
}

/* What stands in front of the frame on a socket that offloads. */
static struct virtio_net_hdr offload_of(const struct frame *f, __u16 gso_size)
{
	bool v4 = f->data[12] == 0x08;
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = segment_at(f),
		.csum_offset = check_offset(f),
	};

	if (gso_size) {
		h.gso_type = proto_of(f) == IPPROTO_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4 :
			     v4				? VIRTIO_NET_HDR_GSO_TCPV4 :
							  VIRTIO_NET_HDR_GSO_TCPV6;
		h.gso_size = gso_size;
		h.hdr_len = segment_at(f) + (proto_of(f) == IPPROTO_UDP ? 8 : 20);
	}
	return h;
}

static struct frame with_header(const struct virtio_net_hdr *h, const struct frame *f)
{
	struct frame whole = { .len = sizeof(*h) + f->len };

	memcpy(whole.data, h, sizeof(*h));
	memcpy(whole.data + sizeof(*h), f->data, f->len);
	return whole;
}

/* From a pod to the world, by this way. What leaves has the header that it came with, but for the
 * length of its headers, which is a hint. */
static void crosses(const struct virtio_net_hdr *h, const struct frame *sent, const struct frame *expected,
		    enum reason reason)
{
	int from = ends_socket("peer0", true), to = ends_socket("world0", true);
	const struct frame whole = with_header(h, sent);
	__u64 before = dp_count(reason);
	struct virtio_net_hdr came;
	struct frame got;

	if (send(from, whole.data, whole.len, 0) < 0)
		skip();		/* UDP in segments: 6.2 and newer */
	do {
		ssize_t len = recv(to, got.data, sizeof(got.data), 0);

		assert_true(len > (ssize_t)sizeof(came));
		got.len = len - sizeof(came);
		memcpy(&came, got.data, sizeof(came));
		memmove(got.data, got.data + sizeof(came), got.len);
	} while (got.data[12] != expected->data[12] || proto_of(&got) != proto_of(expected));
	close(from);
	close(to);
	assert_int_equal(dp_count(reason), before + 1);
	assert_int_equal(got.len, expected->len);
	assert_memory_equal(got.data, expected->data, expected->len);
	came.hdr_len = h->hdr_len;
	assert_memory_equal(&came, h, sizeof(came));
}

/* A flow of pod A to the world with SNAT to another port, established. */
struct flow_frames {
	struct frame sent, expected;
};

static struct flow_frames establish(bool v4, __u8 proto)
{
	const char *pod = v4 ? POD_A4 : POD_A6, *node = v4 ? NODE4 : NODE6, *world = v4 ? WORLD4 : WORLD6;
	struct flow_frames f;

	ends_reset(NULL);
	if (proto == IPPROTO_UDP) {
		ct_do("-I -p udp -s %s -d %s --sport 4000 --dport 53 --src-nat %s%s%s:61000 -t 60 "
		      "-u SEEN_REPLY,ASSURED", pod, world, v4 ? "" : "[", node, v4 ? "" : "]");
		f.sent = frame_udp(pod, 4000, world, 53);
		f.expected = frame_udp(node, 61000, world, 53);
	} else {
		ct_do("-I -p tcp -s %s -d %s --sport 4000 --dport 80 --src-nat %s%s%s:61000 -t 600 "
		      "--state ESTABLISHED -u SEEN_REPLY,ASSURED", pod, world, v4 ? "" : "[", node, v4 ? "" : "]");
		f.sent = frame_tcp(pod, 4000, world, 80, FLAG_ACK);
		f.expected = frame_tcp(node, 61000, world, 80, FLAG_ACK);
	}
	f.expected = ends_forwarded(f.expected, ends.world);
	return f;
}

static void in_shape(bool v4, __u8 proto, size_t payload, __u16 gso_size)
{
	struct flow_frames f = establish(v4, proto);
	struct virtio_net_hdr h = offload_of(&f.sent, gso_size);

	f.sent = partial(frame_payload(f.sent, bytes, payload));
	f.expected = partial(frame_payload(f.expected, bytes, payload));
	/* As the stack does it, so do we. */
	crosses(&h, &f.sent, &f.expected, REASON_PASS_ASKED);
	crosses(&h, &f.sent, &f.expected, REASON_SHORT_OUT);
}

static void a_checksum_is_left_to_the_device(void **state)
{
	(void)state;
	for (int v4 = 0; v4 < 2; v4++) {
		in_shape(v4, IPPROTO_UDP, 100, 0);
		in_shape(v4, IPPROTO_TCP, 100, 0);
	}
}

static void the_cutting_of_tcp_is_left_to_the_device(void **state)
{
	(void)state;
	in_shape(true, IPPROTO_TCP, sizeof(bytes), 700);
	in_shape(false, IPPROTO_TCP, sizeof(bytes), 700);
}

static void the_cutting_of_udp_is_left_to_the_device(void **state)
{
	(void)state;
	in_shape(true, IPPROTO_UDP, sizeof(bytes), 700);
	in_shape(false, IPPROTO_UDP, sizeof(bytes), 700);
}

/* Of VLAN 0 it is the node's: the tag was priority alone. */
static void a_tagged_packet_is_the_stacks(void **state)
{
	(void)state;
	for (int v4 = 0; v4 < 2; v4++) {
		struct flow_frames f = establish(v4, IPPROTO_UDP);

		ends_carry(ends.pod_a, f.sent, ends.world, f.expected, REASON_PASS_ASKED);
		ends_carry(ends.pod_a, f.sent, ends.world, f.expected, REASON_SHORT_OUT);
		ends_carry(ends.pod_a, frame_tag(f.sent, ETH_P_8021Q, 0), ends.world, f.expected, REASON_PASS_NOT_OURS);
	}
}

/* Its headers are not where we look for them; conntrack can be asked nevertheless. */
static void a_packet_in_pages_is_the_stacks(void **state)
{
	(void)state;
	for (int v4 = 0; v4 < 2; v4++) {
		struct flow_frames f = establish(v4, IPPROTO_UDP);
		__u64 before = dp_count(REASON_PASS_ASKED);
		int fd = ends_socket("peer0", false);
		struct frame got;

		ends_carry(ends.pod_a, f.sent, ends.world, f.expected, REASON_PASS_ASKED);
		ends_carry(ends.pod_a, f.sent, ends.world, f.expected, REASON_SHORT_OUT);
		send_paged(fd, f.sent);
		assert_true(ends_receive(ends.world, &got));
		assert_memory_equal(got.data, f.expected.data, f.expected.len);
		assert_int_equal(dp_count(REASON_PASS_ASKED), before + 2);
		close(fd);
	}
}

static void too_large_for_its_route(void **state)
{
	const struct frame big = frame_payload(frame_udp(POD_A4, 4000, WORLD4, 53), bytes, 1300);
	struct flow_frames f = establish(true, IPPROTO_UDP);
	struct frame got;

	(void)state;
	run("ip route add " WORLD4 " via 192.0.2.254 mtu 1000");
	ends_carry(ends.pod_a, f.sent, ends.world, f.expected, REASON_PASS_ASKED);
	ends_carry(ends.pod_a, f.sent, ends.world, f.expected, REASON_SHORT_OUT);
	/* The stack cuts it. */
	ends_send(ends.pod_a, big);
	for (int i = 0; i < 2; i++) {
		assert_true(ends_receive(ends.world, &got));
		assert_true(got.len <= ETH_LEN + 1000);
	}
	assert_int_equal(dp_count(REASON_PASS_TOO_BIG), 1);
}

static int without_route(void **state)
{
	(void)state;
	run("ip route del " WORLD4);
	return 0;
}

#define EACH(test) cmocka_unit_test_setup(test, ends_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_checksum_is_left_to_the_device),
		EACH(the_cutting_of_tcp_is_left_to_the_device),
		EACH(the_cutting_of_udp_is_left_to_the_device),
		EACH(a_tagged_packet_is_the_stacks),
		EACH(a_packet_in_pages_is_the_stacks),
		cmocka_unit_test_setup_teardown(too_large_for_its_route, ends_reset, without_route),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, ends_set_up, ends_tear_down);
	dp.without_cast = true;
	return failed + cmocka_run_group_tests_name("without the cast", tests, ends_set_up, ends_tear_down);
}
