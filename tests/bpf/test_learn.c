// SPDX-License-Identifier: Apache-2.0
/*
 * What is learned of the stack: the first packet of an established flow goes through it, and the
 * second is sent as the first was. On real devices; each frame is compared byte for byte with one
 * that is built from scratch.
 */
#include <linux/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/answer.h"
#include "lib/ends.h"

#define VIP4 "10.96.0.10"
#define VIP6 "fd00:10:96::10"

/* One direction of a flow: what goes in, and what comes out elsewhere. */
struct direction {
	int from, to, in, out;		/* ends and devices */
	struct frame sent, expected;
	enum reason taken;
};

/* expected: before the node forwards it. */
static struct direction direction(int from, int in, struct frame sent, int to, int out, struct frame expected,
				  enum reason taken)
{
	return (struct direction){ from, to, in, out, sent, ends_forwarded(expected, to), taken };
}

static struct direction outward(struct frame sent, struct frame expected)
{
	return direction(ends.pod_a, dp.host0, sent, ends.world, dp.eth0, expected, REASON_SHORT_OUT);
}

static struct direction inward(struct frame sent, struct frame expected)
{
	return direction(ends.world, dp.eth0, sent, ends.pod_a, dp.host0, expected, REASON_SHORT_IN);
}

static void crosses(const struct direction *d, enum reason reason)
{
	ends_carry(d->from, d->sent, d->to, d->expected, reason);
}

/* The answer to this direction's packets. */
static struct answer answer_to(const struct direction *d)
{
	const struct flow_key key = answer_key(&d->sent, d->in);
	struct answer answer;

	assert_true(answer_get(&key, &answer));
	return answer;
}

static void is_learned(const struct direction *d)
{
	struct answer is, wanted = answer_of(&d->sent, d->in, &d->expected, d->out,
					     d->to == ends.pod_a || d->to == ends.pod_b ? WAY_PEER : WAY_WIRE);

	crosses(d, REASON_PASS_ASKED);
	crosses(d, d->taken);
	is = answer_to(d);
	assert_in_range(is.left, 1, answer_hz());
	is.left = wanted.left;
	wanted.met_lately = true;
	assert_memory_equal(&is, &wanted, sizeof(is));
}

static void is_not_learned(const struct direction *d, enum reason first)
{
	__u64 before = dp_count(REASON_LEARNED);

	crosses(d, first);
	crosses(d, d->in == dp.eth0 ? REASON_UPLINK_CACHED : REASON_PASS_CACHED);
	assert_int_equal(dp_count(REASON_LEARNED), before);
	assert_int_equal(answer_to(d).flow.way, WAY_STACK);
}

/* Makes the flow's entry one that has seen traffic both ways for long, and of which nothing is
 * known. */
static void assure(const struct direction *original)
{
	const struct flow_key key = answer_key(&original->sent, 0);
	bool v4 = original->sent.data[ETH_LEN] >> 4 == 4;

	ct_do("-U -f %s -p %s --sport %u --dport %u -u SEEN_REPLY,ASSURED", v4 ? "ipv4" : "ipv6",
	      (key.arrival & 0x7f) == IPPROTO_TCP ? "tcp" : "udp", __builtin_bswap16(key.sport),
	      __builtin_bswap16(key.dport));
	dp_forget_flows();
}

/* UDP of a pod to the world, by our own source NAT to a port that is not the pod's. */
static struct direction udp_out(bool v4)
{
	return v4 ? outward(frame_udp(POD_A4, 4000, WORLD4, 53), frame_udp(NODE4, 61000, WORLD4, 53)) :
		    outward(frame_udp(POD_A6, 4000, WORLD6, 53), frame_udp(NODE6, 61000, WORLD6, 53));
}

static struct direction udp_in(bool v4)
{
	return v4 ? inward(frame_udp(WORLD4, 53, NODE4, 61000), frame_udp(WORLD4, 53, POD_A4, 4000)) :
		    inward(frame_udp(WORLD6, 53, NODE6, 61000), frame_udp(WORLD6, 53, POD_A6, 4000));
}

static void use_port(__u16 port)
{
	struct config cfg = dp.cfg;

	cfg.port_min = cfg.port_max = port;
	dp_set_config(&cfg);
}

/* Opens the flow, up to where it is established. */
static void open_udp(bool v4)
{
	const struct direction there = udp_out(v4), back = udp_in(v4);

	use_port(61000);
	crosses(&there, REASON_PASS_INSERTED);
	crosses(&back, REASON_UPLINK_PASS);
	assure(&there);
}

