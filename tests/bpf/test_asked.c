// SPDX-License-Identifier: Apache-2.0
/* What conntrack is asked about a flow at ingress, and what is made of its answer. The entries are
 * the kernel's own, by conntrack(8). */
#include <linux/bpf.h>
#include <string.h>

#include "lib/asked.h"

/* ---- which flows ------------------------------------------------------------------------------------ */

static void assured_flows_are_watched_in_both_directions(void **state)
{
	(void)state;
	ct_do("-I " UDP4 ASSURED "-t 60");
	ct_do("-I " UDP6 ASSURED "-t 60");
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 600");
	may(udp4());
	may(frame_udp(POD_A6, 4000, WORLD6, 53));
	may(tcp4());
	world_sends(frame_udp(WORLD4, 53, NODE4, 4000), REASON_PASS_ASKED, true);
	world_sends(frame_udp(WORLD6, 53, NODE6, 4000), REASON_PASS_ASKED, true);
	world_sends(frame_tcp(WORLD4, 80, NODE4, 4000, FLAG_ACK), REASON_PASS_ASKED, true);
	/* All others pass by what is known now. */
	for (int i = 0; i < 3; i++) {
		pod_sends(udp4(), REASON_PASS_CACHED, true);
		world_sends(frame_udp(WORLD6, 53, NODE6, 4000), REASON_UPLINK_CACHED, true);
	}
	world_sends(frame_udp(WORLD4, 53, NODE4, 4001), REASON_UPLINK_PASS, false);
}

static void udp_that_is_not_assured_is_not_watched(void **state)
{
	(void)state;
	ct_do("-I " UDP4 "-u SEEN_REPLY -t 60");
	pod_sends(udp4(), REASON_PASS_ESTABLISHED, false);
	world_sends(frame_udp(WORLD4, 53, NODE4, 4000), REASON_UPLINK_PASS, false);
	/* Perhaps nobody will ever answer: nobody asks about each packet. */
	ct_do("-I " UDP6 "-t 60");
	pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_ESTABLISHED, true);
	pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_CACHED, true);
}

static void tcp_in_another_state_is_not(void **state)
{
	static const char *const states[] = { "SYN_SENT", "SYN_RECV",	"FIN_WAIT",  "CLOSE_WAIT",
					      "LAST_ACK", "TIME_WAIT", "CLOSE" };

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		ct_do("-F");
		ct_do("-I " TCP4 "%s " ASSURED "-t 600", states[i]);
		pod_sends(tcp4(), REASON_PASS_ESTABLISHED, false);
		world_sends(frame_tcp(WORLD4, 80, NODE4, 4000, FLAG_ACK), REASON_UPLINK_PASS, false);
	}
	ct_do("-F");
	ct_do("-I " TCP4 "ESTABLISHED -u SEEN_REPLY -t 600");
	pod_sends(tcp4(), REASON_PASS_ESTABLISHED, false);
}

static void set_up_and_tear_down_are_not(void **state)
{
	static const __u8 flags[] = { FLAG_SYN, FLAG_SYN | FLAG_ACK, FLAG_FIN | FLAG_ACK, FLAG_RST, 0 };

	(void)state;
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 600");
	for (size_t i = 0; i < sizeof(flags); i++) {
		pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, flags[i]), REASON_PASS_ESTABLISHED, false);
		world_sends(frame_tcp(WORLD4, 80, NODE4, 4000, flags[i]), REASON_UPLINK_PASS, false);
	}
	may(tcp4());
}

/* An RST that was not believed leaves an entry so: 10 s, the time-out of CLOSE. */
static void tcp_that_is_about_to_expire_is_the_stacks(void **state)
{
	(void)state;
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 10");
	may_not(tcp4());
	dp_reset(NULL);
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 13");
	may(tcp4());
	/* Where the administrator wants so little for all, half of it. */
	set_sysctl("tcp_timeout_established", 8);
	dp_reset(NULL);
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 7");
	may(tcp4());
	dp_reset(NULL);
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 4");
	may_not(tcp4());
}

static void tcp_wants_a_liberal_conntrack(void **state)
{
	(void)state;
	set_sysctl("tcp_be_liberal", 0);
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 600");
	ct_do("-I " UDP4 ASSURED "-t 60");
	may_not(tcp4());
	may(udp4());
}

static void what_the_operator_marked_is_the_stacks(void **state)
{
	struct config cfg = dp.cfg;

	(void)state;
	cfg.stack_mark = 0x84;
	dp_set_config(&cfg);
	ct_do("-I " UDP4 ASSURED "-t 60 -m 0x7b");
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 600 -m 0xff");
	may(udp4());
	may_not(tcp4());
	world_sends(frame_tcp(WORLD4, 80, NODE4, 4000, FLAG_ACK), REASON_UPLINK_PASS, true);
}

static int without_ipsec(void **state)
{
	(void)state;
	run("ip xfrm policy deleteall");
	return 0;
}

