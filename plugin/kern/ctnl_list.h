/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_CTNL_LIST_H
#define CTNAT_KERN_CTNL_LIST_H

/* Looking at conntrack entries, over ctnetlink. Nothing is changed: no time-out is refreshed. */
#include <stdbool.h>

#include "base/addr.h"
#include "kern/nl.h"

/* How packets of one direction arrive. Ports in host order; of ICMP the id, and type << 8 | code.
 */
struct ct_tuple {
	struct addr src, dst;
	__u16 sport, dport;
};

struct ct_entry {
	struct ct_tuple orig, reply;
	__u8 proto;
	__u32 status;		/* IPS_* */
	__u32 timeout;		/* seconds that are left */
	__u32 mark;
	__u16 zone;
	bool is_tcp;
	__u8 tcp_state;		/* enum tcp_conntrack, if so */
};

const char *ct_tcp_state(__u8 state);		/* "ESTABLISHED" */

/* A negative return ends the list with that error. */
typedef int (*ct_visitor)(const struct ct_entry *entry, void *data);

/*
 * Calls fn for each entry that concerns `addr`: its original or its reply source; each once. NULL:
 * for every entry of both families. The kernel selects where it can (IPv4), and else sends all; of
 * a table of any size no more is in memory than one datagram.
 */
int ctnl_each(struct nl *nl, const struct addr *addr, ct_visitor fn, void *data, struct err *err);

/* The entry that a packet with these addresses and ports belongs to, in either direction (*reply).
 * -ENOENT: conntrack does not know it. TCP, UDP, SCTP, DCCP, in the default zone. */
int ctnl_find(struct nl *nl, const struct ct_tuple *tuple, __u8 proto, struct ct_entry *out,
	      bool *reply, struct err *err);

#endif
