// SPDX-License-Identifier: Apache-2.0
/*
 * Theory: a transaction is one datagram, from BATCH_BEGIN to BATCH_END; the kernel keeps nothing
 * between two. So all of it is put together here, and the socket is made to send that much.
 * Messages grow in place: how long the last one became is seen when the next begins.
 *
 * The elements of a set are one attribute, and an attribute ends at 64 KiB: what is left goes into
 * further messages of the same transaction.
 *
 * A refusal bears the sequence number of a message; which object that is about, the message says.
 */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <libnftnl/common.h>

#include "kern/nft_batch.h"

/* For the longest attribute, and what libnftnl writes before it sees that one overflow. */
#define MESSAGE_ROOM (2 * 65536)

static struct nlmsghdr *last_message(struct nft_batch *batch)
{
	return (struct nlmsghdr *)(batch->buf + batch->last);
}

static size_t length(struct nft_batch *batch)
{
	return batch->buf ? batch->last + NLMSG_ALIGN(last_message(batch)->nlmsg_len) : 0;
}

/* Room behind the last message, for a new last one. */
static char *next_message(struct nft_batch *batch)
{
	size_t used = length(batch);

	if (batch->size - used < MESSAGE_ROOM) {
		size_t size = 2 * batch->size + MESSAGE_ROOM;
		char *buf = realloc(batch->buf, size);

		if (!buf)
			return NULL;
		batch->buf = buf;
		batch->size = size;
	}
	batch->last = used;
	return batch->buf + used;
}

int nft_batch_begin(struct nft_batch *batch, struct nl *nl)
{
	char *room = next_message(batch);

	if (!room)
		return -ENOMEM;
	batch->nl = nl;
	batch->first_seq = nl_seq(nl);
	nftnl_batch_begin(room, batch->first_seq);
	return 0;
}

struct nlmsghdr *nft_batch_add(struct nft_batch *batch, unsigned int type, unsigned int flags)
{
	char *room = next_message(batch);

	if (!room)
		return NULL;
	return nftnl_nlmsg_build_hdr(room, type, NFPROTO_INET, flags, nl_seq(batch->nl));
}

int nft_batch_elements(struct nft_batch *batch, unsigned int type, unsigned int flags,
		       struct nftnl_set *set)
{
	struct nftnl_set_elems_iter *iter = nftnl_set_elems_iter_create(set);
	int more;

	if (!iter)
		return -ENOMEM;
	more = !!nftnl_set_elems_iter_cur(iter);
	while (more > 0) {
		struct nlmsghdr *nlh = nft_batch_add(batch, type, flags);

		more = nlh ? nftnl_set_elems_nlmsg_build_payload_iter(nlh, iter) : -ENOMEM;
	}
	nftnl_set_elems_iter_destroy(iter);
	return more;
}

/* What a message is about. */
static const struct kind {
	unsigned int type;
	const char *what;
	unsigned int name;	/* attribute */
} kinds[] = {
	{ NFT_MSG_NEWTABLE, "table", NFTA_TABLE_NAME },
	{ NFT_MSG_DELTABLE, "table", NFTA_TABLE_NAME },
	{ NFT_MSG_NEWSET, "set", NFTA_SET_NAME },
	{ NFT_MSG_NEWSETELEM, "elements of set", NFTA_SET_ELEM_LIST_SET },
	{ NFT_MSG_DELSETELEM, "elements of set", NFTA_SET_ELEM_LIST_SET },
	{ NFT_MSG_NEWCHAIN, "chain", NFTA_CHAIN_NAME },
	{ NFT_MSG_NEWRULE, "rule of chain", NFTA_RULE_CHAIN },
};

/* Puts the name of the refused object before the kernel's words. */
static void name_culprit(struct nft_batch *batch, unsigned int seq, struct err *err)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)batch->buf;
	const struct nlattr *attr;
	int left = (int)length(batch);

	while (mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_seq != seq)
		nlh = mnl_nlmsg_next(nlh, &left);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && mnl_nlmsg_ok(nlh, left); i++) {
		if (NFNL_MSG_TYPE(nlh->nlmsg_type) != kinds[i].type)
			continue;
		mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
			if (mnl_attr_get_type(attr) == kinds[i].name)
				err_wrap(err, "%s '%s'", kinds[i].what, mnl_attr_get_str(attr));
	}
}

/* A datagram must fit into the send buffer, with some bytes to spare. The kernel doubles what is
 * set. */
static void widen(int fd, int len)
{
	int have;
	socklen_t size = sizeof(have);

	if (!getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &have, &size) && have < 2 * len)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len));
}

int nft_batch_commit(struct nft_batch *batch, struct err *err)
{
	unsigned int last_seq = nl_seq(batch->nl);
	char *room;
	int ret;

	/* One ack tells that the kernel has been through; refusals come unasked. */
	last_message(batch)->nlmsg_flags |= NLM_F_ACK;
	room = next_message(batch);
	if (!room)
		return err_set(err, -ENOMEM, "end the transaction");
	nftnl_batch_end(room, last_seq);

	widen(mnl_socket_get_fd(batch->nl->sock), (int)length(batch));
	ret = nl_talk_batch(batch->nl, batch->buf, length(batch), batch->first_seq, last_seq, err);
	if (ret < 0)
		name_culprit(batch, batch->nl->refused, err);
	return ret;
}

void nft_batch_free(struct nft_batch *batch)
{
	free(batch->buf);
	*batch = (struct nft_batch){ 0 };
}
