// SPDX-License-Identifier: Apache-2.0
/*
 * What does not take the short way, though there is an answer for it: packets that are unusual in
 * any respect, and answers that do not hold. None of them may be changed by a bit.
 */
#include <linux/bpf.h>
#include <linux/icmp.h>
#include <linux/in.h>
#include <string.h>

#include "lib/answer.h"

/* What leaves by the answers of this file: other addresses and ports in all places. */
static struct frame leaving(const struct frame *f)
{
	bool v4 = f->data[ETH_LEN] >> 4 == 4;

	return v4 ? frame_udp(NODE4, 61001, "203.0.113.77", 10053) : frame_udp(NODE6, 61001, "2001:db8:77::77", 10053);
}

static struct answer answer_at(int in, const struct frame *f)
{
	const struct frame out = leaving(f);

	return answer_of(f, in, &out, dp.eth1, WAY_WIRE);
}

/* A program by which a frame comes in, and what it counts where the short way is taken. */
static const struct entrance {
	const int *prog, *in;
	enum reason taken;
} pod = { &dp.from_pod, &dp.host0, REASON_SHORT_OUT }, uplink = { &dp.from_uplink, &dp.eth0, REASON_SHORT_IN };

static void runs(const struct entrance *at, struct __sk_buff ctx, const struct frame *f, struct ran *ran)
{
	ct_do("-F");
	ctx.ifindex = *at->in;
	dp_run(*at->prog, ctx, 0, f, ran);
}

static void takes_it(const struct entrance *at, struct __sk_buff ctx, const struct frame *f)
{
	struct ran ran;

	runs(at, ctx, f, &ran);
	dp_ran(&ran, at->taken, REASON_MAX);
	assert_memory_not_equal(ran.frame.data, f->data, f->len);
}

static void passes(const struct entrance *at, struct __sk_buff ctx, const struct frame *f, enum reason reason)
{
	struct ran ran;

	runs(at, ctx, f, &ran);
	dp_ran(&ran, reason, REASON_MAX);
	assert_int_equal(ran.frame.len, f->len);
	assert_memory_equal(ran.frame.data, f->data, f->len);
}

/* There are answers for all that one could take the frame for: for what it was before it was made
 * unusual, which does take the short way, and for what its bytes say where headers usually are. */
static void put_answers(const struct entrance *at, const struct frame *usual, const struct frame *f)
{
	struct answer answer = answer_at(*at->in, usual);

	answer_put(&answer);
	takes_it(at, (struct __sk_buff){ 0 }, usual);
	answer = answer_at(*at->in, f);
	answer_put(&answer);
}

/* The frame is the stack's from either side. reason: what from_pod says of it. */
static void is_unusual(struct frame usual, struct frame f, enum reason reason)
{
	put_answers(&pod, &usual, &f);
	passes(&pod, (struct __sk_buff){ 0 }, &f, reason);
	put_answers(&uplink, &usual, &f);
	passes(&uplink, (struct __sk_buff){ 0 }, &f, REASON_UPLINK_PASS);
}

static void is_usual(struct frame f)
{
	put_answers(&pod, &f, &f);
	put_answers(&uplink, &f, &f);
}

static struct frame udp4(void)
{
	return frame_udp(POD_A4, 4000, WORLD4, 53);
}

static struct frame udp6(void)
{
	return frame_udp(POD_A6, 4000, WORLD6, 53);
}

static struct frame tcp4(__u8 flags)
{
	return frame_tcp(POD_A4, 4000, WORLD4, 80, flags);
}

static struct frame tcp6(__u8 flags)
{
	return frame_tcp(POD_A6, 4000, WORLD6, 80, flags);
}

/* Bytes of the frame replaced, as a pod may; no checksum follows. */
static struct frame with_bytes(struct frame f, size_t at, __u8 first, __u8 second)
{
	f.data[at] = first;
	f.data[at + 1] = second;
	return f;
}

/* ---- packets ---------------------------------------------------------------------------------------- */

static void the_last_hop_is_the_stacks(void **state)
{
	(void)state;
	for (__u8 ttl = 0; ttl < 2; ttl++) {
		is_unusual(udp4(), frame_ttl(udp4(), ttl), REASON_PASS_STACK);
		is_unusual(udp6(), frame_ttl(udp6(), ttl), REASON_PASS_STACK);
	}
	is_usual(frame_ttl(udp4(), 2));
	is_usual(frame_ttl(udp6(), 2));
}

static void options_and_fragments_are(void **state)
{
	static const __u8 extensions[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_DSTOPTS };

	(void)state;
	is_unusual(udp4(), frame_option(udp4()), REASON_PASS_STACK);
	is_unusual(udp4(), frame_fragment(udp4(), 0), REASON_PASS_STACK);
	is_unusual(udp4(), frame_fragment(udp4(), 100), REASON_PASS_STACK);
	is_unusual(udp4(), with_bytes(udp4(), ETH_LEN + 6, 0, 1), REASON_PASS_STACK);	/* the last one */
	is_unusual(udp4(), with_bytes(udp4(), ETH_LEN + 6, 0x1f, 0), REASON_PASS_STACK);
	is_usual(with_bytes(udp4(), ETH_LEN + 6, 0x40, 0));	/* may not be fragmented */
	for (size_t i = 0; i < sizeof(extensions); i++)
		is_unusual(udp6(), frame_extend(udp6(), extensions[i]), REASON_PASS_STACK);
}

