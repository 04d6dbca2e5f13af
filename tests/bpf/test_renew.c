// SPDX-License-Identifier: Apache-2.0
/* How an answer is given another second: by conntrack alone to a pod, with the FIB to a wire, and by
 * the stack. The entries are the kernel's own, by conntrack(8). */
#include <linux/bpf.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "lib/asked.h"

/* An answer for one of pod A's two flows, as its entry above would have it. */
static struct answer put(struct frame f, enum flow_way way, __s32 left)
{
	const __u16 dport = __builtin_bswap16(answer_key(&f, 0).dport);
	const struct frame out = frame_udp(NODE4, 4000, WORLD4, dport);
	struct answer answer = answer_of(&f, dp.host0, &out, dp.eth1, way);

	answer.left = left;
	answer_put(&answer);
	return answer;
}

static void goes_short(struct frame f, enum reason reason)
{
	struct ran ran;

	dp_run(dp.from_pod, (struct __sk_buff){ .ifindex = dp.host0 }, 0, &f, &ran);
	dp_ran(&ran, reason, REASON_MAX);
}

/* What is left of it now. */
static __s32 left_of(const struct answer *answer)
{
	struct answer is;

	assert_true(answer_get(&answer->flow.key, &is));
	return is.left;
}

static void an_answer_to_a_wire_is_renewed_by_the_stack(void **state)
{
	struct answer answer;

	(void)state;
	ct_do("-I " UDP4 ASSURED "-t 60");
	answer = put(udp4(), WAY_WIRE, 0);
	may(udp4());
	pod_sends(udp4(), REASON_PASS_CACHED, true);
	/* What the stack was seen to do is still written there, for the case that it does it again. */
	assert_true(answer_get(&answer.flow.key, &answer));
	assert_int_equal(answer.flow.ifindex, dp.eth1);
}

/* An answer for pod A's flow as the stack would now make it, that leaves with this address. */
static struct answer put_lately_met(const char *src)
{
	static const __u8 gateway[MAC_LEN] = { 2, 0, 0, 0, 0, 0xfe };
	const struct frame f = udp4(), to = frame_to(frame_udp(src, 4000, WORLD4, 53), gateway);
	const struct frame out = frame_from(to, mac_host);
	struct answer answer = answer_of(&f, dp.host0, &out, dp.eth0, WAY_WIRE);

	answer.left = 0;
	answer.met_lately = true;
	answer_put(&answer);
	return answer;
}

static int begin_with_gateway(void **state)
{
	run("ip neigh replace 192.0.2.254 lladdr 02:00:00:00:00:fe dev eth0");
	return asked_reset(state);
}

/* Of what can be asked: not each second by the stack. */
static void an_answer_to_a_wire_is_renewed_by_conntrack_and_the_fib(void **state)
{
	struct answer answer;

	(void)state;
	ct_do("-I " UDP4 ASSURED "-t 60");
	answer = put_lately_met(NODE4);
	goes_short(udp4(), REASON_SHORT_OUT);
	assert_in_range(left_of(&answer), answer_hz() / 2, answer_hz());
	ct_expires("udp", 120);		/* as by a packet that the stack sees */
	answer.met_lately = false;
	answer_put(&answer);
	may(udp4());
}

static void a_wires_answer_is_not_renewed(const char *after, const char *before)
{
	put_lately_met(NODE4);
	goes_short(udp4(), REASON_SHORT_OUT);
	run("%s", after);
	put_lately_met(NODE4);
	may(udp4());
	run("%s", before);
	put_lately_met(NODE4);
	goes_short(udp4(), REASON_SHORT_OUT);
}