static void source_nat_of_udp(void **state)
{
	(void)state;
	for (int v4 = 0; v4 < 2; v4++) {
		const struct direction there = udp_out(v4), back = udp_in(v4);

		open_udp(v4);
		is_learned(&there);
		is_learned(&back);
	}
}

static void open_tcp(const char *pod, const char *node, const char *world)
{
	struct direction step;

	step = outward(frame_tcp(pod, 4000, world, 80, FLAG_SYN), frame_tcp(node, 61000, world, 80, FLAG_SYN));
	crosses(&step, REASON_PASS_INSERTED);
	step = inward(frame_tcp(world, 80, node, 61000, FLAG_SYN | FLAG_ACK),
		      frame_tcp(world, 80, pod, 4000, FLAG_SYN | FLAG_ACK));
	crosses(&step, REASON_UPLINK_PASS);
	step = outward(frame_tcp(pod, 4000, world, 80, FLAG_ACK), frame_tcp(node, 61000, world, 80, FLAG_ACK));
	crosses(&step, REASON_PASS_ESTABLISHED);
}

static void source_nat_of_tcp(void **state)
{
	static const char *const who[][3] = { { POD_A4, NODE4, WORLD4 }, { POD_A6, NODE6, WORLD6 } };

	(void)state;
	use_port(61000);
	for (int i = 0; i < 2; i++) {
		const char *pod = who[i][0], *node = who[i][1], *world = who[i][2];
		struct direction there = outward(frame_tcp(pod, 4000, world, 80, FLAG_ACK),
						 frame_tcp(node, 61000, world, 80, FLAG_ACK));
		struct direction back = inward(frame_tcp(world, 80, node, 61000, FLAG_ACK),
					       frame_tcp(world, 80, pod, 4000, FLAG_ACK));
		struct direction fin = inward(frame_tcp(world, 80, node, 61000, FLAG_ACK | FLAG_FIN),
					      frame_tcp(world, 80, pod, 4000, FLAG_ACK | FLAG_FIN));

		open_tcp(pod, node, world);
		is_learned(&there);
		is_learned(&back);
		/* Its end is the stack's, in both directions. */
		crosses(&fin, REASON_FORGOTTEN);
		crosses(&there, REASON_PASS_ESTABLISHED);
		crosses(&back, REASON_UPLINK_PASS);
		assert_int_equal(ct_entries(), i + 1);
	}
	ct_expect("CLOSE_WAIT src=%s", POD_A4);
}

/*
 * Conntrack sees one packet a second: if that was data, it waits for an acknowledgment that takes
 * the short way, and would end a silent connection after minutes instead of days.
 */
static void a_silent_connection_lives_as_long_as_it_may(void **state)
{
	const struct frame ack = frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_ACK);
	const struct frame ack_out = frame_tcp(NODE4, 61000, WORLD4, 80, FLAG_ACK);
	struct direction there = outward(frame_payload(ack, "data", 4), frame_payload(ack_out, "data", 4));
	struct direction bare = outward(ack, ack_out);
	struct direction back = inward(frame_tcp(WORLD4, 80, NODE4, 61000, FLAG_ACK),
				       frame_tcp(WORLD4, 80, POD_A4, 4000, FLAG_ACK));

	(void)state;
	use_port(61000);
	open_tcp(POD_A4, NODE4, WORLD4);
	is_learned(&back);
	crosses(&there, REASON_PASS_ASKED);
	ct_expires("tcp", 300);
	/* Conntrack was asked about it within the second, and is again. */
	crosses(&back, REASON_SHORT_IN);
	ct_expires("tcp", 432000);
	dp_forget_flows();
	crosses(&there, REASON_PASS_ASKED);
	ct_expires("tcp", 300);
	dp_forget_flows();
	crosses(&bare, REASON_PASS_ASKED);
	ct_expires("tcp", 432000);
}

/* What comes to it leads through the veth's queue: there the stack has to see the acknowledgment. */
static void so_does_that_of_a_pod_that_is_shaped(void **state)
{
	struct direction there = outward(frame_payload(frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_ACK), "data", 4),
					 frame_payload(frame_tcp(NODE4, 61000, WORLD4, 80, FLAG_ACK), "data", 4));
	struct direction back = inward(frame_tcp(WORLD4, 80, NODE4, 61000, FLAG_ACK),
				       frame_tcp(WORLD4, 80, POD_A4, 4000, FLAG_ACK));

	(void)state;
	run("tc qdisc add dev host0 root handle 1: pfifo limit 100");
	use_port(61000);
	open_tcp(POD_A4, NODE4, WORLD4);
	crosses(&back, REASON_PASS_ASKED);
	crosses(&back, REASON_SHORT_IN);
	assert_int_equal(answer_to(&back).flow.way, WAY_WIRE);
	crosses(&there, REASON_PASS_ASKED);
	ct_expires("tcp", 300);
	crosses(&back, REASON_PASS_ASKED);
	ct_expires("tcp", 432000);
}

