/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTNAT_KERN_NL_H
#define CTNAT_KERN_NL_H

/*
 * Netlink: one way to talk. An operation is "build a message, nl_talk()", with libmnl's builders.
 *
 * A socket belongs to the network namespace it was opened in, for ever: choose the namespace by
 * choosing the socket (netns.h opens one inside a pod). Replies are matched by sequence number;
 * EINTR is retried; a dump that the kernel marks inconsistent (NLM_F_DUMP_INTR) is begun again, so
 * the callback may see an object twice unless it starts over at `restart`. Errors carry the
 * kernel's own text (extended ack) where it sends one, else "refused".
 */
#include <stddef.h>

#include <libmnl/libmnl.h>

#include "base/err.h"

struct addr;

#define NL_BUFSIZE 32768	/* the most that the kernel puts into one datagram of a dump */

struct nl {
	struct mnl_socket *sock;	/* NULL: closed */
	unsigned int seq;
	unsigned int portid;
	unsigned int refused;	/* sequence number of the message that a batch failed for */
};

/* bus: NETLINK_ROUTE or NETLINK_NETFILTER. Checking is strict, acks are extended and capped. */
int nl_open(struct nl *nl, int bus, struct err *err);
void nl_close(struct nl *nl);	/* also of a zeroed or closed one */

static inline void cleanup_nl(struct nl *nl)
{
	nl_close(nl);
}

#define _cleanup_nl_ __attribute__((cleanup(cleanup_nl)))

/* Room for one message of fixed shape; texts of others go in by nl_put_text(), which bounds
 * them. */
struct nl_request {
	struct nlmsghdr nlh;
	char body[1024 - sizeof(struct nlmsghdr)];
};

/* Starts a message in *req; add the family header and attributes to what it returns. */
struct nlmsghdr *nl_request(struct nl_request *req, unsigned int type, unsigned int flags);

/* Adds at most `size` bytes of the text, without its NUL: `size` being the kernel's buffer with the
 * NUL, a text that does not fit is refused by the kernel, in its own words, not cut. */
void nl_put_text(struct nlmsghdr *nlh, unsigned int type, const char *text, size_t size);
/* The address in its family's own bytes. */
void nl_put_addr(struct nlmsghdr *nlh, unsigned int type, const struct addr *addr);

/* What an attribute of an answer holds. One of an unexpected length leaves *out as it is; a text is
 * cut to `size` with its NUL; an address is IPv4 by its 4 bytes, IPv6 by its 16. */
void nl_get_text(const struct nlattr *attr, char *out, size_t size);
void nl_get_bytes(const struct nlattr *attr, void *out, size_t size);
void nl_get_addr(const struct nlattr *attr, struct addr *out);

/* Called for each message of the answer. A negative return ends the talk with that error. */
typedef int (*nl_callback)(const struct nlmsghdr *nlh, void *data);

struct nl_handler {
	nl_callback each;		/* may be NULL */
	void (*restart)(void *data);	/* a dump begins again; may be NULL */
	void *data;
};

/*
 * Sends the message (its sequence number is set here, NLM_F_REQUEST and, unless it is a dump,
 * NLM_F_ACK are added) and reads the whole answer. Returns 0, or the kernel's raw -errno, *err
 * holding the kernel's text.
 */
int nl_talk(struct nl *nl, struct nlmsghdr *nlh, const struct nl_handler *handler, struct err *err);

/*
 * The same for a batch of messages that the caller has put together: sends `len` bytes at `buf`,
 * whose messages bear the sequence numbers first_seq .. last_seq (take them from nl_seq()), and
 * reads until all that asked for an ack are answered. A failure is reported whether an ack was
 * asked for or not, so in a long batch only the last message should: acks beyond the socket's
 * buffer are lost (-ENOBUFS). Returns the first error of the batch.
 */
unsigned int nl_seq(struct nl *nl);
int nl_talk_batch(struct nl *nl, const void *buf, size_t len, unsigned int first_seq,
		  unsigned int last_seq, struct err *err);

/* What a dump collects: objects of one size, as they came. `items` is the caller's to free. */
struct nl_array {
	void *items;
	size_t n;
	size_t size;		/* bytes of one */
};

/* A zeroed object more at the end, or NULL: no memory. Pointers into the array become invalid. */
void *nl_array_add(struct nl_array *array);
/* Forgets the objects, as a handler's restart. */
void nl_array_reset(void *array);

#endif
