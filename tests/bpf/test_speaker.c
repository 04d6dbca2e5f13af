// SPDX-License-Identifier: Apache-2.0
/* Who speaks: what a pod may say on its veth, and what it may not, frame by frame. */
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <stdio.h>

#include "lib/datapath.h"

#define SOLICITATION	135
#define ADVERTISEMENT	136
#define MLD_QUERY	130
#define MLD2_REPORT	143
#define HOP_BY_HOP	0

#define LINK_LOCAL	"fe80::ff:fe00:2"
#define GATEWAY		"fe80::1"
#define ALL_NODES	"ff02::1"

static void a_pod_speaks_with_its_own_addresses(void **state)
{
	(void)state;
	dp_pod_sends(frame_udp(POD_A4, 4000, POD_B4, 53), REASON_PASS_LEAVE);
	dp_pod_sends(frame_udp(POD_A6, 4000, POD_B6, 53), REASON_PASS_LEAVE);
	dp_link_sends(dp.host1, frame_udp(POD_B4, 4000, POD_A4, 53), REASON_PASS_LEAVE);
}

static void nobody_elses_address(void **state)
{
	static const char *const sources[][2] = {
		{ POD_B4, WORLD4 },		/* another pod's */
		{ POD_B6, WORLD6 },
		{ NODE4, WORLD4 },		/* the node's */
		{ NODE6, WORLD6 },
		{ "198.51.100.7", WORLD4 },	/* the world's */
		{ "2001:db8:51::7", WORLD6 },
		{ "0.0.0.0", "255.255.255.255" },
		{ "127.0.0.1", NODE4 },
		{ "::ffff:10.244.1.5", WORLD6 },	/* its own IPv4 address, which is none of IPv6 */
		{ "::1", NODE6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		const char *src = sources[i][0], *dst = sources[i][1];

		dp_pod_sends(frame_udp(src, 4000, dst, 53), REASON_DROP_SPOOFED);
		dp_pod_sends(frame_tcp(src, 4000, dst, 80, FLAG_SYN), REASON_DROP_SPOOFED);
		dp_pod_sends(frame_to(frame_udp(src, 4000, dst, 53), mac_broadcast), REASON_DROP_SPOOFED);
		dp_pod_sends(frame_to(frame_udp(src, 4000, dst, 53), mac_multicast), REASON_DROP_SPOOFED);
	}
	ct_expect_none();
}

static void spoofing_is_judged_before_the_shape(void **state)
{
	struct frame cut = frame_udp(POD_B4, 4000, WORLD4, 53);

	(void)state;
	dp_pod_sends(frame_fragment(frame_udp(POD_B4, 4000, WORLD4, 53), 100), REASON_DROP_SPOOFED);
	dp_pod_sends(frame_option(frame_udp(POD_B4, 4000, WORLD4, 53)), REASON_DROP_SPOOFED);
	dp_pod_sends(frame_ttl(frame_udp(POD_B4, 4000, WORLD4, 53), 1), REASON_DROP_SPOOFED);
	dp_pod_sends(frame_icmp(POD_B4, WORLD4, ICMP_ECHO), REASON_DROP_SPOOFED);
	dp_pod_sends(frame_extend(frame_udp(POD_B6, 4000, WORLD6, 53), IPPROTO_DSTOPTS), REASON_DROP_SPOOFED);
	cut.len = ETH_LEN + IP4_LEN + 4;
	dp_pod_sends(cut, REASON_DROP_SPOOFED);
}

static void spoof_check_switches_only_the_source_check_off(void **state)
{
	struct config cfg = dp.cfg;

	(void)state;
	cfg.spoof_check = 0;
	dp_set_config(&cfg);
	/* Passed, but not translated by us: no pod, no entry. */
	dp_pod_sends(frame_udp(POD_B4, 4000, WORLD4, 53), REASON_PASS_STACK);
	dp_pod_sends(frame_udp("2001:db8:51::7", 4000, WORLD6, 53), REASON_PASS_STACK);
	dp_pod_sends(frame_udp(LINK_LOCAL, 4000, NODE6, 53), REASON_PASS_STACK);
	ct_expect_none();
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
	dp_pod_sends(frame_arp(1, mac_pod, POD_B4, NODE4), REASON_DROP_SPOOFED_ARP);
	dp_pod_sends(frame_nd(POD_B6, NODE6, ADVERTISEMENT, POD_B6), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_icmp(LINK_LOCAL, ALL_NODES, 134), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_udp("192.0.2.9", 67, "255.255.255.255", 68), REASON_DROP_ROGUE_DHCP);
}

static void a_dying_pod_is_silent(void **state)
{
	(void)state;
	dp_set_pod(POD_A4, dp.host0, STATE_DYING, NULL);
	dp_set_pod(POD_A6, dp.host0, STATE_DYING, NULL);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_DROP_DYING);
	dp_pod_sends(frame_udp(POD_A6, 4000, WORLD6, 53), REASON_DROP_DYING);
	dp_pod_sends(frame_arp(1, mac_pod, POD_A4, NODE4), REASON_DROP_DYING);
	dp_set_pod(POD_A4, dp.host0, STATE_PENDING, NULL);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_PASS_INSERTED);
}