static void where_there_is_ipsec_all_is_the_stacks(void **state)
{
	static const char *const policies[] = {
		"dst 10.9.0.0/16 dir fwd tmpl proto esp mode tunnel",
		"dst 10.9.0.0/16 dir out tmpl proto esp mode tunnel",
	};
	const struct frame in = udp4(), out = frame_udp(NODE4, 4000, WORLD4, 53);
	const struct answer answer = answer_of(&in, dp.host0, &out, dp.eth1, WAY_WIRE);
	struct ran ran;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		asked_reset(NULL);
		ct_do("-I " UDP4 ASSURED "-t 60");
		answer_put(&answer);
		dp_run(dp.from_pod, (struct __sk_buff){ .ifindex = dp.host0 }, 0, &in, &ran);
		dp_ran(&ran, REASON_SHORT_OUT, REASON_MAX);
		/* At once, also for flows that have an answer. */
		run("ip xfrm policy add %s", policies[i]);
		may_not(udp4());
		run("ip xfrm policy del %s 2>/dev/null || ip xfrm policy deleteall", policies[i]);
	}
}

/* Answered, but nothing of it was let out yet. */
static void a_flow_that_awaits_admission_is_the_stacks(void **state)
{
	(void)state;
	dp_pod_sends(udp4(), REASON_PASS_INSERTED);
	ct_do("-U " FLOW4 "-t 60 " ASSURED);
	world_sends(frame_udp(WORLD4, 53, NODE4, 4000), REASON_UPLINK_PASS, true);
	pod_sends(udp4(), REASON_PASS_ESTABLISHED, false);
}

static void another_zones_entry_is_another_flow(void **state)
{
	(void)state;
	ct_do("-I " UDP4 ASSURED "-t 60 --zone 5");
	pod_sends(udp4(), REASON_PASS_INSERTED, false);
	world_sends(frame_udp(WORLD4, 53, NODE4, 4001), REASON_UPLINK_PASS, false);
}

static void nobody_asks_where_the_short_way_is_off(void **state)
{
	struct config cfg = dp.cfg;

	(void)state;
	cfg.short_way = SHORT_OFF;
	dp_set_config(&cfg);
	ct_do("-I " UDP4 ASSURED "-t 60");
	pod_sends(udp4(), REASON_PASS_ESTABLISHED, false);
	world_sends(frame_udp(WORLD4, 53, NODE4, 4000), REASON_UPLINK_PASS, false);
}

/* ---- entries that have to end ----------------------------------------------------------------------- */

static void a_flow_ends_whose_source_address_the_node_has_lost(void **state)
{
	const struct frame f = frame_udp(POD_A6, 4000, WORLD6, 53);
	struct ran ran;

	(void)state;
	dp_set_pod(POD_A6, dp.host0, STATE_READY, "2001:db8:3::1");
	for (int assured = 0; assured < 2; assured++) {
		dp_pod_sends(f, REASON_PASS_INSERTED);
		ct_do("-U -p udp -s %s -d %s --sport 4000 --dport 53 -t 60 %s", POD_A6, WORLD6,
		      assured ? ASSURED : "");
		dp_pod_sends(f, REASON_PASS_ESTABLISHED);
		run("ip addr del 2001:db8:3::1/64 dev eth1;"
		    "while ip -6 route show table local | grep -q '^local 2001:db8:3::1 '; do sleep 0.01; done");
		dp_forget_flows();
		dp_run(dp.from_pod, (struct __sk_buff){ .ifindex = dp.host0 }, 0, &f, &ran);
		dp_ran(&ran, REASON_PASS_NO_EGRESS, REASON_ENDED_EGRESS);
		ct_expect_none();
		run("ip addr add 2001:db8:3::1/64 dev eth1 nodad;"
		    "until ip -6 route show table local | grep -q '^local 2001:db8:3::1 '; do sleep 0.01; done");
	}
}

/* Whoever else translated to an address that is not the node's knows why. */
static void only_bpfs_own_flows_do(void **state)
{
	(void)state;
	ct_do("-I " FLOW4 "--src-nat 192.0.2.77 " ASSURED "-t 60");
	may(udp4());
	ct_expect("dst=192.0.2.77");
}

#define EACH(test) cmocka_unit_test_setup(test, asked_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(assured_flows_are_watched_in_both_directions),
		EACH(udp_that_is_not_assured_is_not_watched),
		EACH(tcp_in_another_state_is_not),
		EACH(set_up_and_tear_down_are_not),
		EACH(tcp_that_is_about_to_expire_is_the_stacks),
		EACH(tcp_wants_a_liberal_conntrack),
		EACH(what_the_operator_marked_is_the_stacks),
		cmocka_unit_test_setup_teardown(where_there_is_ipsec_all_is_the_stacks, asked_reset, without_ipsec),
		EACH(a_flow_that_awaits_admission_is_the_stacks),
		EACH(another_zones_entry_is_another_flow),
		EACH(nobody_asks_where_the_short_way_is_off),
		EACH(a_flow_ends_whose_source_address_the_node_has_lost),
		EACH(only_bpfs_own_flows_do),
	};

	const struct CMUnitTest probing[] = {
		cmocka_unit_test_setup_teardown(where_there_is_ipsec_all_is_the_stacks, asked_reset, without_ipsec),
	};
	int failed;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
	dp.without_cast = true;
	return failed + cmocka_run_group_tests_name("without the cast", probing, dp_set_up, dp_tear_down);
}
