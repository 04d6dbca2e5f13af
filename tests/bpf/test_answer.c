// SPDX-License-Identifier: Apache-2.0
/* When an answer holds, and for whom. The answers are put into the map by hand; conntrack knows
 * nothing of the flows, so what finds no answer is a new flow. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <string.h>
#include <unistd.h>

#include "lib/answer.h"

static struct frame arriving(void)
{
	return frame_udp(POD_A4, 4000, WORLD4, 53);
}

/* For arriving(), on host0. */
static struct answer good_answer(void)
{
	const struct frame in = arriving(), out = frame_udp(NODE4, 61001, WORLD4, 53);

	return answer_of(&in, dp.host0, &out, dp.eth1, WAY_WIRE);
}

static void arrives(int prog, int ifindex, enum reason reason)
{
	const struct frame f = arriving();
	struct ran ran;

	ct_do("-F");
	dp_run(prog, (struct __sk_buff){ .ifindex = ifindex }, 0, &f, &ran);
	dp_ran(&ran, reason, REASON_MAX);
	assert_int_equal(!memcmp(ran.frame.data, f.data, f.len),
			 reason != REASON_SHORT_OUT && reason != REASON_SHORT_IN &&
				 reason != REASON_DROP_TORN);
}

/* The program of host0 takes this answer for what it says, or for none. */
static void is_taken(struct answer answer)
{
	answer_put(&answer);
	arrives(dp.from_pod, dp.host0, REASON_SHORT_OUT);
}

static void is_refused(struct answer answer)
{
	answer_put(&answer);
	arrives(dp.from_pod, dp.host0, REASON_PASS_INSERTED);
}

static void an_answer_ends_with_its_time(void **state)
{
	struct answer answer = good_answer();

	(void)state;
	is_taken(answer);
	answer.left = 0;
	is_refused(answer);
	answer.left = -1;
	is_refused(answer);
	answer.left = 2 * answer_hz();		/* of an age long gone: the clock has wrapped */
	is_refused(answer);
	answer.left = answer_hz() / 3;
	is_taken(answer);
	usleep(350000);
	arrives(dp.from_pod, dp.host0, REASON_PASS_INSERTED);
}

static void an_answer_ends_with_the_configuration(void **state)
{
	struct answer answer = good_answer();
	struct config cfg = dp.cfg;

	(void)state;
	is_taken(answer);
	cfg.generation = 1;
	dp_set_config(&cfg);
	arrives(dp.from_pod, dp.host0, REASON_PASS_INSERTED);
	answer.flow.generation = 2;
	is_refused(answer);
	answer.flow.generation = 1;
	is_taken(answer);
}

static int epochs_zero(void **state)
{
	(void)state;
	epoch_set(dp.host0, 0);
	epoch_set(dp.eth1, 0);
	return 0;
}

static void an_answer_ends_with_the_epoch_of_either_device(void **state)
{
	struct answer answer = good_answer();

	(void)state;
	is_taken(answer);
	epoch_set(dp.host0, 1);
	arrives(dp.from_pod, dp.host0, REASON_PASS_INSERTED);
	answer.flow.generation = 1;
	is_taken(answer);
	epoch_set(dp.eth1, 1);
	arrives(dp.from_pod, dp.host0, REASON_PASS_INSERTED);
	answer.flow.generation = 2;
	is_taken(answer);
	epoch_set(dp.host1, 7);		/* none of its devices */
	arrives(dp.from_pod, dp.host0, REASON_SHORT_OUT);
	epoch_set(dp.host1, 0);
}

/* The packet has been rewritten by then, perhaps by halves of two answers. */
static void an_answer_that_changes_under_its_reader_carries_nothing(void **state)
{
	(void)state;
	dp_load(LEVEL_FULL, true);
	const struct answer answer = good_answer();

	answer_put(&answer);
	arrives(dp.from_pod, dp.host0, REASON_DROP_TORN);
	dp_load(LEVEL_FULL, false);
}

