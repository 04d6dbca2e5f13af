// SPDX-License-Identifier: Apache-2.0
/* What comes by an uplink to a port that no pod's flow uses is passed unasked; and no pod's is missed. */
#include <linux/in.h>
#include <string.h>

#include "lib/answer.h"
#include "lib/ends.h"

#define HOST_PORT 8053

/* A flow of the world to pod A by a hostPort, established, or the pod's answers. */
struct talk {
	struct frame in, received, out, sent;
};

static struct talk talk(bool v4)
{
	const char *world = v4 ? WORLD4 : WORLD6, *node = v4 ? NODE4 : NODE6, *pod = v4 ? POD_A4 : POD_A6;

	ct_do("-I -p udp -s %s -d %s --sport 999 --dport %d --dst-nat %s -u SEEN_REPLY,ASSURED -t 60", world, node,
	      HOST_PORT, v4 ? POD_A4 ":53" : "[" POD_A6 "]:53");
	return (struct talk){
		.in = frame_udp(world, 999, node, HOST_PORT),
		.received = ends_forwarded(frame_udp(world, 999, pod, 53), ends.pod_a),
		.out = frame_udp(pod, 53, world, 999),
		.sent = ends_forwarded(frame_udp(node, HOST_PORT, world, 999), ends.world),
	};
}

static void comes_in(const struct talk *t, enum reason reason)
{
	ends_carry(ends.world, t->in, ends.pod_a, t->received, reason);
}

static bool is_kept(const struct talk *t)
{
	const struct flow_key key = answer_key(&t->in, dp.eth0);
	struct answer answer;

	return answer_get(&key, &answer);
}

static void nobody_asks_about_strangers(void **state)
{
	(void)state;
	for (int v4 = 0; v4 < 2; v4++) {
		const struct talk t = talk(v4);

		ports_forget();
		comes_in(&t, REASON_UPLINK_PASS);
		comes_in(&t, REASON_UPLINK_PASS);
		assert_false(is_kept(&t));
	}
}

/* Whoever opened it: here it was nobody that BPF knows. */
static void a_flow_that_a_pod_speaks_in_is_expected_back(void **state)
{
	(void)state;
	for (int v4 = 0; v4 < 2; v4++) {
		const struct talk t = talk(v4);

		ports_forget();
		ends_carry(ends.pod_a, t.out, ends.world, t.sent, REASON_PASS_ASKED);
		ports_are((const __u16[]){ HOST_PORT }, 1);
		comes_in(&t, REASON_PASS_ASKED);
		comes_in(&t, REASON_SHORT_IN);
	}
}

/* By the port that it was given, not by the pod's. */
static void an_opened_flow_is_expected_back(void **state)
{
	struct config cfg = dp.cfg;

	(void)state;
	ports_forget();
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_tcp(POD_A6, 4001, WORLD6, 80, FLAG_SYN), REASON_PASS_INSERTED);
	ports_are((const __u16[]){ 4000, 4001 }, 2);
	cfg.port_min = cfg.port_max = 61000;
	dp_set_config(&cfg);
	dp_pod_sends(frame_udp(POD_A4, 4002, WORLD4, 53), REASON_PASS_INSERTED);
	ports_are((const __u16[]){ 4000, 4001, 61000 }, 3);
	dp_pod_sends(frame_udp(POD_A4, 4003, WORLD4, 53), REASON_PASS_EXHAUSTED);
	ports_are((const __u16[]){ 4000, 4001, 61000 }, 3);
}

#define EACH(test) cmocka_unit_test_setup(test, ends_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(nobody_asks_about_strangers),
		EACH(a_flow_that_a_pod_speaks_in_is_expected_back),
		EACH(an_opened_flow_is_expected_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, ends_set_up, ends_tear_down);
}
