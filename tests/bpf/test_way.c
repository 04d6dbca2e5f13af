// SPDX-License-Identifier: Apache-2.0
/* Which way an answer leads to a pod: past its veth, or through it if somebody there has a say. */
#include <string.h>

#include <bpf/libbpf.h>

#include "lib/answer.h"
#include "lib/ends.h"

/* A flow from the world to pod A by a hostPort, established. */
static struct frame sent(void)
{
	return frame_udp(WORLD4, 999, NODE4, 8053);
}

static struct frame expected(void)
{
	return ends_forwarded(frame_udp(WORLD4, 999, POD_A4, 53), ends.pod_a);
}

static void establish(void)
{
	ct_do("-I -p udp -s " WORLD4 " -d " NODE4 " --sport 999 --dport 8053 --dst-nat " POD_A4 ":53 "
	      "-u SEEN_REPLY,ASSURED -t 60");
}

static enum flow_way way(void)
{
	const struct frame f = sent();
	const struct flow_key key = answer_key(&f, dp.eth0);
	struct answer answer;

	assert_true(answer_get(&key, &answer));
	return answer.flow.way;
}

/* Beyond the veth means that to_pod does not see it. */
static void leads(enum flow_way wanted)
{
	__u64 before;

	dp_forget_flows();
	ends_carry(ends.world, sent(), ends.pod_a, expected(), REASON_PASS_ASKED);
	assert_int_equal(way(), wanted);
	before = dp_count(REASON_POD_PASS);
	ends_carry(ends.world, sent(), ends.pod_a, expected(),
		   wanted == WAY_STACK ? REASON_UPLINK_CACHED : REASON_SHORT_IN);
	assert_int_equal(dp_count(REASON_POD_PASS) > before, wanted != WAY_PEER);
}

static void past_the_veth(void **state)
{
	(void)state;
	establish();
	leads(WAY_PEER);
}

static void through_the_veth_if_it_has_a_queue(void **state)
{
	(void)state;
	establish();
	run("tc qdisc add dev host0 root handle 1: pfifo limit 100");
	leads(WAY_WIRE);
}

static int without_queue(void **state)
{
	(void)state;
	run("tc qdisc del dev host0 root");
	return 0;
}

/* A second program beside ours; it passes everything. */
static void hang_beside_ours(enum bpf_tc_attach_point where)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = dp.host0, .attach_point = where);
	LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = dp.to_pod, .priority = 60000, .handle = 1);

	assert_int_equal(bpf_tc_attach(&hook, &filter), 0);
}

static int remove_from(enum bpf_tc_attach_point where)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = dp.host0, .attach_point = where);
	LIBBPF_OPTS(bpf_tc_opts, filter, .priority = 60000, .handle = 1);

	return bpf_tc_detach(&hook, &filter);
}

static void through_the_veth_if_somebody_hangs_there(void **state)
{
	(void)state;
	establish();
	hang_beside_ours(BPF_TC_EGRESS);
	leads(WAY_WIRE);
}

static int nobody_at_egress(void **state)
{
	(void)state;
	return remove_from(BPF_TC_EGRESS);
}

/* What the pod sends goes through the stack then, and conntrack has to see both directions. */
static void nowhere_if_somebody_wants_to_see_what_the_pod_sends(void **state)
{
	(void)state;
	establish();
	hang_beside_ours(BPF_TC_INGRESS);
	leads(WAY_STACK);
}

static int nobody_at_ingress(void **state)
{
	(void)state;
	return remove_from(BPF_TC_INGRESS);
}

static void nowhere_if_the_pod_is_being_deleted(void **state)
{
	(void)state;
	establish();
	dp_set_pod(POD_A4, dp.host0, STATE_DYING, NULL);
	leads(WAY_STACK);
	dp_set_pod(POD_A4, dp.host1, STATE_READY, NULL);	/* or lives elsewhere now */
	leads(WAY_STACK);
	dp_del_pod(POD_A4);
	leads(WAY_STACK);
}

/* We would refresh the entry, and know no time-outs but the common ones. */
static void nowhere_if_the_entry_has_time_outs_of_its_own(void **state)
{
	const struct frame back = frame_udp(POD_A4, 53, WORLD4, 999);
	const struct frame back_out = ends_forwarded(frame_udp(NODE4, 8053, WORLD4, 999), ends.world);

	(void)state;
	run("nft 'add ct timeout inet t own "
	    "{ protocol udp; l3proto ip; policy = { unreplied : 100, replied : 200 }; }'");
	ends_rule("pre", "ip daddr " NODE4 " udp dport 8053 dnat ip to " POD_A4 ":53");
	ends_rule("forward", "ct state new ct timeout set \"own\"");
	ends_carry(ends.world, sent(), ends.pod_a, expected(), REASON_UPLINK_PASS);
	ends_carry(ends.pod_a, back, ends.world, back_out, REASON_PASS_ESTABLISHED);
	ct_do("-U -f ipv4 -p udp --sport 999 --dport 8053 -u SEEN_REPLY,ASSURED");
	leads(WAY_STACK);
	/* The way out is renewed by the kernel, which knows them. */
	ends_carry(ends.pod_a, back, ends.world, back_out, REASON_PASS_ASKED);
	ends_carry(ends.pod_a, back, ends.world, back_out, REASON_SHORT_OUT);
}

#define EACH(test) cmocka_unit_test_setup(test, ends_reset)
#define THEN(test, teardown) cmocka_unit_test_setup_teardown(test, ends_reset, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(past_the_veth),
		THEN(through_the_veth_if_it_has_a_queue, without_queue),
		THEN(through_the_veth_if_somebody_hangs_there, nobody_at_egress),
		THEN(nowhere_if_somebody_wants_to_see_what_the_pod_sends, nobody_at_ingress),
		EACH(nowhere_if_the_pod_is_being_deleted),
		EACH(nowhere_if_the_entry_has_time_outs_of_its_own),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, ends_set_up, ends_tear_down);
}