static void an_answer_that_is_being_written_is_none(void **state)
{
	struct answer answer = good_answer();

	(void)state;
	is_taken(answer);
	answer.unfinished = true;
	is_refused(answer);
	answer.flow.way = WAY_STACK;
	is_refused(answer);
}

/* The next flow of pod A whose answer belongs into the same set. */
static struct frame set_mate(const struct frame *f)
{
	struct flow_key key = answer_key(f, dp.host0);
	const __u32 set = answer_set(&key);

	do {
		if (!++key.sport)
			key.dport++;
	} while (answer_set(&key) != set);
	return frame_udp(POD_A4, ntohs(key.sport), WORLD4, ntohs(key.dport));
}

static void put_way(const struct frame *in, const struct frame *out, __s32 left)
{
	struct answer answer = answer_of(in, dp.host0, out, dp.eth1, WAY_WIRE);

	answer.left = left;
	answer_put(&answer);
}

static void goes_out_as(const struct frame *in, struct frame out)
{
	struct ran ran;

	out = frame_ttl(out, 63);
	dp_run(dp.from_pod, (struct __sk_buff){ .ifindex = dp.host0 }, 0, in, &ran);
	dp_ran(&ran, REASON_SHORT_OUT, REASON_MAX);
	assert_memory_equal(ran.frame.data, out.data, out.len);
}

static bool has_answer(const struct frame *f)
{
	const struct flow_key key = answer_key(f, dp.host0);
	struct answer answer;

	return answer_get(&key, &answer);
}

static void asks(const struct frame *f)
{
	struct ran ran;

	dp_run(dp.from_pod, (struct __sk_buff){ .ifindex = dp.host0 }, 0, f, &ran);
	dp_ran(&ran, REASON_PASS_ASKED, REASON_MAX);
}

static void flows_that_meet_in_a_set_keep_their_own(void **state)
{
	struct frame in[FLOW_WAYS + 1], out[FLOW_WAYS + 1];
	struct flow_key late;

	(void)state;
	for (int i = 0; i <= FLOW_WAYS; i++) {
		in[i] = i ? set_mate(&in[i - 1]) : arriving();
		out[i] = frame_udp(NODE4, 61000 + i, WORLD4, 53);
		if (i < FLOW_WAYS)
			put_way(&in[i], &out[i], answer_hz());
	}
	for (int i = 0; i < FLOW_WAYS; i++)
		goes_out_as(&in[i], out[i]);
	/* A further one has to do without, while the others hold. */
	late = answer_key(&in[FLOW_WAYS], dp.host0);
	ct_do("-I -p udp -s " POD_A4 " -d " WORLD4 " --sport %u --dport %u -u SEEN_REPLY,ASSURED -t 60",
	      ntohs(late.sport), ntohs(late.dport));
	for (int i = 0; i < FLOW_WAYS; i++)
		put_way(&in[i], &out[i], answer_hz());
	asks(&in[FLOW_WAYS]);
	assert_false(has_answer(&in[FLOW_WAYS]));
	for (int i = 0; i < FLOW_WAYS; i++)
		goes_out_as(&in[i], out[i]);
	/* It takes the place of one that is over, and no other. */
	put_way(&in[1], &out[1], 0);
	asks(&in[FLOW_WAYS]);
	assert_true(has_answer(&in[FLOW_WAYS]));
	assert_false(has_answer(&in[1]));
	goes_out_as(&in[0], out[0]);
}

static void an_answer_is_one_devices(void **state)
{
	struct answer answer = good_answer();
	const struct frame f = arriving();

	(void)state;
	is_taken(answer);
	/* Pod B says that it is pod A. */
	arrives(dp.from_pod, dp.host1, REASON_DROP_SPOOFED);
	arrives(dp.from_uplink, dp.eth0, REASON_UPLINK_PASS);
	/* The flow is the uplink's. Then it is no pod's. */
	dp_reset(NULL);
	answer.flow.key = answer_key(&f, dp.eth0);
	is_refused(answer);
	arrives(dp.from_uplink, dp.eth0, REASON_SHORT_IN);
}

