// SPDX-License-Identifier: Apache-2.0
/*
 * What a test run cannot show: frames on a real veth, with the kernel's own handling of VLAN tags
 * before and behind the program, and frames that a pod lays out as it likes. Each attack is shown
 * to work where no program is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kern/tcattach.h"
#include "lib/ends.h"

#define FORGED4	"10.244.77.77"		/* nobody's */

static struct err err;

static void attach(void)
{
	if (tc_attach(dp.host0, TC_FROM_POD, TC_CLSACT, dp.from_pod, &err) ||
	    tc_attach(dp.eth0, TC_TO_UPLINK, TC_TCX, dp.to_uplink, &err))
		fail_msg("%s", err.msg);
}

static int detach(void **state)
{
	(void)state;
	tc_detach(dp.host0, TC_FROM_POD, &err);
	tc_detach(dp.eth0, TC_TO_UPLINK, &err);
	return 0;
}

static int packet_socket(const char *ifname)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(ifname) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&ll, sizeof(ll)), 0);
	return fd;
}

static void send_linear(const char *ifname, struct frame f)
{
	int fd = packet_socket(ifname);

	assert_int_equal(send(fd, f.data, f.len, 0), f.len);
	close(fd);
}

static void send_fragmented(const char *ifname, struct frame f)
{
	int fd = packet_socket(ifname);

	send_paged(fd, f);
	close(fd);
}

/* Sends, and waits until the counter has moved (a softirq may do the rest elsewhere). */
static void expect_on(const char *ifname, void (*transmit)(const char *, struct frame), struct frame f, enum reason reason)
{
	__u64 before = dp_count(reason);

	dp_guards_hear();
	transmit(ifname, f);
	for (int i = 0; i < 100 && dp_count(reason) == before; i++)
		usleep(1000);
	/* On eth0 the node's own neighbour discovery is counted, too. */
	assert_true(dp_count(reason) > before);
}

static void expect_from_pod(struct frame f, enum reason reason)
{
	expect_on("peer0", send_linear, f, reason);
}

static bool node_knows(const char *neighbour)
{
	char command[128];

	snprintf(command, sizeof(command), "ip neigh show dev host0 | grep -q '^%s '", neighbour);
	return system(command) == 0;
}

static void forget_neighbours(void)
{
	run("ip neigh flush dev host0 nud all");
}

/* An ARP request for the node's address: the kernel answers, and keeps the sender
 * as a neighbour. */
static struct frame forged_arp(void)
{
	return frame_arp(1, mac_pod, FORGED4, NODE4);
}

static bool attack_works(struct frame f)
{
	forget_neighbours();
	send_linear("peer0", f);
	usleep(20000);
	return node_knows(FORGED4);
}

static void without_a_program_tags_of_vid_0_are_no_obstacle(void **state)
{
	(void)state;
	assert_true(attack_works(forged_arp()));
	assert_true(attack_works(frame_tag(forged_arp(), ETH_P_8021Q, 0)));
	assert_true(attack_works(frame_tag(frame_tag(forged_arp(), ETH_P_8021Q, 0), ETH_P_8021Q, 0)));
	assert_false(attack_works(frame_tag(forged_arp(), ETH_P_8021Q, 5)));
}

static void behind_tags_nobody_speaks_for_others(void **state)
{
	(void)state;
	attach();
	forget_neighbours();
	expect_from_pod(forged_arp(), REASON_DROP_SPOOFED_ARP);
	expect_from_pod(frame_tag(forged_arp(), ETH_P_8021Q, 0), REASON_DROP_SPOOFED_ARP);
	expect_from_pod(frame_tag(forged_arp(), ETH_P_8021Q, 5), REASON_DROP_SPOOFED_ARP);
	expect_from_pod(frame_tag(frame_udp(POD_B4, 4000, NODE4, 53), ETH_P_8021Q, 0), REASON_DROP_SPOOFED);
	expect_from_pod(frame_tag(frame_nd(POD_A6, "fe80::1", 136, POD_B6), ETH_P_8021AD, 0), REASON_DROP_SPOOFED_ND);
	for (int vid = 0; vid < 6; vid += 5) {
		expect_from_pod(frame_tag(frame_tag(forged_arp(), ETH_P_8021Q, 0), ETH_P_8021Q, vid),
				REASON_DROP_NESTED_TAG);
		expect_from_pod(frame_tag(frame_tag(forged_arp(), ETH_P_8021Q, vid), ETH_P_8021AD, 0),
				REASON_DROP_NESTED_TAG);
	}
	usleep(20000);
	assert_false(node_knows(FORGED4));
}

static void what_is_tagged_is_not_translated(void **state)
{
	(void)state;
	attach();
	expect_from_pod(frame_tag(frame_udp(POD_A4, 4000, WORLD4, 53), ETH_P_8021Q, 0), REASON_PASS_NOT_OURS);
	expect_from_pod(frame_tag(frame_udp(POD_A6, 4000, WORLD6, 53), ETH_P_8021Q, 5), REASON_PASS_NOT_OURS);
	/* Nothing of ours: the entry would live 5 s (the kernel's own, if its hooks
	 * are there, 30). */
	ct_expect_none();
	expect_from_pod(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	ct_expect("src=%s dst=%s sport=4000 dport=53", POD_A4, WORLD4);
}

static void the_layout_of_a_frame_hides_nothing(void **state)
{
	(void)state;
	attach();
	forget_neighbours();
	expect_on("peer0", send_fragmented, forged_arp(), REASON_DROP_SPOOFED_ARP);
	expect_on("peer0", send_fragmented, frame_udp(POD_B4, 4000, WORLD4, 53), REASON_DROP_SPOOFED);
	expect_on("peer0", send_fragmented, frame_udp(POD_B6, 4000, WORLD6, 53), REASON_DROP_SPOOFED);
	expect_on("peer0", send_fragmented, frame_nd(POD_A6, "fe80::1", 136, POD_B6), REASON_DROP_SPOOFED_ND);
	expect_on("peer0", send_fragmented, frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	expect_on("peer0", send_fragmented, frame_udp(POD_A6, 4000, WORLD6, 53), REASON_PASS_INSERTED);
	expect_on("eth0", send_fragmented, frame_udp(POD_A4, 4000, WORLD4, 53), REASON_DROP_LEAK);
	expect_on("eth0", send_fragmented, frame_udp(POD_A6, 4000, WORLD6, 53), REASON_DROP_LEAK);
	expect_on("eth0", send_fragmented, frame_udp(NODE4, 4000, WORLD4, 53), REASON_GUARD_NOT_POD);
	assert_false(node_knows(FORGED4));
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, dp_reset, detach)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(without_a_program_tags_of_vid_0_are_no_obstacle),
		EACH(behind_tags_nobody_speaks_for_others),
		EACH(what_is_tagged_is_not_translated),
		EACH(the_layout_of_a_frame_hides_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
