// SPDX-License-Identifier: Apache-2.0
/* What becomes of a pod's TCP and UDP: hit, miss, and every reason not to insert. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ctfill.h"
#include "lib/datapath.h"

/* For conntrack(8): the replies of a flow with SNAT to the node's port 5000; the destination port
 * follows. */
#define SNAT4 "-r " WORLD4 " -q " NODE4 " --reply-port-dst 5000 --reply-port-src "
#define SNAT6 "-r " WORLD6 " -q " NODE6 " --reply-port-dst 5000 --reply-port-src "

static void udp_is_inserted(void **state)
{
	(void)state;
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_INSERTED);
	assert_int_equal(ct_entries(), 2);
	ct_expect("src=%s dst=%s sport=4000 dport=53 [UNREPLIED] src=%s dst=%s sport=53 dport=4000",
		  POD_A4, WORLD4, WORLD4, NODE4);
	ct_expect("src=%s dst=%s sport=4000 dport=53 [UNREPLIED] src=%s dst=%s sport=53 dport=4000",
		  POD_A6, WORLD6, WORLD6, NODE6);
	assert_int_equal(dp_budget(dp.host0).inserts, 2);
	/* The second packet is a hit, also if the first never reached a hook of the kernel. */
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_ESTABLISHED);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_ESTABLISHED);
	assert_int_equal(ct_entries(), 2);
}

static void tcp_is_inserted_by_its_syn(void **state)
{
	(void)state;
	dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_INSERTED);
	dp_pod_sends(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN | 0xc0), REASON_PASS_INSERTED);	/* with ECN */
	ct_expect("src=%s dst=%s sport=4000 dport=80 [UNREPLIED] src=%s dst=%s sport=80 dport=4000",
		  POD_A4, WORLD4, WORLD4, NODE4);
	ct_expect("src=%s dst=%s sport=4000 dport=80 [UNREPLIED] src=%s dst=%s sport=80 dport=4000",
		  POD_A6, WORLD6, WORLD6, NODE6);
	dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_ESTABLISHED);
}

static void tcp_without_a_syn_opens_nothing(void **state)
{
	static const __u8 flags[] = { 0, FLAG_ACK, FLAG_SYN | FLAG_ACK, FLAG_RST, FLAG_SYN | FLAG_RST,
				      FLAG_SYN | FLAG_FIN, FLAG_FIN | FLAG_ACK };

	(void)state;
	for (size_t i = 0; i < sizeof(flags); i++) {
		dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, flags[i]), REASON_PASS_NOT_SYN);
		dp_pod_sends(frame_tcp(POD_A6, 4000, WORLD6, 80, flags[i]), REASON_PASS_NOT_SYN);
	}
	ct_expect_none();
}

static void an_entry_lives_five_seconds_at_first(void **state)
{
	struct config cfg = dp.cfg;

	(void)state;
	cfg.insert_timeout_ms = 3000;
	dp_set_config(&cfg);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	ct_expires("udp", 3);
}

static void replies_of_a_pod_are_hits(void **state)
{
	(void)state;
	ct_do("-I -p tcp -s %s -d %s --sport 999 --dport 80 --state ESTABLISHED -t 60", WORLD4, POD_A4);
	ct_do("-I -p udp -s %s -d %s --sport 999 --dport 53 -t 60", WORLD6, POD_A6);
	dp_pod_sends(frame_tcp(POD_A4, 80, WORLD4, 999, FLAG_SYN | FLAG_ACK), REASON_PASS_ESTABLISHED);
	dp_pod_sends(frame_udp(POD_A6, 53, WORLD6, 999), REASON_PASS_ESTABLISHED);
	assert_int_equal(ct_entries(), 2);
}

