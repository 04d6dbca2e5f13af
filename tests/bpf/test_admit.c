// SPDX-License-Identifier: Apache-2.0
/*
 * An entry that BPF made is in conntrack's table before FORWARD has judged its first packet. What
 * a firewall drops must not open the way for an answer.
 */
#include <linux/in.h>
#include <string.h>
#include <unistd.h>

#include "kern/tcattach.h"
#include "lib/answer.h"
#include "lib/ends.h"

/* Pod A's packets, as it sends them and as they leave, and the world's answers. */
struct talk {
	struct frame ask, asked, answer, answered;
};

static struct talk talk(bool v4, __u8 proto)
{
	const char *pod = v4 ? POD_A4 : POD_A6, *node = v4 ? NODE4 : NODE6, *world = v4 ? WORLD4 : WORLD6;
	struct talk t;

	if (proto == IPPROTO_UDP) {
		t.ask = frame_udp(pod, 4000, world, 53);
		t.asked = frame_udp(node, 4000, world, 53);
		t.answer = frame_udp(world, 53, node, 4000);
		t.answered = frame_udp(world, 53, pod, 4000);
	} else {
		t.ask = frame_tcp(pod, 4000, world, 80, FLAG_SYN);
		t.asked = frame_tcp(node, 4000, world, 80, FLAG_SYN);
		t.answer = frame_tcp(world, 80, node, 4000, FLAG_SYN | FLAG_ACK);
		t.answered = frame_tcp(world, 80, pod, 4000, FLAG_SYN | FLAG_ACK);
	}
	t.asked = ends_forwarded(t.asked, ends.world);
	t.answered = ends_forwarded(t.answered, ends.pod_a);
	return t;
}

/* Sends, and asserts that nothing comes out there while this counter moves by one. */
static void is_dropped(int from, struct frame f, int to, enum reason reason)
{
	__u64 before = dp_count(reason);

	dp_guards_hear();
	ends_send(from, f);
	ends_silent(to);
	if (dp_count(reason) != before + 1)
		fail_msg("'%s' moved by %lld", dp_reason(reason), (long long)(dp_count(reason) - before));
}

static void for_each_talk(void (*test)(const struct talk *))
{
	for (int kind = 0; kind < 4; kind++) {
		const struct talk t = talk(kind & 2, kind & 1 ? IPPROTO_TCP : IPPROTO_UDP);

		ends_reset(NULL);
		test(&t);
	}
}

static void is_answered(const struct talk *t)
{
	ends_carry(ends.pod_a, t->ask, ends.world, t->asked, REASON_PASS_INSERTED);
	ends_carry(ends.world, t->answer, ends.pod_a, t->answered, REASON_POD_PASS);
}

static void what_was_let_out_is_answered(void **state)
{
	(void)state;
	for_each_talk(is_answered);
}

static void is_not_answered(const struct talk *t)
{
	ends_rule("forward", "ct state new drop");
	is_dropped(ends.pod_a, t->ask, ends.world, REASON_PASS_INSERTED);
	assert_int_equal(ct_entries(), 1);
	is_dropped(ends.world, t->answer, ends.pod_a, REASON_DROP_UNADMITTED);
	ct_expect_none();
	/* Nor is it a second time, when the entry is gone. */
	ends_send(ends.world, t->answer);
	ends_silent(ends.pod_a);
}

static void what_was_not_is_not(void **state)
{
	(void)state;
	for_each_talk(is_not_answered);
}

static void is_not_answered_by_another_device(const struct talk *t)
{
	ends_rule("forward", "ct state new drop");
	is_dropped(ends.pod_a, t->ask, ends.world, REASON_PASS_INSERTED);
	is_dropped(ends.world1, t->answer, ends.pod_a, REASON_DROP_UNADMITTED);
	ct_expect_none();
}

static void by_whatever_device_it_comes(void **state)
{
	(void)state;
	run("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/eth1/rp_filter");
	for_each_talk(is_not_answered_by_another_device);
}

static void is_not_answered_by_an_error(const struct talk *t)
{
	bool v4 = t->ask.data[12] == 0x08;
	struct frame error = frame_unreachable(v4 ? WORLD4 : WORLD6, v4 ? NODE4 : NODE6, &t->asked);

	ends_rule("forward", "ct state new drop");
	is_dropped(ends.pod_a, t->ask, ends.world, REASON_PASS_INSERTED);
	is_dropped(ends.world, error, ends.pod_a, REASON_DROP_UNADMITTED);
}

static void nor_by_an_error(void **state)
{
	(void)state;
	for_each_talk(is_not_answered_by_an_error);
}

static void may_be_asked_again(const struct talk *t)
{
	ends_rule("forward", "ct state new drop");
	is_dropped(ends.pod_a, t->ask, ends.world, REASON_PASS_INSERTED);
	run("nft flush chain inet t forward");
	ends_carry(ends.pod_a, t->ask, ends.world, t->asked, REASON_PASS_ESTABLISHED);
	ends_carry(ends.world, t->answer, ends.pod_a, t->answered, REASON_POD_PASS);
}

static void what_is_let_out_at_the_second_try_is_answered(void **state)
{
	(void)state;
	for_each_talk(may_be_asked_again);
}