static int without_queue(void **state)
{
	(void)state;
	run("tc qdisc del dev host0 root");
	return 0;
}

static void between_pods(void **state)
{
	static const char *const who[][2] = { { POD_A4, POD_B4 }, { POD_A6, POD_B6 } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *a = who[i][0], *b = who[i][1];
		struct frame ask = frame_udp(a, 4000, b, 53), answer = frame_udp(b, 53, a, 4000);
		struct direction there = direction(ends.pod_a, dp.host0, ask, ends.pod_b, dp.host1, ask,
						   REASON_SHORT_POD);
		struct direction back = direction(ends.pod_b, dp.host1, answer, ends.pod_a, dp.host0, answer,
						  REASON_SHORT_POD);

		crosses(&there, REASON_PASS_LEAVE);
		crosses(&back, REASON_PASS_ESTABLISHED);
		assure(&there);
		is_learned(&there);
		is_learned(&back);
	}
}

static void destination_nat_to_a_pod(void **state)
{
	struct direction there = direction(ends.pod_a, dp.host0, frame_udp(POD_A4, 4000, VIP4, 53), ends.pod_b,
					   dp.host1, frame_udp(POD_A4, 4000, POD_B4, 5353), REASON_SHORT_POD);
	struct direction back = direction(ends.pod_b, dp.host1, frame_udp(POD_B4, 5353, POD_A4, 4000), ends.pod_a,
					  dp.host0, frame_udp(VIP4, 53, POD_A4, 4000), REASON_SHORT_POD);

	(void)state;
	ends_rule("pre", "ip daddr " VIP4 " udp dport 53 dnat ip to " POD_B4 ":5353");
	crosses(&there, REASON_PASS_SERVICE);
	crosses(&back, REASON_PASS_ESTABLISHED);
	assure(&there);
	is_learned(&there);
	is_learned(&back);
}

static void both_to_the_world(void **state)
{
	struct direction there = outward(frame_udp(POD_A6, 4000, VIP6, 53), frame_udp(NODE6, 7000, WORLD6, 5353));
	struct direction back = inward(frame_udp(WORLD6, 5353, NODE6, 7000), frame_udp(VIP6, 53, POD_A6, 4000));

	(void)state;
	ends_rule("pre", "ip6 daddr " VIP6 " udp dport 53 dnat ip6 to [" WORLD6 "]:5353");
	ends_rule("post", "ip6 saddr fd00:10:244::/48 meta l4proto udp masquerade to :7000");
	crosses(&there, REASON_PASS_SERVICE);
	crosses(&back, REASON_UPLINK_PASS);
	assure(&there);
	is_learned(&there);
	is_learned(&back);
}

/* A hostPort: the world begins. */
static void destination_nat_from_the_world(void **state)
{
	struct direction there = inward(frame_udp(WORLD4, 999, NODE4, 8053), frame_udp(WORLD4, 999, POD_A4, 53));
	struct direction back = outward(frame_udp(POD_A4, 53, WORLD4, 999), frame_udp(NODE4, 8053, WORLD4, 999));

	(void)state;
	ends_rule("pre", "ip daddr " NODE4 " udp dport 8053 dnat ip to " POD_A4 ":53");
	crosses(&there, REASON_UPLINK_PASS);
	crosses(&back, REASON_PASS_ESTABLISHED);
	assure(&there);
	is_learned(&there);
	is_learned(&back);
}

/* ---- what is not learned ---------------------------------------------------------------------------- */

static void what_the_firewall_drops_is_not(void **state)
{
	const struct direction there = udp_out(true), back = udp_in(true);
	struct answer old;

	(void)state;
	open_udp(true);
	ends_rule("forward", "udp dport 53 drop");
	ends_send(there.from, there.sent);
	ends_silent(there.to);
	assert_int_equal(answer_to(&there).flow.way, WAY_STACK);
	/* Of the other direction it is. */
	is_learned(&back);
	/* What was learned before goes on until the flow has to meet the stack again. */
	run("nft flush chain inet t forward");
	dp_forget_flows();
	is_learned(&there);
	ends_rule("forward", "udp dport 53 drop");
	crosses(&there, REASON_SHORT_OUT);
	old = answer_to(&there);
	old.met_lately = false;
	old.left = 0;
	answer_put(&old);
	ends_send(there.from, there.sent);
	ends_send(there.from, there.sent);
	ends_silent(there.to);
	assert_int_equal(answer_to(&there).flow.way, WAY_STACK);
}

