/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_ENDS_H
#define CTNAT_TESTS_ENDS_H

/*
 * The node of lib/datapath.h with real devices: what a program sees only of packets that went
 * through the stack. All four programs are attached; the far ends of the devices lie in namespaces
 * of their own and are packet sockets, so a test still is a frame that goes in and one that comes
 * out.
 *
 *	peer0, peer1	the pods' ends; world0, world1: behind eth0 and eth1
 *	table inet t	chains pre, post (nat) and forward (filter), empty: for the test's own rules
 */
#include "lib/datapath.h"

struct ends {
	int pod_a, pod_b, world, world1;	/* packet sockets */
};

extern struct ends ends;

/* cmocka's fixtures, in place of dp_set_up(), dp_reset() and dp_tear_down(). */
int ends_set_up(void **state);
int ends_reset(void **state);	/* also: conntrack is liberal, no rules, no answers */
int ends_tear_down(void **state);

/* Another socket at the end of this name. offloading: its frames have a struct virtio_net_hdr in
 * front. */
int ends_socket(const char *ifname, bool offloading);

/* Sends through a ring (packet_mmap), by a socket that is used for nothing else: the packet has the
 * Ethernet header in its linear part, all else in page fragments. */
void send_paged(int fd, struct frame f);

/* What comes next of TCP, UDP or ICMP from the node, within a second. False: nothing. */
bool ends_receive(int end, struct frame *out);
/* Asserts that within 50 ms nothing comes. */
void ends_silent(int end);
void ends_send(int end, struct frame f);
/* Sends, and asserts that this frame comes out there, and that this counter moves by one. */
void ends_carry(int from, struct frame f, int to, struct frame expected, enum reason reason);

/* As the node forwards a frame: its own MAC, that of the end, one hop less. */
struct frame ends_forwarded(struct frame f, int to);

/* Adds a rule to a chain of table inet t. */
void ends_rule(const char *chain, const char *rule);

#endif
