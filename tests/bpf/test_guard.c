// SPDX-License-Identifier: Apache-2.0
/* The guard on the uplink: what may leave with which source address. */
#include <linux/icmp.h>
#include <linux/in.h>

#include "lib/datapath.h"

static void a_pods_address_does_not_leave(void **state)
{
	(void)state;
	dp_node_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_DROP_LEAK);
	dp_node_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_DROP_LEAK);
	dp_node_sends(frame_icmp(POD_B4, WORLD4, ICMP_ECHO), REASON_DROP_LEAK);
	dp_node_sends(frame_udp(POD_A4, 4000, "10.96.0.1", 53), REASON_DROP_LEAK);
	dp_node_sends(frame_udp(POD_A4, 4000, "169.254.169.254", 80), REASON_DROP_LEAK);
}

static void not_in_any_shape(void **state)
{
	(void)state;
	dp_node_sends(frame_fragment(frame_udp(POD_A4, 4000, WORLD4, 53), 100), REASON_DROP_LEAK);
	dp_node_sends(frame_option(frame_udp(POD_A4, 4000, WORLD4, 53)), REASON_DROP_LEAK);
	dp_node_sends(frame_extend(frame_udp(POD_A6, 4000, WORLD6, 53), IPPROTO_FRAGMENT), REASON_DROP_LEAK);
	dp_node_sends(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_RST), REASON_DROP_LEAK);
}

static void not_of_a_dying_pod_nor_of_a_pending_one(void **state)
{
	(void)state;
	dp_set_pod(POD_A4, dp.host0, STATE_DYING, NULL);
	dp_set_pod(POD_A6, 0, STATE_PENDING, NULL);
	dp_node_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_DROP_LEAK);
	dp_node_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_DROP_LEAK);
	dp_del_pod(POD_A4);
	dp_node_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_GUARD_NOT_POD);
}

static void where_it_is_left_as_it_is_it_leaves(void **state)
{
	(void)state;
	dp_node_sends(frame_udp(POD_A4, 4000, "10.244.2.9", 53), REASON_GUARD_PASS);
	dp_node_sends(frame_udp(POD_A6, 4000, "fd00:10:244:2::9", 53), REASON_GUARD_PASS);
	dp_set_class("198.51.100.0/24", CLASS_LEAVE);
	dp_node_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_GUARD_PASS);
}

static void the_nodes_traffic_is_none_of_its_business(void **state)
{
	(void)state;
	dp_node_sends(frame_udp(NODE4, 4000, WORLD4, 53), REASON_GUARD_NOT_POD);
	dp_node_sends(frame_udp(NODE6, 4000, WORLD6, 53), REASON_GUARD_NOT_POD);
	dp_node_sends(frame_udp(WORLD4, 4000, POD_A4, 53), REASON_GUARD_NOT_POD);
	dp_node_sends(frame_arp(1, mac_pod, POD_A4, WORLD4), REASON_GUARD_NOT_POD);
}

/* Who ends like a pod is looked up. */
static void who_ends_like_a_pod_is_none(void **state)
{
	(void)state;
	dp_node_sends(frame_udp("203.0.1.2", 4000, WORLD4, 53), REASON_GUARD_NOT_POD);
	dp_set_pod("203.0.1.2", dp.host0, STATE_READY, NULL);
	dp_node_sends(frame_udp("203.0.1.2", 4000, WORLD4, 53), REASON_DROP_LEAK);
	dp_del_pod("203.0.1.2");
	dp_node_sends(frame_udp("203.0.1.2", 4000, WORLD4, 53), REASON_GUARD_NOT_POD);
	dp_node_sends(frame_udp("198.51.1.2", 4000, WORLD4, 53), REASON_GUARD_NOT_POD);
}

#define EACH(test) cmocka_unit_test_setup(test, dp_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_pods_address_does_not_leave),
		EACH(not_in_any_shape),
		EACH(not_of_a_dying_pod_nor_of_a_pending_one),
		EACH(where_it_is_left_as_it_is_it_leaves),
		EACH(the_nodes_traffic_is_none_of_its_business),
		EACH(who_ends_like_a_pod_is_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
