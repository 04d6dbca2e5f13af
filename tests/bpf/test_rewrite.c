// SPDX-License-Identifier: Apache-2.0
/*
 * The short way's translation, byte for byte: what leaves must be the frame that one would build
 * from scratch, with every checksum computed anew. Answers are put into the map by hand.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "lib/answer.h"

#ifndef BPF_F_TEST_SKB_CHECKSUM_COMPLETE	/* 6.16 and newer */
#define BPF_F_TEST_SKB_CHECKSUM_COMPLETE (1U << 2)
#endif


static const __u8 mac_next[MAC_LEN] = { 2, 0, 0, 0xfe, 0xdc, 0xba };	/* where the answers lead */
static const __u8 mac_ours[MAC_LEN] = { 2, 0x98, 0x76, 0x54, 0x32, 0x10 };

/* One way to translate, in both families. */
struct nat {
	const char *name;
	const char *src4, *src6;
	__u16 sport;
	const char *dst4, *dst6;
	__u16 dport;
};

static const struct nat nats[] = {
	{ "none", POD_A4, POD_A6, 4000, WORLD4, WORLD6, 53 },
	{ "source", NODE4, NODE6, 61001, WORLD4, WORLD6, 53 },
	{ "source, same port", NODE4, NODE6, 4000, WORLD4, WORLD6, 53 },
	{ "destination", POD_A4, POD_A6, 4000, "203.0.113.77", "2001:db8:77:ffff::fffe", 10053 },
	{ "both", NODE4, NODE6, 1024, "203.0.113.77", "2001:db8:77:ffff::fffe", 65535 },
	{ "ports alone", POD_A4, POD_A6, 65535, WORLD4, WORLD6, 1 },
};
#define NATS (sizeof(nats) / sizeof(nats[0]))

static struct frame frame_of(bool v4, __u8 proto, const struct nat *nat)
{
	const char *src = v4 ? nat->src4 : nat->src6, *dst = v4 ? nat->dst4 : nat->dst6;

	return proto == IPPROTO_UDP ? frame_udp(src, nat->sport, dst, nat->dport) :
				      frame_tcp(src, nat->sport, dst, nat->dport, FLAG_ACK);
}

static struct frame arriving(bool v4, __u8 proto)
{
	return frame_of(v4, proto, &nats[0]);
}

static struct frame leaving(bool v4, __u8 proto, const struct nat *nat)
{
	return frame_ttl(frame_from(frame_to(frame_of(v4, proto, nat), mac_next), mac_ours), 63);
}

/* Where a frame comes in, and what is counted if it takes the short way from there. */
static const struct entrance {
	const int *prog, *in;
	enum flow_way way;
	enum reason reason;
} entrances[] = {
	{ &dp.from_pod, &dp.host0, WAY_WIRE, REASON_SHORT_OUT },
	{ &dp.from_pod, &dp.host0, WAY_PEER, REASON_SHORT_POD },
	{ &dp.from_uplink, &dp.eth0, WAY_WIRE, REASON_SHORT_IN },
	{ &dp.from_uplink, &dp.eth0, WAY_PEER, REASON_SHORT_IN },
};

static void becomes(const struct entrance *at, __u32 flags, const struct frame *arrives, const struct frame *leaves)
{
	struct ran ran;

	dp_run(*at->prog, (struct __sk_buff){ .ifindex = *at->in }, flags, arrives, &ran);
	dp_ran(&ran, at->reason, REASON_MAX);
	assert_int_equal(ran.frame.len, leaves->len);
	assert_memory_equal(ran.frame.data, leaves->data, leaves->len);
}

static void expect(const struct entrance *at, __u32 flags, const struct frame *arrives, const struct frame *leaves)
{
	const struct answer answer = answer_of(arrives, *at->in, leaves, dp.eth1, at->way);

	answer_put(&answer);
	becomes(at, flags, arrives, leaves);
}

/* Every family, protocol and translation; alter() does the same to both frames. */
static void for_each_kind(const struct entrance *at, __u32 flags, struct frame (*alter)(struct frame))
{
	for (int kind = 0; kind < 4; kind++) {
		__u8 proto = kind & 1 ? IPPROTO_TCP : IPPROTO_UDP;

		for (size_t i = 0; i < NATS; i++) {
			struct frame in = alter(arriving(kind & 2, proto));
			struct frame out = alter(leaving(kind & 2, proto, &nats[i]));

			expect(at, flags, &in, &out);
		}
	}
}

static struct frame as_it_is(struct frame f)
{
	return f;
}

static void every_translation_is_as_if_built_anew(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(entrances) / sizeof(entrances[0]); i++)
		for_each_kind(&entrances[i], 0, as_it_is);
}

/* Of both frames of a pair: the same seed gives the same bytes. */
static unsigned int seed;

static struct frame with_noise(struct frame f)
{
	__u8 payload[1200];
	unsigned int state = seed;
	size_t len = rand_r(&state) % sizeof(payload);

	for (size_t i = 0; i < len; i++)
		payload[i] = rand_r(&state);
	return frame_payload(f, payload, len);
}

static void whatever_it_carries(void **state)
{
	(void)state;
	for (seed = 1; seed <= 300; seed++)
		for_each_kind(&entrances[0], 0, with_noise);
}

static void for_any_addresses_and_ports(void **state)
{
	unsigned int dice = 1;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char src[32], dst[32];
		struct nat nat = { .src4 = src, .src6 = src, .dst4 = dst, .dst6 = dst };
		bool v4 = rand_r(&dice) % 2;
		__u8 proto = rand_r(&dice) % 2 ? IPPROTO_UDP : IPPROTO_TCP;
		struct frame in, out;

		snprintf(src, sizeof(src), v4 ? "192.0.2.%u" : "2001:db8::%x", rand_r(&dice) % 256);
		snprintf(dst, sizeof(dst), v4 ? "203.0.113.%u" : "2001:db8:%x::1", rand_r(&dice) % 256);
		nat.sport = rand_r(&dice);
		nat.dport = rand_r(&dice);
		in = arriving(v4, proto);
		out = leaving(v4, proto, &nat);
		expect(&entrances[0], 0, &in, &out);
	}
}