static void other_protocols_are(void **state)
{
	static const __u8 protocols[] = { IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP, IPPROTO_GRE };
	const __u8 bytes[32] = { 4000 >> 8, 4000 & 0xff, 0, 53 };

	(void)state;
	for (size_t i = 0; i < sizeof(protocols); i++) {
		is_unusual(udp4(), frame_ip(POD_A4, WORLD4, protocols[i], bytes, sizeof(bytes)), REASON_PASS_STACK);
		is_unusual(udp6(), frame_ip(POD_A6, WORLD6, protocols[i], bytes, sizeof(bytes)), REASON_PASS_STACK);
	}
	is_unusual(udp4(), frame_icmp(POD_A4, WORLD4, ICMP_ECHO), REASON_PASS_STACK);
}

/* The answer and the entry of the IPv4 flow are none of this one's, and no answer is made for it. */
static void is_no_v4(const struct entrance *at, const struct frame *v4, const struct frame *f, enum reason reason)
{
	const struct flow_key key = answer_key(f, *at->in);
	const struct answer answer = answer_at(*at->in, v4);
	struct answer none;
	struct ran ran;

	answer_put(&answer);
	takes_it(at, (struct __sk_buff){ 0 }, v4);
	ct_do("-I -p udp -s " POD_A4 " -d " WORLD4 " --sport 4000 --dport 53 -u SEEN_REPLY,ASSURED -t 60");
	dp_run(*at->prog, (struct __sk_buff){ .ifindex = *at->in }, 0, f, &ran);
	dp_ran(&ran, reason, REASON_MAX);
	assert_false(answer_get(&key, &none));
}

/* ::ffff:10.244.1.5 in an IPv6 header looks like IPv4 in every map. */
static void ipv6_does_not_pass_for_ipv4(void **state)
{
	const struct frame v4 = udp4(), f = frame_udp("::ffff:" POD_A4, 4000, "::ffff:" WORLD4, 53);

	(void)state;
	is_no_v4(&pod, &v4, &f, REASON_DROP_SPOOFED);
	is_no_v4(&uplink, &v4, &f, REASON_UPLINK_PASS);
}

static void lengths_that_do_not_add_up_are(void **state)
{
	struct frame padded = udp4();

	(void)state;
	is_unusual(udp4(), with_bytes(udp4(), ETH_LEN + 2, 0, IP4_LEN + 16 + 1), REASON_PASS_MALFORMED);
	is_unusual(udp6(), with_bytes(udp6(), ETH_LEN + 4, 0, 16 + 1), REASON_PASS_MALFORMED);
	is_unusual(udp4(), with_bytes(udp4(), ETH_LEN, 0x55, 0), REASON_PASS_MALFORMED);	/* version 5 */
	is_unusual(udp6(), with_bytes(udp6(), ETH_LEN, 0x50, 0), REASON_PASS_MALFORMED);
	/* No room for a header's eight bytes. */
	is_unusual(udp4(), with_bytes(udp4(), ETH_LEN + 2, 0, IP4_LEN + 7), REASON_PASS_INSERTED);
	is_unusual(udp6(), with_bytes(udp6(), ETH_LEN + 4, 0, 7), REASON_PASS_INSERTED);
	padded.len += 18;	/* as short frames are on Ethernet */
	is_usual(padded);
}

/* Shorter than their headers; the stack drops them, but it is not from us that they have it. */
static void headers_that_are_cut_off_are(void **state)
{
	struct frame f = tcp4(FLAG_ACK);

	(void)state;
	f.len -= 1;
	is_unusual(tcp4(FLAG_ACK), with_bytes(f, ETH_LEN + 2, 0, IP4_LEN + 19), REASON_PASS_MALFORMED);
	f = tcp6(FLAG_ACK);
	f.len -= 1;
	is_unusual(tcp6(FLAG_ACK), with_bytes(f, ETH_LEN + 4, 0, 19), REASON_PASS_MALFORMED);
}

static void what_is_not_for_the_node_is(void **state)
{
	(void)state;
	is_unusual(udp4(), frame_to(udp4(), mac_foreign), REASON_PASS_NOT_OURS);
	is_unusual(udp4(), frame_to(udp4(), mac_broadcast), REASON_PASS_NOT_OURS);
	is_unusual(udp6(), frame_to(udp6(), mac_multicast), REASON_PASS_NOT_OURS);
}

/* ---- sizes ------------------------------------------------------------------------------------------ */

