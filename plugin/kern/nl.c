// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a talk is one request and the datagrams that answer it. The kernel works while we send:
 * when send() returns, all acks lie in our queue, and of a dump the first part; each recv() makes
 * the next one. So a talk always reads to its end, even after the callback gave up: what it left
 * unread would make the next dump on this socket fail with EBUSY. Whatever else is in the queue
 * (the rest of a batch that failed early) bears another sequence number and is passed over.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "kern/nl.h"

/* A table that changes under a hundred dumps in a row is not going to hold still. */
#define DUMP_RESTARTS 100

#define ERRNO_MAX 4095	/* of the kernel's error codes */

struct talk {
	unsigned int portid, first_seq, last_seq;
	const struct nl_handler *handler;
	unsigned int acks;	/* and errors */
	bool ended;		/* an ack, an error, or the end of a dump was seen */
	bool interrupted;	/* the dump is inconsistent */
	int error;		/* the first one */
	unsigned int failed_seq;	/* of the message that it answers */
	struct err *err;
};

int nl_open(struct nl *nl, int bus, struct err *err)
{
	static const int options[] = { NETLINK_GET_STRICT_CHK, NETLINK_EXT_ACK, NETLINK_CAP_ACK };
	struct nl opened = { .sock = mnl_socket_open2(bus, SOCK_CLOEXEC) };
	int on = 1, rc;

	if (!opened.sock || mnl_socket_bind(opened.sock, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (mnl_socket_setsockopt(opened.sock, options[i], &on, sizeof(on)) < 0)
			goto fail;
	opened.portid = mnl_socket_get_portid(opened.sock);
	*nl = opened;
	return 0;
fail:
	rc = err_set(err, -errno, "open a netlink socket");
	nl_close(&opened);
	return rc;
}

void nl_close(struct nl *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

struct nlmsghdr *nl_request(struct nl_request *req, unsigned int type, unsigned int flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(req);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return nlh;
}

/* ---- attributes ------------------------------------------------------------------------------ */

void nl_put_text(struct nlmsghdr *nlh, unsigned int type, const char *text, size_t size)
{
	mnl_attr_put(nlh, type, strnlen(text, size), text);
}

void nl_put_addr(struct nlmsghdr *nlh, unsigned int type, const struct addr *addr)
{
	size_t len;
	const void *bytes = addr_bytes(addr, &len);

	mnl_attr_put(nlh, type, len, bytes);
}

void nl_get_text(const struct nlattr *attr, char *out, size_t size)
{
	size_t len = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));

	if (len >= size)
		len = size - 1;
	memcpy(out, mnl_attr_get_payload(attr), len);
	out[len] = '\0';
}

void nl_get_bytes(const struct nlattr *attr, void *out, size_t size)
{
	if (mnl_attr_get_payload_len(attr) == size)
		memcpy(out, mnl_attr_get_payload(attr), size);
}

void nl_get_addr(const struct nlattr *attr, struct addr *out)
{
	switch (mnl_attr_get_payload_len(attr)) {
	case sizeof(struct in_addr):
		*out = addr_from_bytes(AF_INET, mnl_attr_get_payload(attr));
		break;
	case sizeof(struct in6_addr):
		*out = addr_from_bytes(AF_INET6, mnl_attr_get_payload(attr));
		break;
	}
}

/* ---- answers: what comes is checked against its own length, never trusted -------------------- */

/* len: of the text, or -1 if it ends with a NUL. */
static void talk_fail(struct talk *talk, int error, const char *text, int len)
{
	if (talk->error)
		return;
	talk->error = error;
	err_set(talk->err, error, "%.*s", len, text);
}

/* Fails with the kernel's words, if the attributes that begin `offset` bytes into the payload hold
 * any. */
static void talk_refused(struct talk *talk, int error, const struct nlmsghdr *nlh, size_t offset)
{
	const struct nlattr *attr;

	if (error < -ERRNO_MAX)
		error = -EBADMSG;
	if ((nlh->nlmsg_flags & NLM_F_ACK_TLVS) && offset < mnl_nlmsg_get_payload_len(nlh)) {
		mnl_attr_for_each(attr, nlh, offset) {
			const char *text = mnl_attr_get_payload(attr);
			size_t len = strnlen(text, mnl_attr_get_payload_len(attr));

			if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && len)
				return talk_fail(talk, error, text, (int)len);
		}
	}
	talk_fail(talk, error, "refused", -1);
}

/* struct nlmsgerr; then the rest of the request, unless the answer was capped; then attributes. */
static void talk_ack(struct talk *talk, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *ack = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*ack);

	talk->ended = true;
	if (!talk->error)
		talk->failed_seq = nlh->nlmsg_seq;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ack))
		return talk_fail(talk, -EBADMSG, "short ack", -1);
	talk->acks++;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && ack->msg.nlmsg_len > sizeof(ack->msg))
		offset += MNL_ALIGN(ack->msg.nlmsg_len - sizeof(ack->msg));
	if (ack->error < 0)
		talk_refused(talk, ack->error, nlh, offset);
}

/* The end of a dump: an int, negative if it failed on the way, then attributes. */
static void talk_done(struct talk *talk, const struct nlmsghdr *nlh)
{
	const int *error = mnl_nlmsg_get_payload(nlh);

	talk->ended = true;
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*error) && *error < 0)
		talk_refused(talk, *error, nlh, sizeof(*error));
}