static void a_wires_answer_ends_with_the_way(void **state)
{
	(void)state;
	ct_do("-I " UDP4 ASSURED "-t 60");
	a_wires_answer_is_not_renewed("ip neigh replace 192.0.2.254 lladdr 02:00:00:00:00:aa dev eth0",
				      "ip neigh replace 192.0.2.254 lladdr 02:00:00:00:00:fe dev eth0");
	a_wires_answer_is_not_renewed("ip route add " WORLD4 " via 203.0.113.254", "ip route del " WORLD4);
	a_wires_answer_is_not_renewed("ip route add unreachable " WORLD4, "ip route del unreachable " WORLD4);
	a_wires_answer_is_not_renewed("ip link set eth0 mtu 1400", "ip link set eth0 mtu 1500");
	a_wires_answer_is_not_renewed("ip link set eth0 address 02:00:00:00:00:bb",
				      "ip link set eth0 address 02:00:00:00:00:01 && "
				      "ip neigh replace 192.0.2.254 lladdr 02:00:00:00:00:fe dev eth0");
}

static void a_wires_answer_ends_with_the_entry(void **state)
{
	(void)state;
	put_lately_met(NODE4);
	pod_sends(udp4(), REASON_PASS_INSERTED, false);
	ct_do("-F");
	/* Another's, with the same port of the node. */
	ct_do("-F");
	ct_do("-I " FLOW4 ASSURED "--src-nat " NODE4 ":4001 -t 60");
	put_lately_met(NODE4);
	may(udp4());
}

static void a_wires_answer_ends_with_its_address(void **state)
{
	(void)state;
	ct_do("-I " FLOW4 ASSURED "--src-nat 192.0.2.77 -t 60");
	run("ip addr add 192.0.2.77/24 dev eth0");
	put_lately_met("192.0.2.77");
	goes_short(udp4(), REASON_SHORT_OUT);
	run("ip addr del 192.0.2.77/24 dev eth0");
	put_lately_met("192.0.2.77");
	may(udp4());
	/* With the uplink's own too, of which flows that are opened believe for a second what was seen. */
	ct_do("-F");
	ct_do("-I " UDP4 ASSURED "-t 60");
	dp.guard.checked4 = answer_now();
	run("ip addr add 203.0.113.99/32 dev eth0");	/* an uplink without any has no routes */
	a_wires_answer_is_not_renewed("ip addr del " NODE4 "/24 dev eth0; sleep 0.02",
				      "ip addr add " NODE4 "/24 dev eth0; sleep 0.02");
	run("ip addr del 203.0.113.99/32 dev eth0");
}

static void an_answer_to_a_pod_is_renewed_by_conntrack(void **state)
{
	struct answer answer;

	(void)state;
	ct_do("-I " UDP4 ASSURED "-t 60");
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 600");
	answer = put(udp4(), WAY_PEER, 0);
	goes_short(udp4(), REASON_SHORT_POD);
	assert_in_range(left_of(&answer), answer_hz() / 2, answer_hz());
	/* Nobody else refreshes the entry: it gets what the administrator wants. */
	ct_expires("udp", 120);
	answer = put(tcp4(), WAY_PEER, 0);
	goes_short(tcp4(), REASON_SHORT_POD);
	ct_expires("tcp", 1000);
	set_sysctl("udp_timeout_stream", 77);
	ct_do("-U " FLOW4 "-t 50");
	put(udp4(), WAY_PEER, 0);
	goes_short(udp4(), REASON_SHORT_POD);
	ct_expires("udp", 77);
	/* Not for each packet. */
	ct_do("-U " FLOW4 "-t 50");
	goes_short(udp4(), REASON_SHORT_POD);
	ct_expires("udp", 50);
}