static void a_finished_connection_is_opened_anew(void **state)
{
	static const char *const over[] = { "TIME_WAIT", "CLOSE" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		dp_reset(NULL);
		ct_do("-I -p tcp -s %s -d %s --sport 4000 --dport 80 %s 80 "
		      "--state %s -t 60", POD_A4, WORLD4, SNAT4, over[i]);
		ct_do("-I -p tcp -s %s -d %s --sport 4000 --dport 80 %s 80 "
		      "--state %s -t 60", POD_A6, WORLD6, SNAT6, over[i]);
		dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_ACK), REASON_PASS_ESTABLISHED);
		dp_pod_reopens(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_INSERTED);
		dp_pod_reopens(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN), REASON_PASS_INSERTED);
		assert_int_equal(ct_entries(), 2);
		ct_expect("NONE src=%s dst=%s sport=4000 dport=80 [UNREPLIED] src=%s dst=%s sport=80 dport=4000",
			  POD_A4, WORLD4, WORLD4, NODE4);
		ct_expect("NONE src=%s dst=%s sport=4000 dport=80 [UNREPLIED] src=%s dst=%s sport=80 dport=4000",
			  POD_A6, WORLD6, WORLD6, NODE6);
	}
}

static void a_living_connection_is_not(void **state)
{
	(void)state;
	ct_do("-I -p tcp -s %s -d %s --sport 4000 --dport 80 %s 80 --state ESTABLISHED -t 60", POD_A4, WORLD4, SNAT4);
	ct_do("-I -p tcp -s %s -d %s --sport 80 --dport 4000 --state TIME_WAIT -t 60", WORLD6, POD_A6);
	dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_ESTABLISHED);
	/* Over, but opened by the other side: none of ours. */
	dp_pod_sends(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN), REASON_PASS_ESTABLISHED);
	ct_expect("ESTABLISHED src=%s", POD_A4);
	ct_expect("TIME_WAIT src=%s", WORLD6);
}

static void classes_decide_who_translates(void **state)
{
	(void)state;
	dp_pod_sends(frame_udp(POD_A4, 4000, "10.244.9.9", 53), REASON_PASS_LEAVE);
	dp_pod_sends(frame_udp(POD_A6, 4000, "fd00:10:244:9::9", 53), REASON_PASS_LEAVE);
	dp_pod_sends(frame_tcp(POD_A4, 4000, "10.96.0.1", 443, FLAG_SYN), REASON_PASS_SERVICE);
	dp_pod_sends(frame_tcp(POD_A6, 4000, "fd00:10:96::1", 443, FLAG_SYN), REASON_PASS_SERVICE);
	dp_pod_sends(frame_tcp(POD_A4, 4000, "169.254.169.254", 80, FLAG_SYN), REASON_PASS_KERNEL);
	dp_pod_sends(frame_udp(POD_A6, 4000, "2001:db8:18::1", 53), REASON_PASS_KERNEL);
	ct_expect_none();
	/* The longest prefix wins, both ways. */
	dp_set_class("10.244.9.0/24", CLASS_BPF);
	dp_set_class("198.51.100.0/24", CLASS_LEAVE);
	dp_set_class("0.0.0.0/0", CLASS_KERNEL);
	dp_pod_sends(frame_udp(POD_A4, 4000, "10.244.9.9", 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_LEAVE);
	dp_pod_sends(frame_udp(POD_A4, 4000, "192.0.2.9", 53), REASON_PASS_KERNEL);
	assert_int_equal(ct_entries(), 1);
}

static void the_node_itself_is_not_masqueraded(void **state)
{
	(void)state;
	dp_pod_sends(frame_udp(POD_A4, 4000, NODE4, 53), REASON_PASS_LOCAL);
	dp_pod_sends(frame_udp(POD_A6, 4000, NODE6, 53), REASON_PASS_LOCAL);
	dp_pod_sends(frame_udp(POD_A4, 4000, "203.0.113.1", 53), REASON_PASS_LOCAL);
	run("ip route add unreachable 198.51.100.128/25; ip route add blackhole 2001:db8:dead::/48");
	dp_pod_sends(frame_udp(POD_A4, 4000, "198.51.100.129", 53), REASON_PASS_LOCAL);
	dp_pod_sends(frame_udp(POD_A6, 4000, "2001:db8:dead::1", 53), REASON_PASS_LOCAL);
	run("ip route del unreachable 198.51.100.128/25; ip route del blackhole 2001:db8:dead::/48");
	ct_expect_none();
}

static void only_uplinks_masquerade(void **state)
{
	(void)state;
	dp_pod_sends(frame_udp(POD_A4, 4000, "203.0.113.9", 53), REASON_PASS_NO_UPLINK);
	dp_pod_sends(frame_udp(POD_A6, 4000, "2001:db8:3::9", 53), REASON_PASS_NO_UPLINK);
	ct_expect_none();
	/* The route decides, also one that asks for the source. */
	run("ip rule add from %s lookup 100; ip route add 203.0.113.9 via 192.0.2.254 table 100", POD_A4);
	dp_pod_sends(frame_udp(POD_A4, 4000, "203.0.113.9", 53), REASON_PASS_INSERTED);
	run("ip rule del from %s lookup 100; ip route flush table 100", POD_A4);
	dp_set_uplink(dp.eth1, "203.0.113.1", "2001:db8:3::1");
	dp_pod_sends(frame_udp(POD_A6, 4000, "2001:db8:3::9", 53), REASON_PASS_INSERTED);
	ct_expect("src=2001:db8:3::9 dst=2001:db8:3::1 sport=53 dport=4000");
}

static void the_egress_address_must_be_ours(void **state)
{
	(void)state;
	dp_set_uplink(dp.eth0, NULL, NULL);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_NO_EGRESS);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_NO_EGRESS);
	dp_set_uplink(dp.eth0, "192.0.2.77", "2001:db8:2::77");		/* no longer */
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_NO_EGRESS);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_NO_EGRESS);
	ct_expect_none();
	run("ip addr add 192.0.2.77/24 dev eth0; ip addr add 2001:db8:2::77/64 dev eth0 nodad;"
	    /* the kernel's workqueue makes it local */
	    "until ip -6 route show table local | grep -q '^local 2001:db8:2::77 '; do sleep 0.01; done");
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_INSERTED);
	ct_expect("dst=192.0.2.77 sport=53 dport=4000");
	ct_expect("dst=2001:db8:2::77 sport=53 dport=4000");
	run("ip addr del 192.0.2.77/24 dev eth0; ip addr del 2001:db8:2::77/64 dev eth0");
}