/* By the node itself, not by the world. */
static void a_refusal_is_heard(void **state)
{
	struct talk t = talk(true, IPPROTO_UDP);
	struct frame got;

	(void)state;
	ends_rule("forward", "meta l4proto { tcp, udp } reject with icmpx port-unreachable");
	is_dropped(ends.pod_a, t.ask, ends.world, REASON_PASS_INSERTED);
	assert_true(ends_receive(ends.pod_a, &got));
	assert_int_equal(got.data[ETH_LEN + 9], IPPROTO_ICMP);
	run("nft flush chain inet t forward");
	ends_rule("forward", "tcp dport 80 reject with tcp reset");
	t = talk(true, IPPROTO_TCP);
	is_dropped(ends.pod_a, t.ask, ends.world, REASON_PASS_INSERTED);
	assert_true(ends_receive(ends.pod_a, &got));
	assert_int_equal(got.data[ETH_LEN + IP4_LEN + 13], FLAG_RST | FLAG_ACK);
	assert_int_equal(dp_count(REASON_DROP_UNADMITTED), 0);
}

static int attach_to_pod(void **state)
{
	struct err err = { 0 };

	(void)state;
	return tc_attach(dp.host0, TC_TO_POD, TC_CLSACT, dp.to_pod, &err);
}

/* The answer passed to_pod just before the mark was looked for. */
static void what_an_answer_made_established_does_not_leave(void **state)
{
	const struct talk t = talk(true, IPPROTO_UDP);
	struct err err = { 0 };

	(void)state;
	ends_rule("forward", "ct state new drop");
	is_dropped(ends.pod_a, t.ask, ends.world, REASON_PASS_INSERTED);
	assert_int_equal(tc_detach(dp.host0, TC_TO_POD, &err), 0);
	ends_carry(ends.world, t.answer, ends.pod_a, t.answered, REASON_UPLINK_PASS);
	is_dropped(ends.pod_a, t.ask, ends.world, REASON_DROP_UNADMITTED);
	ct_expect_none();
}

static int attach_guard(void **state)
{
	struct err err = { 0 };

	(void)state;
	return tc_attach(dp.eth0, TC_TO_UPLINK, TC_TCX, dp.to_uplink, &err);
}

/* Where nobody could admit a flow, BPF opens none. */
static void without_a_guard_the_kernel_opens(void **state)
{
	const struct frame asks[] = {
		frame_udp(POD_A4, 4001, WORLD4, 53), frame_udp(POD_A4, 4002, WORLD4, 53),
		frame_udp(POD_A4, 4003, WORLD4, 53), frame_udp(POD_A4, 4004, WORLD4, 53),
	};
	struct err err = { 0 };
	struct frame out[4];

	(void)state;
	/* The kernel's clock starts just before it wraps: what it said before says nothing. */
	dp.guard.told = dp.guard.seen = answer_now() + (1u << 30);
	dp_guards_hear();
	ends_rule("post", "ip saddr 10.244.0.0/16 masquerade");
	for (int i = 0; i < 4; i++)
		out[i] = ends_forwarded(frame_udp(NODE4, 4001 + i, WORLD4, 53), ends.world);
	assert_int_equal(tc_detach(dp.eth0, TC_TO_UPLINK, &err), 0);
	ends_carry(ends.pod_a, asks[0], ends.world, out[0], REASON_PASS_INSERTED);
	usleep(100000);		/* the packet may still be on its way */
	ends_carry(ends.pod_a, asks[1], ends.world, out[1], REASON_PASS_UNGUARDED);
	/* It is back, and hears of the next. */
	assert_int_equal(attach_guard(NULL), 0);
	ends_carry(ends.pod_a, asks[2], ends.world, out[2], REASON_PASS_UNGUARDED);
	ends_carry(ends.pod_a, asks[3], ends.world, out[3], REASON_PASS_INSERTED);
}

static int back_to_eth0(void **state)
{
	(void)state;
	run("ip route replace default via 192.0.2.254 dev eth0");
	return 0;
}

/* The route has moved to an uplink that has another address. */
static void a_flow_ends_that_leaves_with_another_uplinks_address(void **state)
{
	const struct talk t = talk(true, IPPROTO_UDP);
	struct frame moved = frame_to(t.asked, (__u8[]){ 2, 0, 0, 0, 0, 0xfd });

	(void)state;
	dp_set_uplink(dp.eth1, "203.0.113.1", NULL);
	is_answered(&t);
	ct_do("-U -p udp -s " POD_A4 " -d " WORLD4 " --sport 4000 --dport 53 -u SEEN_REPLY,ASSURED");
	run("ip route replace default via 203.0.113.254 dev eth1");
	ends_carry(ends.pod_a, t.ask, ends.world1, moved, REASON_ENDED_EGRESS);
	ct_expect_none();
	assert_int_equal(dp_count(REASON_LEARNED), 0);
	moved = frame_udp("203.0.113.1", 4000, WORLD4, 53);
	ends_carry(ends.pod_a, t.ask, ends.world1, ends_forwarded(moved, ends.world1), REASON_PASS_INSERTED);
}

#define EACH(test) cmocka_unit_test_setup(test, ends_reset)
#define THEN(test, teardown) cmocka_unit_test_setup_teardown(test, ends_reset, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(what_was_let_out_is_answered),
		EACH(a_refusal_is_heard),
		EACH(what_was_not_is_not),
		EACH(by_whatever_device_it_comes),
		EACH(nor_by_an_error),
		EACH(what_is_let_out_at_the_second_try_is_answered),
		THEN(what_an_answer_made_established_does_not_leave, attach_to_pod),
		THEN(without_a_guard_the_kernel_opens, attach_guard),
		THEN(a_flow_ends_that_leaves_with_another_uplinks_address, back_to_eth0),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, ends_set_up, ends_tear_down);
	dp.without_cast = true;
	return failed + cmocka_run_group_tests_name("without the cast", tests, ends_set_up, ends_tear_down);
}
