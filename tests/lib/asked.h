/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_TESTS_ASKED_H
#define CTNAT_TESTS_ASKED_H

/* Flows of pod A that conntrack is asked about. Their entries are made by conntrack(8): the
 * kernel's own. */
#include "lib/answer.h"

/* For conntrack(8): pod A's flows to the world, as the base table would translate them. */
#define FLOW4 "-p udp -s " POD_A4 " -d " WORLD4 " --sport 4000 --dport 53 "
#define UDP4 FLOW4 "--src-nat " NODE4 " "
#define UDP6 "-p udp -s " POD_A6 " -d " WORLD6 " --sport 4000 --dport 53 --src-nat " NODE6 " "
#define TCP4 "-p tcp -s " POD_A4 " -d " WORLD4 " --sport 4000 --dport 80 --src-nat " NODE4 " --state "
#define ASSURED "-u SEEN_REPLY,ASSURED "

/* The pod's frames of these flows: a datagram, and a segment with nothing but ACK. */
struct frame udp4(void);
struct frame tcp4(void);

/* net.netfilter.nf_conntrack_<name> */
void set_sysctl(const char *name, int value);

/* dp_reset(), with conntrack's settings as the tests expect them. */
int asked_reset(void **state);

/* The frame arrives, is left as it is, and its answer is "stack" for a second (or there is none). */
void pod_sends(struct frame f, enum reason reason, bool noted);
void world_sends(struct frame f, enum reason reason, bool noted);

/* An established flow, whose packets may take the short way or not. */
void may(struct frame f);
void may_not(struct frame f);

#endif