static void a_pod_may_have_an_egress_address_of_its_own(void **state)
{
	(void)state;
	dp_set_pod(POD_A4, dp.host0, STATE_READY, "203.0.113.1");
	dp_set_pod(POD_A6, dp.host0, STATE_READY, "2001:db8:3::1");
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_INSERTED);
	dp_link_sends(dp.host1, frame_udp(POD_B4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	ct_expect("dst=203.0.113.1 sport=53 dport=4000");
	ct_expect("dst=2001:db8:3::1 sport=53 dport=4000");
	ct_expect("dst=%s sport=53 dport=4000", NODE4);
	dp_set_pod(POD_A4, dp.host0, STATE_READY, "203.0.113.200");
	dp_pod_sends(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_NO_EGRESS);
}

static void assisted_inserts_nothing(void **state)
{
	(void)state;
	dp_load(LEVEL_ASSISTED, false);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_ASSISTED);
	dp_pod_sends(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN), REASON_PASS_ASSISTED);
	ct_expect_none();
	/* All else is as at level `full`. */
	dp_pod_sends(frame_udp(POD_B4, 4000, WORLD4, 53), REASON_DROP_SPOOFED);
	dp_pod_sends(frame_udp(POD_A4, 4000, "10.96.0.1", 53), REASON_PASS_SERVICE);
	ct_do("-I -p udp -s %s -d %s --sport 4000 --dport 53 %s 53 -t 60", POD_A4, WORLD4, SNAT4);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_ESTABLISHED);
	dp_node_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_DROP_LEAK);
	dp_load(LEVEL_FULL, false);
}