static void a_pods_answer_ends_with_the_entry(void **state)
{
	struct answer answer;

	(void)state;
	answer = put(udp4(), WAY_PEER, 0);
	pod_sends(udp4(), REASON_PASS_INSERTED, false);
	ct_do("-F");
	ct_do("-I " TCP4 "CLOSE_WAIT " ASSURED "-t 600");
	answer = put(tcp4(), WAY_PEER, 0);
	pod_sends(tcp4(), REASON_PASS_ESTABLISHED, false);
	ct_expires("tcp", 600);
	/* Or with what the operator wants. */
	ct_do("-F");
	set_sysctl("tcp_be_liberal", 0);
	ct_do("-I " TCP4 "ESTABLISHED " ASSURED "-t 600");
	answer = put(tcp4(), WAY_PEER, 0);
	may_not(tcp4());
	assert_true(answer_get(&answer.flow.key, &answer));
	assert_int_equal(answer.flow.ifindex, 0);	/* another one */
}

/* After conntrack -D another pod's flow may have the port that this one had on the node. */
static void a_pods_answer_is_not_confirmed_by_anothers_entry(void **state)
{
	static const char *const others[] = {
		"--src-nat " NODE4 ":4001",
		"--src-nat 192.0.2.2",
		"--src-nat " NODE4 " --dst-nat 198.51.100.2",
		"--src-nat " NODE4 " --dst-nat " WORLD4 ":54",
	};
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		ct_do("-F");
		ct_do("-I " FLOW4 ASSURED "%s -t 60", others[i]);
		answer = put(udp4(), WAY_PEER, 0);
		may(udp4());
		assert_true(answer_get(&answer.flow.key, &answer));
		assert_int_equal(answer.flow.ifindex, 0);
	}
}

static int without_filters(void **state)
{
	(void)state;
	run("tc qdisc del dev host0 clsact");
	return 0;
}

static void hang_behind_us(__u32 priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = dp.host0, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = dp.to_pod, .priority = priority, .handle = 1);

	assert_int_equal(bpf_tc_attach(&hook, &filter), 0);
}

/* In a test run ours does not hang there: two others do. */
static void who_hangs_behind_us_misses_nothing(void **state)
{
	(void)state;
	ct_do("-I " UDP4 ASSURED "-t 60");
	run("tc qdisc add dev host0 clsact");
	hang_behind_us(1);
	may(udp4());
	put(udp4(), WAY_PEER, 0);
	goes_short(udp4(), REASON_SHORT_POD);
	hang_behind_us(2);
	put(udp4(), WAY_PEER, 0);
	may_not(udp4());
}

static void uncached_conntrack_is_asked_each_time(void **state)
{
	struct config cfg = dp.cfg;
	struct answer answer;

	(void)state;
	cfg.short_way = SHORT_UNCACHED;
	dp_set_config(&cfg);
	ct_do("-I " UDP4 ASSURED "-t 60");
	answer = put(udp4(), WAY_WIRE, answer_hz() / 2);
	goes_short(udp4(), REASON_SHORT_OUT);
	goes_short(udp4(), REASON_SHORT_OUT);
	assert_true(left_of(&answer) <= answer_hz() / 2);	/* the stack renews it */
	ct_expires("udp", 120);		/* as by packets that it sees */
	ct_do("-F");
	pod_sends(udp4(), REASON_PASS_INSERTED, false);
}

#define EACH(test) cmocka_unit_test_setup(test, asked_reset)
#define WITH_GATEWAY(test) cmocka_unit_test_setup(test, begin_with_gateway)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(an_answer_to_a_wire_is_renewed_by_the_stack),
		WITH_GATEWAY(an_answer_to_a_wire_is_renewed_by_conntrack_and_the_fib),
		WITH_GATEWAY(a_wires_answer_ends_with_the_way),
		WITH_GATEWAY(a_wires_answer_ends_with_the_entry),
		WITH_GATEWAY(a_wires_answer_ends_with_its_address),
		EACH(an_answer_to_a_pod_is_renewed_by_conntrack),
		EACH(a_pods_answer_ends_with_the_entry),
		EACH(a_pods_answer_is_not_confirmed_by_anothers_entry),
		cmocka_unit_test_setup_teardown(who_hangs_behind_us_misses_nothing, asked_reset, without_filters),
		EACH(uncached_conntrack_is_asked_each_time),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