static void an_answer_is_one_flows_whatever_differs(void **state)
{
	const struct frame others[] = {
		frame_udp(POD_A4, 4001, WORLD4, 53),
		frame_udp(POD_A4, 4000, WORLD4, 54),
		frame_udp(POD_A4, 4000, "198.51.100.2", 53),
	};
	const struct answer answer = good_answer();
	struct ran ran;

	(void)state;
	is_taken(answer);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		ct_do("-F");
		dp_run(dp.from_pod, (struct __sk_buff){ .ifindex = dp.host0 }, 0, &others[i], &ran);
		dp_ran(&ran, REASON_PASS_INSERTED, REASON_MAX);
	}
}

static void the_answer_may_be_the_stack(void **state)
{
	struct answer answer = good_answer();
	const struct frame f = arriving();

	(void)state;
	answer.flow.way = WAY_STACK;
	answer.flow.ifindex = 0;
	answer_put(&answer);
	arrives(dp.from_pod, dp.host0, REASON_PASS_CACHED);
	answer.left = 0;
	is_refused(answer);
	answer = good_answer();
	answer.flow.key = answer_key(&f, dp.eth0);
	answer.flow.way = WAY_STACK;
	answer_put(&answer);
	arrives(dp.from_uplink, dp.eth0, REASON_UPLINK_CACHED);
}

static void use_short_way(enum short_way way)
{
	struct config cfg = dp.cfg;

	cfg.short_way = way;
	dp_set_config(&cfg);
}

static void the_short_way_may_be_off(void **state)
{
	struct answer answer = good_answer();

	(void)state;
	use_short_way(SHORT_OFF);
	is_refused(answer);
	answer.flow.way = WAY_STACK;
	is_refused(answer);
	use_short_way(SHORT_CACHED);
	is_taken(good_answer());
}

/* Then an answer says how, but not whether. */
static void uncached_an_answer_alone_is_none(void **state)
{
	struct answer answer = good_answer();
	struct answer left;

	(void)state;
	use_short_way(SHORT_UNCACHED);
	is_refused(answer);
	assert_false(answer_get(&answer.flow.key, &left));
}

static void uncached_the_stacks_flows_are_asked_about(void **state)
{
	struct frame frame = frame_udp(POD_A4, 4000, WORLD4, 53);

	(void)state;
	ct_do("-I -p udp -s %s -d %s --sport 4000 --dport 53 -t 60", POD_A4, WORLD4);
	dp_pod_sends(frame, REASON_PASS_ESTABLISHED);
	dp_pod_sends(frame, REASON_PASS_CACHED);
	use_short_way(SHORT_UNCACHED);
	usleep(1050000);
	dp_pod_sends(frame, REASON_PASS_ESTABLISHED);
	dp_pod_sends(frame, REASON_PASS_ESTABLISHED);
}

static void a_pods_answer_that_nobody_confirms_is_dropped(void **state)
{
	struct answer answer = good_answer();
	struct answer left;

	(void)state;
	answer.flow.way = WAY_PEER;
	answer.left = 0;
	is_refused(answer);
	assert_false(answer_get(&answer.flow.key, &left));
}

#define EACH(test) cmocka_unit_test_setup(test, dp_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(an_answer_ends_with_its_time),
		EACH(an_answer_ends_with_the_configuration),
		cmocka_unit_test_setup_teardown(an_answer_ends_with_the_epoch_of_either_device, dp_reset, epochs_zero),
		EACH(an_answer_that_changes_under_its_reader_carries_nothing),
		EACH(an_answer_that_is_being_written_is_none),
		EACH(flows_that_meet_in_a_set_keep_their_own),
		EACH(an_answer_is_one_devices),
		EACH(an_answer_is_one_flows_whatever_differs),
		EACH(the_answer_may_be_the_stack),
		EACH(the_short_way_may_be_off),
		EACH(uncached_an_answer_alone_is_none),
		EACH(uncached_the_stacks_flows_are_asked_about),
		EACH(a_pods_answer_that_nobody_confirms_is_dropped),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