static void from_one_uplink_to_another_nothing_is(void **state)
{
	struct direction through = direction(ends.world, dp.eth0, frame_udp("192.0.2.9", 4000, "203.0.113.9", 53),
					     ends.world1, dp.eth1, frame_udp("192.0.2.9", 4000, "203.0.113.9", 53),
					     REASON_SHORT_IN);

	(void)state;
	run("ip neigh replace 203.0.113.9 lladdr 02:00:00:00:00:fd dev eth1");
	dp_set_uplink(dp.eth1, "203.0.113.1", NULL);
	crosses(&through, REASON_UPLINK_PASS);
	assure(&through);
	is_not_learned(&through, REASON_PASS_ASKED);
}

static void what_conntrack_does_not_explain_is_not(void **state)
{
	struct direction there = outward(frame_udp(POD_A4, 4000, VIP4, 53), frame_udp(POD_A4, 4000, WORLD4, 53));

	(void)state;
	dp_set_class("198.51.100.0/24", CLASS_LEAVE);
	/* As IPVS: somebody else translates, and has told conntrack what will come back. */
	ends_rule("forward", "ip daddr " VIP4 " ip daddr set " WORLD4);
	ct_do("-I -p udp -s " POD_A4 " -d " VIP4 " --sport 4000 --dport 53 -r " WORLD4 " -q " POD_A4
	      " --reply-port-src 53 --reply-port-dst 4000 -u SEEN_REPLY,ASSURED -t 60");
	is_not_learned(&there, REASON_PASS_ASKED);
	/* If it is conntrack itself that does it, why not. */
	ends_reset(NULL);
	dp_set_class("198.51.100.0/24", CLASS_LEAVE);
	ct_do("-I -p udp -s " POD_A4 " -d " VIP4 " --sport 4000 --dport 53 --dst-nat " WORLD4
	      " -u SEEN_REPLY,ASSURED -t 60");
	is_learned(&there);
}

static void a_helpers_flow_is_not(void **state)
{
	struct direction there = outward(frame_tcp(POD_A4, 4000, WORLD4, 21, FLAG_SYN),
					 frame_tcp(NODE4, 4000, WORLD4, 21, FLAG_SYN));
	struct direction back = inward(frame_tcp(WORLD4, 21, NODE4, 4000, FLAG_SYN | FLAG_ACK),
				       frame_tcp(WORLD4, 21, POD_A4, 4000, FLAG_SYN | FLAG_ACK));

	(void)state;
	if (system("nft 'add ct helper inet t ftp { type \"ftp\" protocol tcp; }' 2>/dev/null"))
		skip();		/* this kernel has no FTP helper */
	dp_set_class("198.51.100.0/24", CLASS_KERNEL);
	ends_rule("forward", "tcp dport 21 ct helper set \"ftp\"");
	ends_rule("post", "ip saddr 10.244.0.0/16 masquerade");
	crosses(&there, REASON_PASS_KERNEL);
	crosses(&back, REASON_UPLINK_PASS);
	there = outward(frame_tcp(POD_A4, 4000, WORLD4, 21, FLAG_ACK), frame_tcp(NODE4, 4000, WORLD4, 21, FLAG_ACK));
	crosses(&there, REASON_PASS_ESTABLISHED);
	ct_expect("[ASSURED]");
	ct_expect("helper=ftp");
	is_not_learned(&there, REASON_PASS_ESTABLISHED);
}

#define EACH(test) cmocka_unit_test_setup(test, ends_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(source_nat_of_udp),
		EACH(source_nat_of_tcp),
		EACH(a_silent_connection_lives_as_long_as_it_may),
		cmocka_unit_test_setup_teardown(so_does_that_of_a_pod_that_is_shaped, ends_reset, without_queue),
		EACH(between_pods),
		EACH(destination_nat_to_a_pod),
		EACH(both_to_the_world),
		EACH(destination_nat_from_the_world),
		EACH(what_the_firewall_drops_is_not),
		EACH(from_one_uplink_to_another_nothing_is),
		EACH(what_conntrack_does_not_explain_is_not),
		EACH(a_helpers_flow_is_not),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, ends_set_up, ends_tear_down);
}