static void talk_object(struct talk *talk, const struct nlmsghdr *nlh)
{
	int rc;

	if (!talk->handler || !talk->handler->each || talk->error)
		return;
	rc = talk->handler->each(nlh, talk->handler->data);
	if (rc < 0)
		talk_fail(talk, rc, "read the answer", -1);
}

/* libmnl compares lengths as int: to it, one of more than 2 GB is negative, and fits. */
static bool talk_message_ok(const struct nlmsghdr *nlh, int left)
{
	return mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= (unsigned int)left;
}

/* One datagram: messages of this talk, perhaps left-overs of an earlier one. */
static void talk_datagram(struct talk *talk, const void *buf, int len)
{
	const struct nlmsghdr *nlh;

	for (nlh = buf; talk_message_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		/* The difference keeps its order when the numbers wrap. */
		if (nlh->nlmsg_pid != talk->portid ||
		    nlh->nlmsg_seq - talk->first_seq > talk->last_seq - talk->first_seq)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			talk->interrupted = true;
		if (nlh->nlmsg_type == NLMSG_ERROR)
			talk_ack(talk, nlh);
		else if (nlh->nlmsg_type == NLMSG_DONE)
			talk_done(talk, nlh);
		else if (nlh->nlmsg_type >= NLMSG_MIN_TYPE)
			talk_object(talk, nlh);
	}
}

/* ---- the socket ------------------------------------------------------------------------------ */

static int talk_send(struct nl *nl, const void *buf, size_t len, struct err *err)
{
	ssize_t sent;

	do
		sent = mnl_socket_sendto(nl->sock, buf, len);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? err_set(err, -errno, "send to the kernel") : 0;
}

/* Takes in one datagram. Returns 0, or -EAGAIN if `flags` say not to wait and there is none. */
static int talk_receive(struct nl *nl, struct talk *talk, int flags, struct err *err)
{
	char buf[NL_BUFSIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len;

	do
		len = recvfrom(mnl_socket_get_fd(nl->sock), buf, sizeof(buf), flags | MSG_TRUNC,
			       (struct sockaddr *)&from, &from_len);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return err_set(err, -errno, "receive from the kernel");
	if ((size_t)len > sizeof(buf))
		return err_set(err, -EMSGSIZE, "receive from the kernel");
	if (from.nl_pid == 0)	/* the kernel, not another process */
		talk_datagram(talk, buf, (int)len);
	return 0;
}

static int talk_once(struct nl *nl, struct nlmsghdr *nlh, struct talk *talk, struct err *err)
{
	int rc;

	nlh->nlmsg_seq = nl_seq(nl);
	talk->first_seq = talk->last_seq = nlh->nlmsg_seq;
	talk->ended = talk->interrupted = false;
	rc = talk_send(nl, nlh, nlh->nlmsg_len, err);
	while (!rc && !talk->ended)
		rc = talk_receive(nl, talk, 0, err);
	return rc ? rc : talk->error;
}

int nl_talk(struct nl *nl, struct nlmsghdr *nlh, const struct nl_handler *handler, struct err *err)
{
	struct talk talk = { .portid = nl->portid, .handler = handler, .err = err };
	int rc;

	nlh->nlmsg_flags |= NLM_F_REQUEST;
	if ((nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		nlh->nlmsg_flags |= NLM_F_ACK;

	for (int i = 0; i < DUMP_RESTARTS; i++) {
		rc = talk_once(nl, nlh, &talk, err);
		if (rc || !talk.interrupted)
			return rc;
		if (handler && handler->restart)
			handler->restart(handler->data);
	}
	return err_set(err, -EINTR, "what is dumped keeps changing");
}

unsigned int nl_seq(struct nl *nl)
{
	return ++nl->seq;
}

static unsigned int acks_wanted(const void *buf, size_t len)
{
	const struct nlmsghdr *nlh;
	unsigned int wanted = 0;
	int left = (int)len;

	for (nlh = buf; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		wanted += !!(nlh->nlmsg_flags & NLM_F_ACK);
	return wanted;
}

int nl_talk_batch(struct nl *nl, const void *buf, size_t len, unsigned int first_seq,
		  unsigned int last_seq, struct err *err)
{
	struct talk talk = {
		.portid = nl->portid, .first_seq = first_seq, .last_seq = last_seq, .err = err,
	};
	int rc = talk_send(nl, buf, len, err);

	if (rc)
		return rc;
	/* All answers are there by now; how many, depends on where the kernel stopped. */
	do
		rc = talk_receive(nl, &talk, MSG_DONTWAIT, NULL);
	while (!rc);
	if (rc != -EAGAIN)
		return err_set(err, rc, "receive from the kernel");
	nl->refused = talk.failed_seq;
	if (!talk.error && talk.acks < acks_wanted(buf, len))
		return err_set(err, -EPROTO, "the kernel did not answer");
	return talk.error;
}

/* ---- what a dump collects -------------------------------------------------------------------- */

void *nl_array_add(struct nl_array *array)
{
	/* The capacity is the power of two that holds n: it changes when n is one. */
	if (!(array->n & (array->n - 1))) {
		size_t capacity = array->n ? 2 * array->n : 1;
		void *items = reallocarray(array->items, capacity, array->size);

		if (!items)
			return NULL;
		array->items = items;
	}
	return memset((char *)array->items + array->n++ * array->size, 0, array->size);
}

void nl_array_reset(void *array)
{
	((struct nl_array *)array)->n = 0;
}
