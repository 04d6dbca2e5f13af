/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NL_H
#define CTNAT_KERN_NL_H

/*
 * Netlink: one way to talk. An operation is "build a message, nl_talk()": the builders are libmnl's.
 *
 * A socket belongs to the network namespace it was opened in, for ever: choose the namespace by choosing
 * the socket (netns.h opens one inside a pod). Replies are matched by sequence number; EINTR is retried; a
 * dump that the kernel marks inconsistent (NLM_F_DUMP_INTR) is begun again, so the callback may see an object twice
 * unless it starts over at `restart`. Errors carry the kernel's own text (extended ack) where it sends one.
 */
#include <libmnl/libmnl.h>

#include "base/err.h"

#define NL_BUFSIZE 32768

struct nl {
	struct mnl_socket *sock;	/* NULL: closed */
	unsigned int seq;
	unsigned int portid;
};

/* bus: NETLINK_ROUTE or NETLINK_NETFILTER. Strict checking, extended and capped acks are switched on. */
int nl_open(struct nl *nl, int bus, struct err *err);
void nl_close(struct nl *nl);	/* also of a zeroed or closed one */

/* Called for each message of the answer. A negative return ends the talk with that error. */
typedef int (*nl_callback)(const struct nlmsghdr *nlh, void *data);

struct nl_handler {
	nl_callback each;	/* may be NULL */
	void (*restart)(void *data);	/* a dump begins again; may be NULL */
	void *data;
};

/*
 * Sends the message (its sequence number is set here, NLM_F_REQUEST and, unless it is a dump,
 * NLM_F_ACK are added) and reads the whole answer. Returns 0, or the kernel's raw -errno, *err holding the kernel's text.
 */
int nl_talk(struct nl *nl, struct nlmsghdr *nlh, const struct nl_handler *handler, struct err *err);

/* The same for a batch of messages that the caller has put together (nfnetlink transactions): sends
 * `len` bytes at `buf`, whose messages bear the sequence numbers first_seq .. last_seq (take them from nl_seq()), and reads
 * acks until all that asked for one are answered. Returns the first error of the batch. */
unsigned int nl_seq(struct nl *nl);
int nl_talk_batch(struct nl *nl, const void *buf, size_t len, unsigned int first_seq, unsigned int last_seq,
		  struct err *err);

#endif