static void a_pending_pod_has_no_link_yet(void **state)
{
	(void)state;
	dp_set_pod(POD_A4, 0, STATE_PENDING, NULL);
	dp_pod_sends(frame_udp(POD_A4, 4000, WORLD4, 53), REASON_DROP_SPOOFED);
}

static void arp_speaks_for_its_sender(void **state)
{
	struct frame odd = frame_arp(1, mac_pod, POD_A4, NODE4);

	(void)state;
	dp_pod_sends(frame_arp(1, mac_pod, POD_A4, "169.254.1.1"), REASON_PASS_NEIGHBOUR);
	dp_pod_sends(frame_to(frame_arp(1, mac_pod, POD_A4, POD_A4), mac_broadcast), REASON_PASS_NEIGHBOUR);
	dp_pod_sends(frame_arp(2, mac_pod, POD_A4, "169.254.1.1"), REASON_PASS_NEIGHBOUR);

	dp_pod_sends(frame_arp(1, mac_pod, POD_B4, NODE4), REASON_DROP_SPOOFED_ARP);
	dp_pod_sends(frame_to(frame_arp(2, mac_pod, POD_B4, POD_B4), mac_broadcast), REASON_DROP_SPOOFED_ARP);
	dp_pod_sends(frame_arp(2, mac_pod, "169.254.1.1", POD_A4), REASON_DROP_SPOOFED_ARP);
	dp_pod_sends(frame_arp(1, mac_pod, "0.0.0.0", POD_A4), REASON_DROP_SPOOFED_ARP);
	dp_pod_sends(frame_arp(1, mac_foreign, POD_A4, NODE4), REASON_DROP_SPOOFED_ARP);
	dp_pod_sends(frame_arp(3, mac_pod, POD_A4, NODE4), REASON_DROP_SPOOFED_ARP);	/* RARP's numbers */
	odd.data[ETH_LEN + 5] = 16;	/* protocol length */
	dp_pod_sends(odd, REASON_DROP_SPOOFED_ARP);
	odd = frame_arp(1, mac_pod, POD_A4, NODE4);
	odd.len -= 1;
	dp_pod_sends(odd, REASON_DROP_SPOOFED_ARP);
}

static void solicitations_speak_for_their_source(void **state)
{
	(void)state;
	dp_pod_sends(frame_nd(POD_A6, GATEWAY, SOLICITATION, GATEWAY), REASON_PASS_NEIGHBOUR);
	dp_pod_sends(frame_nd(LINK_LOCAL, GATEWAY, SOLICITATION, GATEWAY), REASON_PASS_NEIGHBOUR);
	dp_pod_sends(frame_to(frame_nd("::", ALL_NODES, SOLICITATION, POD_A6), mac_multicast), REASON_PASS_NEIGHBOUR);
	dp_pod_sends(frame_nd("::", ALL_NODES, SOLICITATION, LINK_LOCAL), REASON_PASS_NEIGHBOUR);

	dp_pod_sends(frame_nd(POD_B6, GATEWAY, SOLICITATION, GATEWAY), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_to(frame_nd(NODE6, ALL_NODES, SOLICITATION, POD_B6), mac_multicast), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_nd(GATEWAY, ALL_NODES, SOLICITATION, POD_A6), REASON_DROP_SPOOFED_ND);
	/* From :: it claims its target (duplicate address detection). */
	dp_pod_sends(frame_nd("::", ALL_NODES, SOLICITATION, POD_B6), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_nd("::", ALL_NODES, SOLICITATION, NODE6), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_nd("::", ALL_NODES, SOLICITATION, GATEWAY), REASON_DROP_SPOOFED_ND);
}