static void unanswered_flows_are_limited(void **state)
{
	struct config cfg = dp.cfg;

	(void)state;
	cfg.insert_limit = 3;
	dp_set_config(&cfg);
	dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A6, 4002, WORLD6, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 4003, WORLD4, 53), REASON_PASS_LIMITED);
	dp_pod_sends(frame_udp(POD_A6, 4003, WORLD6, 53), REASON_PASS_LIMITED);
	assert_int_equal(ct_entries(), 3);
	/* Its neighbour notices nothing. */
	dp_link_sends(dp.host1, frame_udp(POD_B4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	assert_int_equal(dp_budget(dp.host0).inserts, 3);
	assert_int_equal(dp_budget(dp.host1).inserts, 1);
	usleep(1000000);
	dp_pod_sends(frame_udp(POD_A4, 4003, WORLD4, 53), REASON_PASS_INSERTED);
	assert_int_equal(dp_budget(dp.host0).inserts, 1);
}

/* Is what the pod did in this second still what is counted? conntrack(8) may take its time. */
static bool second_is_over(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (__u32)now.tv_sec != dp_budget(dp.host0).second;
}

/* False: a second ended in between, and nothing can be said. */
static bool look_whether_an_answer_gives_back(void)
{
	dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN), REASON_PASS_INSERTED);
	dp_pod_sends(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_INSERTED);
	if (second_is_over())
		return false;
	dp_pod_sends(frame_udp(POD_A4, 4002, WORLD4, 53), REASON_PASS_LIMITED);
	ct_do("-U -p tcp -s %s -d %s --sport 4000 --dport 80 --state SYN_RECV", POD_A4, WORLD4);
	ct_do("-U -p udp -s %s -d %s --sport 4001 --dport 53 -u SEEN_REPLY", POD_A4, WORLD4);
	if (second_is_over())
		return false;
	dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_ACK), REASON_PASS_ESTABLISHED);
	assert_int_equal(dp_budget(dp.host0).inserts, 1);
	dp_pod_sends(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_ESTABLISHED);
	assert_int_equal(dp_budget(dp.host0).inserts, 0);
	/* Never below zero, and nothing for flows that are long known to be answered. */
	dp_pod_sends(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_ESTABLISHED);
	dp_pod_sends(frame_udp(POD_A4, 4002, WORLD4, 53), REASON_PASS_INSERTED);
	ct_do("-U -p udp -s %s -d %s --sport 4001 --dport 53 -u SEEN_REPLY,ASSURED", POD_A4, WORLD4);
	ct_do("-U -p tcp -s %s -d %s --sport 4000 --dport 80 --state ESTABLISHED", POD_A4, WORLD4);
	if (second_is_over())
		return false;
	dp_pod_sends(frame_udp(POD_A4, 4001, WORLD4, 53), REASON_PASS_ESTABLISHED);
	dp_pod_sends(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_ACK), REASON_PASS_ESTABLISHED);
	assert_int_equal(dp_budget(dp.host0).inserts, 1);
	return true;
}

static void an_answer_gives_back(void **state)
{
	struct config cfg = dp.cfg;

	cfg.insert_limit = 2;
	for (int tries = 0; tries < 20; tries++) {
		dp_reset(state);
		dp_set_config(&cfg);
		if (look_whether_an_answer_gives_back())
			return;
	}
	fail_msg("no second was long enough");
}

static void a_full_table_is_the_stacks_problem(void **state)
{
	struct err err = { 0 };
	FILE *max = fopen("/proc/sys/net/netfilter/nf_conntrack_max", "r");
	unsigned int limit = 0;

	(void)state;
	if (!max || fscanf(max, "%u", &limit) != 1 || limit > 300000) {
		print_message("the table is too large to be filled here: %u\n", limit);
		skip();
	}
	fclose(max);
	if (ctfill(limit, &err) < 0)
		fail_msg("%s", err.msg);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_ALLOC_FAILED);
	dp_pod_sends(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN), REASON_PASS_ALLOC_FAILED);
	assert_int_equal(ctfill_flush(&err), 0);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
}

#define EACH(test) cmocka_unit_test_setup(test, dp_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(udp_is_inserted),
		EACH(tcp_is_inserted_by_its_syn),
		EACH(tcp_without_a_syn_opens_nothing),
		EACH(an_entry_lives_five_seconds_at_first),
		EACH(replies_of_a_pod_are_hits),
		EACH(a_finished_connection_is_opened_anew),
		EACH(a_living_connection_is_not),
		EACH(classes_decide_who_translates),
		EACH(the_node_itself_is_not_masqueraded),
		EACH(only_uplinks_masquerade),
		EACH(the_egress_address_must_be_ours),
		EACH(a_pod_may_have_an_egress_address_of_its_own),
		EACH(assisted_inserts_nothing),
		EACH(unanswered_flows_are_limited),
		EACH(an_answer_gives_back),
		EACH(a_full_table_is_the_stacks_problem),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