static struct frame without_checksum(struct frame f)
{
	size_t at = ETH_LEN + (f.data[ETH_LEN] >> 4 == 4 ? IP4_LEN : IP6_LEN) + 6;

	f.data[at] = f.data[at + 1] = 0;
	return f;
}

static void an_absent_checksum_stays_absent(void **state)
{
	(void)state;
	for (size_t i = 0; i < NATS; i++) {
		struct frame in = without_checksum(arriving(true, IPPROTO_UDP));
		struct frame out = without_checksum(leaving(true, IPPROTO_UDP, &nats[i]));

		expect(&entrances[0], 0, &in, &out);
		in = without_checksum(arriving(false, IPPROTO_UDP));
		out = without_checksum(leaving(false, IPPROTO_UDP, &nats[i]));
		expect(&entrances[2], 0, &in, &out);
	}
}

/* A payload with which the frame that leaves has this checksum, or for UDP its other name. */
static __u16 payload_for(const struct frame *leaves, size_t check_at, __u16 check)
{
	const __u8 nothing[2] = { 0 };
	struct frame f = frame_payload(*leaves, nothing, sizeof(nothing));
	__u32 sum;
	__u16 is;

	memcpy(&is, f.data + check_at, 2);
	/* ~is + payload = ~check, in ones' complement */
	sum = (__u32)is + (__u16)~check;
	return (sum & 0xffff) + (sum >> 16);
}

static void a_checksum_that_comes_out_as_zero(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		bool v4 = kind & 2, udp = kind & 1;
		size_t at = ETH_LEN + (v4 ? IP4_LEN : IP6_LEN) + (udp ? 6 : 16);

		for (size_t i = 1; i < NATS; i++) {
			struct frame in = arriving(v4, udp ? IPPROTO_UDP : IPPROTO_TCP);
			struct frame out = leaving(v4, udp ? IPPROTO_UDP : IPPROTO_TCP, &nats[i]);
			__u16 payload = payload_for(&out, at, 0), check;

			in = frame_payload(in, &payload, sizeof(payload));
			out = frame_payload(out, &payload, sizeof(payload));
			memcpy(&check, out.data + at, 2);
			assert_int_equal(check, udp ? 0xffff : 0);
			expect(&entrances[0], 0, &in, &out);
			expect(&entrances[2], 0, &in, &out);
		}
	}
}

/* The kernel compares the skb's sum over all bytes with the bytes afterwards. */
static void the_sum_that_a_card_gave_is_moved_too(void **state)
{
	struct frame f = frame_udp(POD_A4, 4000, WORLD4, 53);
	struct ran ran;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.data, .data_size_in = f.len, .data_out = ran.frame.data,
		    .data_size_out = sizeof(ran.frame.data), .flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE);

	(void)state;
	if (bpf_prog_test_run_opts(dp.to_pod, &opts)) {
		print_message("this kernel's test runs have no CHECKSUM_COMPLETE\n");
		skip();
	}
	for_each_kind(&entrances[0], BPF_F_TEST_SKB_CHECKSUM_COMPLETE, as_it_is);
	for_each_kind(&entrances[3], BPF_F_TEST_SKB_CHECKSUM_COMPLETE, as_it_is);
	for (seed = 1; seed <= 50; seed++)
		for_each_kind(&entrances[2], BPF_F_TEST_SKB_CHECKSUM_COMPLETE, with_noise);
}

static void older_kernels_come_to_the_same(void **state)
{
	(void)state;
	dp.without_cast = true;
	dp_load(LEVEL_FULL, false);
	every_translation_is_as_if_built_anew(NULL);
	an_absent_checksum_stays_absent(NULL);
	the_sum_that_a_card_gave_is_moved_too(NULL);
}

static int with_cast(void **state)
{
	(void)state;
	dp.without_cast = false;
	dp_load(LEVEL_FULL, false);
	return 0;
}

static void it_keeps_the_priority_and_takes_the_nodes_mark_from_what_a_pod_gets(void **state)
{
	struct frame in = arriving(true, IPPROTO_UDP), out = leaving(true, IPPROTO_UDP, &nats[1]);
	struct ran ran;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct answer answer = answer_of(&in, dp.host0, &out, dp.eth1, entrances[i].way);

		answer.flow.priority = 0x10007;
		answer_put(&answer);
		dp_run(dp.from_pod, (struct __sk_buff){ .ifindex = dp.host0, .mark = 5, .priority = 3 }, 0, &in, &ran);
		dp_ran(&ran, entrances[i].reason, REASON_MAX);
		assert_int_equal(ran.ctx.priority, 0x10007);
		assert_int_equal(ran.ctx.mark, entrances[i].way == WAY_PEER ? 0 : 5);
	}
}

#define EACH(test) cmocka_unit_test_setup(test, dp_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(every_translation_is_as_if_built_anew),
		EACH(whatever_it_carries),
		EACH(for_any_addresses_and_ports),
		EACH(an_absent_checksum_stays_absent),
		EACH(a_checksum_that_comes_out_as_zero),
		EACH(the_sum_that_a_card_gave_is_moved_too),
		cmocka_unit_test_setup_teardown(older_kernels_come_to_the_same, dp_reset, with_cast),
		EACH(it_keeps_the_priority_and_takes_the_nodes_mark_from_what_a_pod_gets),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