static void advertisements_claim_their_target(void **state)
{
	(void)state;
	dp_pod_sends(frame_nd(POD_A6, GATEWAY, ADVERTISEMENT, POD_A6), REASON_PASS_NEIGHBOUR);
	dp_pod_sends(frame_to(frame_nd(LINK_LOCAL, ALL_NODES, ADVERTISEMENT, POD_A6), mac_multicast),
		     REASON_PASS_NEIGHBOUR);
	dp_pod_sends(frame_nd(LINK_LOCAL, GATEWAY, ADVERTISEMENT, LINK_LOCAL), REASON_PASS_NEIGHBOUR);

	dp_pod_sends(frame_nd(POD_A6, GATEWAY, ADVERTISEMENT, POD_B6), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_to(frame_nd(POD_A6, ALL_NODES, ADVERTISEMENT, NODE6), mac_multicast), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_nd(LINK_LOCAL, ALL_NODES, ADVERTISEMENT, GATEWAY), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_nd(LINK_LOCAL, ALL_NODES, ADVERTISEMENT, "2001:db8:2::fe"), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_nd(POD_B6, GATEWAY, ADVERTISEMENT, POD_A6), REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_nd("::", ALL_NODES, ADVERTISEMENT, POD_A6), REASON_DROP_SPOOFED_ND);
	/* An IPv4-mapped target is the key of the pod's record, and no address of IPv6. */
	dp_pod_sends(frame_nd(POD_A6, GATEWAY, ADVERTISEMENT, "::ffff:" POD_A4), REASON_DROP_SPOOFED_ND);
}

static void neighbour_discovery_does_not_hide(void **state)
{
	static const __u8 headers[] = { HOP_BY_HOP, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };
	struct frame own = frame_nd(POD_A6, GATEWAY, SOLICITATION, GATEWAY), deep, cut = own;
	struct frame forged = frame_nd(POD_A6, ALL_NODES, ADVERTISEMENT, NODE6);

	(void)state;
	for (size_t i = 0; i < sizeof(headers); i++) {
		dp_pod_sends(frame_extend(own, headers[i]), REASON_DROP_SPOOFED_ND);
		dp_pod_sends(frame_extend(forged, headers[i]), REASON_DROP_SPOOFED_ND);
		dp_pod_sends(frame_extend(frame_extend(forged, headers[i]), HOP_BY_HOP), REASON_DROP_SPOOFED_ND);
		dp_pod_sends(frame_extend(frame_icmp(LINK_LOCAL, ALL_NODES, 134), headers[i]), REASON_DROP_ROGUE_RA);
	}
	deep = forged;
	for (int i = 0; i < 12; i++)
		deep = frame_extend(deep, IPPROTO_DSTOPTS);
	dp_pod_sends(deep, REASON_DROP_SPOOFED_ND);
	dp_pod_sends(frame_ttl(own, 254), REASON_DROP_SPOOFED_ND);
	cut.len -= 1;
	dp_pod_sends(cut, REASON_DROP_SPOOFED_ND);
}

static void link_local_is_for_neighbours_and_mld(void **state)
{
	struct frame report = frame_ttl(frame_icmp(LINK_LOCAL, "ff02::16", MLD2_REPORT), 1);

	(void)state;
	dp_pod_sends(frame_to(frame_extend(report, HOP_BY_HOP), mac_multicast), REASON_PASS_NEIGHBOUR);
	dp_pod_sends(frame_extend(frame_ttl(frame_icmp("::", "ff02::16", MLD2_REPORT), 1), HOP_BY_HOP),
		     REASON_PASS_NEIGHBOUR);

	dp_pod_sends(frame_ttl(report, 64), REASON_DROP_LINK_LOCAL);
	dp_pod_sends(frame_extend(report, IPPROTO_FRAGMENT), REASON_DROP_LINK_LOCAL);
	dp_pod_sends(frame_ttl(frame_icmp(LINK_LOCAL, ALL_NODES, MLD_QUERY), 1), REASON_DROP_LINK_LOCAL);
	dp_pod_sends(frame_icmp(LINK_LOCAL, GATEWAY, 128), REASON_DROP_LINK_LOCAL);	/* echo */
	dp_pod_sends(frame_icmp(LINK_LOCAL, "ff02::2", 133), REASON_DROP_LINK_LOCAL);	/* router solicitation */
	dp_pod_sends(frame_udp(LINK_LOCAL, 5353, "ff02::fb", 5353), REASON_DROP_LINK_LOCAL);
	dp_pod_sends(frame_udp("::", 5353, WORLD6, 53), REASON_DROP_LINK_LOCAL);
}