static void has_size(struct frame f, __u32 gso_size, __u16 mtu, bool fits)
{
	const struct __sk_buff ctx = { .gso_size = gso_size };

	for (int i = 0; i < 2; i++) {
		const struct entrance *at = i ? &uplink : &pod;
		struct answer answer = answer_at(*at->in, &f);

		answer.flow.mtu = mtu;
		answer_put(&answer);
		if (fits)
			takes_it(at, ctx, &f);
		else
			passes(at, ctx, &f, REASON_PASS_TOO_BIG);
	}
}

static void what_exceeds_the_mtu_is_the_stacks(void **state)
{
	(void)state;
	has_size(udp4(), 0, udp4().len - ETH_LEN, true);
	has_size(udp4(), 0, udp4().len - ETH_LEN - 1, false);
	has_size(tcp6(FLAG_ACK), 0, tcp6(FLAG_ACK).len - ETH_LEN, true);
	has_size(tcp6(FLAG_ACK), 0, tcp6(FLAG_ACK).len - ETH_LEN - 1, false);
}

/* Of a packet that the device will cut into segments each has the headers. */
static void of_segments_the_size_of_one_counts(void **state)
{
	__u8 bytes[1000] = { 0 };
	struct frame udp = frame_payload(udp4(), bytes, sizeof(bytes));
	struct frame tcp = frame_payload(tcp6(FLAG_ACK), bytes, sizeof(bytes));

	(void)state;
	has_size(udp, 100, 20 + 8 + 100, true);
	has_size(udp, 100, 20 + 8 + 100 - 1, false);
	has_size(tcp, 100, 40 + 20 + 100, true);
	has_size(tcp, 100, 40 + 20 + 100 - 1, false);
	tcp.data[ETH_LEN + IP6_LEN + 12] = 8 << 4;	/* 12 bytes of options */
	has_size(tcp, 100, 40 + 32 + 100, true);
	has_size(tcp, 100, 40 + 32 + 100 - 1, false);
}

/* ---- set-up and tear-down --------------------------------------------------------------------------- */

static void expect_forgotten(const struct entrance *at, const struct frame *f, enum reason reason)
{
	const struct frame out = leaving(f), back = frame_tcp("203.0.113.77", 10053, NODE4, 61001, FLAG_ACK),
			   back6 = frame_tcp("2001:db8:77::77", 10053, NODE6, 61001, FLAG_ACK);
	const struct frame *reply = f->data[ETH_LEN] >> 4 == 4 ? &back : &back6;
	struct answer there = answer_of(f, *at->in, &out, dp.eth1, WAY_WIRE);
	struct answer here = answer_of(reply, dp.eth1, f, *at->in, WAY_WIRE), other = here;
	struct answer left;
	struct ran ran;

	other.flow.key.sport ^= 1;
	answer_put(&there);
	answer_put(&here);
	answer_put(&other);
	runs(at, (struct __sk_buff){ 0 }, f, &ran);
	dp_ran(&ran, reason, REASON_FORGOTTEN);
	assert_memory_equal(ran.frame.data, f->data, f->len);
	assert_false(answer_get(&there.flow.key, &left));
	assert_false(answer_get(&here.flow.key, &left));
	assert_true(answer_get(&other.flow.key, &left));
}

static void set_up_and_tear_down_end_the_answers_of_both_ways(void **state)
{
	static const struct {
		__u8 flags;
		enum reason reason;
	} segments[] = {
		{ FLAG_SYN, REASON_PASS_INSERTED },
		{ FLAG_SYN | FLAG_ACK, REASON_PASS_NOT_SYN },
		{ FLAG_FIN, REASON_PASS_NOT_SYN },
		{ FLAG_FIN | FLAG_ACK, REASON_PASS_NOT_SYN },
		{ FLAG_RST, REASON_PASS_NOT_SYN },
		{ FLAG_RST | FLAG_ACK, REASON_PASS_NOT_SYN },
		{ 0, REASON_PASS_NOT_SYN },
	};

	(void)state;
	is_usual(tcp4(FLAG_ACK | 0x08 | 0x20 | 0xc0));	/* PSH, URG and ECN say nothing about it */
	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		struct frame v4 = tcp4(segments[i].flags), v6 = tcp6(segments[i].flags);

		expect_forgotten(&pod, &v4, segments[i].reason);
		expect_forgotten(&pod, &v6, segments[i].reason);
		expect_forgotten(&uplink, &v4, REASON_UPLINK_PASS);
		expect_forgotten(&uplink, &v6, REASON_UPLINK_PASS);
	}
}

#define EACH(test) cmocka_unit_test_setup(test, dp_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(the_last_hop_is_the_stacks),
		EACH(options_and_fragments_are),
		EACH(other_protocols_are),
		EACH(ipv6_does_not_pass_for_ipv4),
		EACH(lengths_that_do_not_add_up_are),
		EACH(headers_that_are_cut_off_are),
		EACH(what_is_not_for_the_node_is),
		EACH(what_exceeds_the_mtu_is_the_stacks),
		EACH(of_segments_the_size_of_one_counts),
		EACH(set_up_and_tear_down_end_the_answers_of_both_ways),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