static void link_local_speech_is_rationed(void **state)
{
	int passed = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		char source[64];
		enum reason reason;

		snprintf(source, sizeof(source), "fe80::bad:%x", i);
		reason = dp_pod_tries(frame_nd(source, GATEWAY, SOLICITATION, GATEWAY));
		if (reason == REASON_PASS_NEIGHBOUR)
			passed++;
		else
			assert_int_equal(reason, REASON_DROP_LINK_LOCAL);
	}
	assert_in_range(passed, 8, 16);		/* 8 a second; a second may have passed */
	/* The ration is the veth's: neither what it says with its own address nor another pod is
	 * touched. */
	dp_pod_sends(frame_nd(POD_A6, GATEWAY, SOLICITATION, GATEWAY), REASON_PASS_NEIGHBOUR);
	dp_link_sends(dp.host1, frame_to(frame_nd(LINK_LOCAL, ALL_NODES, SOLICITATION, GATEWAY), mac_multicast),
		      REASON_PASS_NEIGHBOUR);
}

static void a_pod_is_no_router_and_no_server(void **state)
{
	(void)state;
	dp_pod_sends(frame_to(frame_icmp(LINK_LOCAL, ALL_NODES, 134), mac_multicast), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_icmp(POD_A6, ALL_NODES, 134), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_icmp(GATEWAY, NODE6, 137), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_icmp(POD_A6, NODE6, 137), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_icmp(POD_A4, NODE4, ICMP_REDIRECT), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_icmp("192.0.2.254", NODE4, ICMP_REDIRECT), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_option(frame_icmp(POD_A4, NODE4, ICMP_REDIRECT)), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_fragment(frame_icmp(POD_A4, NODE4, ICMP_REDIRECT), 0), REASON_DROP_ROGUE_RA);
	dp_pod_sends(frame_to(frame_icmp(POD_A4, "224.0.0.1", 9), mac_broadcast), REASON_DROP_ROGUE_RA);

	dp_pod_sends(frame_udp(POD_A4, 67, "255.255.255.255", 68), REASON_DROP_ROGUE_DHCP);
	dp_pod_sends(frame_to(frame_udp("0.0.0.0", 67, "255.255.255.255", 68), mac_broadcast), REASON_DROP_ROGUE_DHCP);
	dp_pod_sends(frame_option(frame_udp(POD_A4, 67, NODE4, 68)), REASON_DROP_ROGUE_DHCP);
	dp_pod_sends(frame_fragment(frame_udp(POD_A4, 67, NODE4, 68), 0), REASON_DROP_ROGUE_DHCP);
	dp_pod_sends(frame_udp(LINK_LOCAL, 547, LINK_LOCAL, 546), REASON_DROP_ROGUE_DHCP);
	dp_pod_sends(frame_extend(frame_udp(POD_A6, 547, NODE6, 546), IPPROTO_DSTOPTS), REASON_DROP_ROGUE_DHCP);
	/* The other family's number is a port as any other. */
	dp_pod_sends(frame_udp(POD_A4, 547, POD_B4, 546), REASON_PASS_LEAVE);
	dp_pod_sends(frame_udp(POD_A4, 68, POD_B4, 67), REASON_PASS_LEAVE);
}

static void frames_to_others_are_not_ours(void **state)
{
	struct frame strange = frame_udp(POD_A4, 4000, WORLD4, 53);

	(void)state;
	dp_pod_sends(frame_to(frame_udp(POD_A4, 4000, WORLD4, 53), mac_foreign), REASON_PASS_NOT_OURS);
	dp_pod_sends(frame_to(frame_udp(POD_B6, 4000, WORLD6, 53), mac_foreign), REASON_PASS_NOT_OURS);
	dp_pod_sends(frame_to(frame_udp(POD_A4, 4000, WORLD4, 53), mac_broadcast), REASON_PASS_NOT_OURS);
	dp_pod_sends(frame_to(frame_udp(POD_A6, 4000, WORLD6, 53), mac_multicast), REASON_PASS_NOT_OURS);
	strange.data[12] = 0x88;	/* MPLS */
	strange.data[13] = 0x47;
	dp_pod_sends(strange, REASON_PASS_NOT_OURS);
	ct_expect_none();
}

/* The test run takes no tag off, as the kernel does with the first: so one tag here is two on the
 * wire (test_wire.c). */
static void a_second_tag_hides_nothing(void **state)
{
	(void)state;
	dp_pod_sends(frame_tag(frame_udp(POD_A4, 4000, WORLD4, 53), ETH_P_8021Q, 0), REASON_DROP_NESTED_TAG);
	dp_pod_sends(frame_tag(frame_arp(2, mac_pod, POD_B4, POD_B4), ETH_P_8021AD, 7), REASON_DROP_NESTED_TAG);
}

static void what_does_not_add_up_is_the_stacks(void **state)
{
	struct frame f = frame_udp(POD_A4, 4000, WORLD4, 53);

	(void)state;
	f.len -= 1;		/* shorter than the header says */
	dp_pod_sends(f, REASON_PASS_MALFORMED);
	f = frame_udp(POD_A6, 4000, WORLD6, 53);
	f.len -= 1;
	dp_pod_sends(f, REASON_PASS_MALFORMED);
	f = frame_udp(POD_A4, 4000, WORLD4, 53);
	f.data[ETH_LEN] = 0x44;		/* header of 16 bytes */
	dp_pod_sends(f, REASON_PASS_MALFORMED);
	f.data[ETH_LEN] = 0x65;		/* version 6 in a frame of version 4 */
	dp_pod_sends(f, REASON_PASS_MALFORMED);
	f = frame_tcp(POD_A4, 4000, WORLD4, 80, FLAG_SYN);
	f.data[ETH_LEN + IP4_LEN + 12] = 0x40;	/* TCP header of 16 bytes */
	dp_pod_sends(f, REASON_PASS_MALFORMED);
	f = frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN);
	f.len = ETH_LEN + IP6_LEN + 10;
	f.data[ETH_LEN + 5] = 10;
	dp_pod_sends(f, REASON_PASS_MALFORMED);
	ct_expect_none();
}

static void what_is_no_plain_tcp_or_udp_is_the_stacks(void **state)
{
	char nothing[16] = { 0 };

	(void)state;
	dp_pod_sends(frame_icmp(POD_A4, WORLD4, ICMP_ECHO), REASON_PASS_STACK);
	dp_pod_sends(frame_icmp(POD_A6, WORLD6, 128), REASON_PASS_STACK);
	dp_pod_sends(frame_ip(POD_A4, WORLD4, IPPROTO_SCTP, nothing, sizeof(nothing)), REASON_PASS_STACK);
	dp_pod_sends(frame_ip(POD_A6, WORLD6, IPPROTO_SCTP, nothing, sizeof(nothing)), REASON_PASS_STACK);
	dp_pod_sends(frame_option(frame_udp(POD_A4, 4000, WORLD4, 53)), REASON_PASS_STACK);
	dp_pod_sends(frame_fragment(frame_udp(POD_A4, 4000, WORLD4, 53), 0), REASON_PASS_STACK);
	dp_pod_sends(frame_fragment(frame_udp(POD_A4, 4000, WORLD4, 53), 10), REASON_PASS_STACK);
	dp_pod_sends(frame_extend(frame_udp(POD_A6, 4000, WORLD6, 53), IPPROTO_FRAGMENT), REASON_PASS_STACK);
	dp_pod_sends(frame_extend(frame_udp(POD_A6, 4000, WORLD6, 53), IPPROTO_DSTOPTS), REASON_PASS_STACK);
	dp_pod_sends(frame_ttl(frame_udp(POD_A4, 4000, WORLD4, 53), 1), REASON_PASS_STACK);
	dp_pod_sends(frame_ttl(frame_tcp(POD_A6, 4000, WORLD6, 80, FLAG_SYN), 1), REASON_PASS_STACK);
	dp_pod_sends(frame_udp(POD_A6, 4000, "::ffff:198.51.100.1", 53), REASON_PASS_STACK);
	ct_expect_none();
}

#define EACH(test) cmocka_unit_test_setup(test, dp_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_pod_speaks_with_its_own_addresses),
		EACH(nobody_elses_address),
		EACH(spoofing_is_judged_before_the_shape),
		EACH(spoof_check_switches_only_the_source_check_off),
		EACH(a_dying_pod_is_silent),
		EACH(a_pending_pod_has_no_link_yet),
		EACH(arp_speaks_for_its_sender),
		EACH(solicitations_speak_for_their_source),
		EACH(advertisements_claim_their_target),
		EACH(neighbour_discovery_does_not_hide),
		EACH(link_local_is_for_neighbours_and_mld),
		EACH(link_local_speech_is_rationed),
		EACH(a_pod_is_no_router_and_no_server),
		EACH(frames_to_others_are_not_ours),
		EACH(a_second_tag_hides_nothing),
		EACH(what_does_not_add_up_is_the_stacks),
		EACH(what_is_no_plain_tcp_or_udp_is_the_stacks),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, dp_set_up, dp_tear_down);
}
